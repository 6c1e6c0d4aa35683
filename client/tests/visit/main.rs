//! Visits to a room whose server is played by the test, word by word: what no honest server would do on demand.
// Test code: a panic is how a failure is told.
#![allow(clippy::unwrap_used)]
mod callback;
mod joining;
mod losing;
mod stage;
mod talking;
