//! What a person can set: the limits and the command line. Plain values, without threads or I/O.

mod arguments;
mod flags;
mod limits;
mod options;
#[cfg(feature = "seeded-bugs")]
pub mod seeded;

pub use arguments::parse;
pub(crate) use flags::program;
pub use flags::CommandLine;
pub use limits::{Bytes, Limits};
pub use options::{
    ClosedFlags, DoorSettings, Invocation, JournalSettings, OperatorSettings, Options, Settings,
};
