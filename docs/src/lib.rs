//! The guides, so that their code is compiled and their links are checked.
#![forbid(unsafe_code)]

#[doc = include_str!("../embedding.md")]
pub mod embedding {}

#[doc = include_str!("../fuzzing.md")]
pub mod fuzzing {}

#[doc = include_str!("../architecture.md")]
pub mod architecture {}

#[doc = include_str!("../million.md")]
pub mod million {}

#[doc = include_str!("../coming-from.md")]
pub mod coming_from {}
