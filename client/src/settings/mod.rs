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
pub use options::{Bell, Environment, InputSource, Invocation, Options, ScreenOptions, Surface, TimeFormat};
pub use server_address::{parse_server, DEFAULT_PORT, DEFAULT_SERVER};

/// What the tests of this folder have in common.
#[cfg(test)]
mod tests {
    use super::*;

    /// Parses these arguments, where both standard streams are a terminal, or neither is.
    pub(super) fn with(
        arguments: &[&str],
        terminal: bool,
        variables: &[(&str, &str)],
    ) -> Result<Invocation, String> {
        let variable =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into());
        let environment = Environment {
            stdin_terminal: terminal,
            stdout_terminal: terminal,
            stdout_file: false,
            variable: &variable,
        };
        let arguments = arguments.iter().map(|argument| (*argument).to_owned());
        parse_arguments(&program(Vec::new()), arguments, &environment)
    }

    /// Returns the options of a client that is to run.
    pub(super) fn run(arguments: &[&str], terminal: bool, variables: &[(&str, &str)]) -> Options {
        match with(arguments, terminal, variables) {
            Ok(Invocation::Run(options)) => *options,
            other => panic!("{other:?}"),
        }
    }
}
