//! HTTP/1.1 as bytes: heads are parsed, checked and rewritten; bodies are only followed.
//!
//! All of it is pure: bytes in, values out.

pub(crate) mod body;
mod check;
pub(crate) mod chunked;
pub(crate) mod fields;
pub(crate) mod forwarded;
pub(crate) mod host;
pub(crate) mod request;
pub(crate) mod request_id;
pub(crate) mod response;
mod rewrite;
pub(crate) mod scan;
