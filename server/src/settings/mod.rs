//! What can be set: flags and limits.

pub mod limits;
pub mod options;
pub mod seeded;
