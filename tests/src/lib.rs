//! The harness of the scenarios in `it/`: servers, clients, hostile peers, network faults, and a checker.
//!
//! Everything here is test code. A failure panics, and its message says what the test was doing.
// A panic is how a test reports a failure, and the output is for the person who runs the test.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::print_stdout)]

pub mod checker;
pub mod class;
#[cfg(feature = "closed")]
pub mod closed;
pub mod film;
pub mod folder;
pub mod history;
pub mod member;
pub mod moderation;
pub mod process;
pub mod proxy;
pub mod random;
pub mod raw;
mod receiver;
pub mod room;
pub mod sealing;
#[cfg(feature = "closed")]
pub mod secrets;
pub mod server;
pub mod stuck;
pub mod svg;
pub mod terminal;
pub mod watchdog;
