//! What is packed, installed and started by make. These tests build the programs as a user gets them, so they
//! are no part of the usual run: `make release-test`.
// A panic is how a test reports a failure, and the output is for the person who runs the test.
#![allow(clippy::unwrap_used, clippy::print_stdout)]
#[cfg(feature = "closed")]
mod closed_make;
mod course;
mod dist;
mod readme;
