//! Guests over plain HTTP, as curl sees them: the real gateway, and a server in the process of the test.
// A test panics to report a failure.
#![allow(clippy::unwrap_used)]

mod addresses;
mod attempts;
mod guests;
mod harness;
mod program;
mod safe;
