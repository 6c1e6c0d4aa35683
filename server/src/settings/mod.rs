//! What a person can set: the limits and the command line. Plain values, without threads or I/O.

#[cfg(feature = "closed")]
mod closed;
mod commands;
mod limits;
pub mod options;
#[cfg(feature = "seeded-bugs")]
pub mod seeded;

#[cfg(feature = "closed")]
pub use closed::ClosedRoom;
pub(crate) use commands::COMMANDS;
pub use limits::{Bytes, Limits};
