//! The scenarios, one file per property.
// Test code: a panic is how a failure is told.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::print_stdout)]

mod terminal;
mod commands;
mod scripts;
