//! HTTP/1.1, as much of it as a page and its guests need: one request on each connection, and then its end.
//!
//! | limit | value |
//! |---|---|
//! | head of a request | 8 KiB, 32 fields, 10 s |
//! | body of a request | 64 KiB, 10 s, with a `Content-Length` |
//! | write | 5 s |
//! | connections | 64 from one address, 1,024 in all |
//!
//! Each time is one deadline for all of it, so that a byte now and then does not hold a thread.

mod crowd;
mod request;
mod response;
mod serve;

pub(crate) use request::Request;
pub(crate) use response::Response;
pub(crate) use serve::{serve_loop, Answer, Connection, Handlers};
