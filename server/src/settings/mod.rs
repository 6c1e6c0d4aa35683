//! What can be set: limits, and the command line.

pub mod limits;
pub mod options;
#[cfg(feature = "seeded-bugs")]
pub mod seeded;
