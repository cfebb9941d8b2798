//! Compressed messages through whole connections: what a peer sends and what comes of it, in every cut of the
//! input and with any room for the output; what is sent, and that the other end has it again, be it ours or
//! zlib-rs or miniz_oxide.
#![cfg(feature = "deflate")]

#[path = "../common/mod.rs"]
mod common;
mod cuts;
mod ends;
mod interoperation;
mod peer;
mod receiving;
mod sending;
mod window;
