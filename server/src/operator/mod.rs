//! The operator's commands from standard input, a line in the server's log each minute, and the transcript.
//! Threads `console`, `stats` and `transcript`. They may read the room, and change it only through commands
//! to the broadcaster.

mod console;
mod stats;
mod transcript;
mod who;

pub(crate) use console::{commands, Console};
pub(crate) use stats::stats_loop;
pub(crate) use transcript::Transcript;
