//! WebSocket on smol.
