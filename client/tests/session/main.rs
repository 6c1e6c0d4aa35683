//! A client whose server is the test. The test sends what a real server would not send on demand.
// Test code: a panic reports a failure.
#![allow(clippy::unwrap_used)]
mod beginning;
mod callback;
mod calls;
mod finding;
mod harness;
mod joining;
mod reconnecting;
mod searching;
