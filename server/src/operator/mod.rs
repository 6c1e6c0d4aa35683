//! The operator's commands from standard input, and a line in the server's log each minute. Threads
//! `console` and `stats`. They may read the room, and change it only through commands to the broadcaster.

mod console;
mod stats;
mod transcript;
mod who;

pub(crate) use console::Console;
pub(crate) use stats::stats_loop;
pub(crate) use transcript::{Transcript, TranscriptFile};
