//! What a person can set: the limits and the command line. Plain values, without threads or I/O.

mod limits;
pub mod options;
#[cfg(feature = "seeded-bugs")]
pub mod seeded;

pub use limits::{Bytes, Limits};
