//! The harness of the scenarios in `it/`: servers, clients and hostile peers to play with, faults to put between them,
//! and a judge of what everybody saw.
//!
//! Test code throughout: a thing that goes wrong here panics, with a word about what was being done.
// The harness is test code: a panic is how a failure is told, and what is printed is for the person who runs it.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::print_stdout)]

pub mod checker;
pub mod history;
pub mod member;
pub mod process;
pub mod proxy;
pub mod random;
pub mod raw;
mod receiver;
pub mod server;
pub mod svg;
pub mod terminal;
pub mod watchdog;
