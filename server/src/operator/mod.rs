//! The operator's commands, the console that reads them from standard input, a line in the server's log each
//! minute, and the transcript. Threads `console`, `stats` and `transcript`; the commands also run for
//! operators in the room, on the threads of their connections. All may read the room, and change it only
//! through commands to the broadcaster.

mod commands;
mod console;
mod motd;
mod stats;
mod transcript;
mod who;

pub(crate) use commands::{commands, Commands};
pub(crate) use console::Console;
pub(crate) use motd::Motd;
pub(crate) use stats::stats_loop;
pub(crate) use transcript::Transcript;
