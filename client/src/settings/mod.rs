//! The options, and the command line. No I/O.

mod arguments;
mod closed_flags;
mod flags;
mod options;
mod server_address;

pub use arguments::parse_arguments;
pub use flags::CommandLine;
pub(crate) use flags::{program, EMPTY_MESSAGE_ERROR};
pub(crate) use options::DEFAULT_HISTORY;
pub use options::{Bell, Environment, InputSource, Invocation, Options, ScreenOptions, TimeFormat};
