//! Sessions of a client whose server is the test. It sends what a correct server would not send on demand.
// Test code: a panic reports a failure.
#![allow(clippy::unwrap_used)]
mod callback;
mod calls;
mod harness;
mod joining;
mod reconnecting;
