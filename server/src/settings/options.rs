//! The command line, and nothing else: words in, [`Options`] or one line of what is wrong out.

use crate::settings::limits::{LimitError, Limits};
use std::path::PathBuf;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// Where to listen, as `HOST:PORT`.
    pub listen: String,
    /// A file with what everybody who joins is told.
    pub motd: Option<PathBuf>,
    /// A file that keeps the bans over restarts.
    pub ban_file: Option<PathBuf>,
    /// Whether to take the operator's commands from standard input even if it is no terminal.
    pub console: bool,
    /// The limits.
    pub limits: Limits,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Serve.
    Run(Box<Options>),
    /// Print this and leave.
    Print(String),
}

/// Loopback, so that nobody opens a room to a network by accident.
const DEFAULT_LISTEN: &str = "127.0.0.1:1234";

/// Reads the command line, without the program's name.
///
/// # Errors
/// One line that says what is wrong and what would do.
pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Wanted, String> {
    let mut options = Options {
        listen: DEFAULT_LISTEN.to_owned(),
        motd: None,
        ban_file: None,
        console: false,
        limits: Limits::default(),
    };
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let (flag, attached) = match word.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (word, None),
        };
        match flag.as_str() {
            "--help" | "-h" => return Ok(Wanted::Print(help())),
            "--version" | "-V" => {
                return Ok(Wanted::Print(concat!("chat-server ", env!("CARGO_PKG_VERSION")).to_owned()))
            }
            _ => {}
        }
        let Some(name) = flag.strip_prefix("--") else {
            return Err(format!("{flag:?} is not understood; chat-server --help lists the flags"));
        };
        let mut value = || {
            attached
                .clone()
                .or_else(|| words.next())
                .ok_or_else(|| format!("{flag} needs a value; see chat-server --help"))
        };
        match name {
            "listen" => options.listen = host_and_port(value()?)?,
            "motd" => options.motd = Some(value()?.into()),
            "ban-file" => options.ban_file = Some(value()?.into()),
            "console" if attached.is_none() => options.console = true,
            _ => {
                let known = Limits::default().table().iter().any(|(limit, ..)| *limit == name);
                let value = if known { value()? } else { String::new() };
                match options.limits.set(name, &value) {
                    Ok(()) => {}
                    Err(LimitError::Unknown) => {
                        return Err(format!("there is no flag {flag}; chat-server --help lists them"))
                    }
                    Err(LimitError::Value(why)) => return Err(format!("{flag} {why}, not {value:?}")),
                }
            }
        }
    }
    options.limits.check()?;
    Ok(Wanted::Run(Box::new(options)))
}

fn host_and_port(text: String) -> Result<String, String> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(text),
        _ => Err(format!("--listen takes HOST:PORT, as in {DEFAULT_LISTEN} or [::]:1234, not {text:?}")),
    }
}

fn help() -> String {
    let mut text = format!(
        "chat-server: a room for chat-client\n\nUsage: chat-server [FLAGS]\n\n  \
         --listen HOST:PORT     where to listen; port 0 picks a free one [{DEFAULT_LISTEN}]\n  \
         --motd FILE            what everybody who joins is told\n  \
         --ban-file FILE        keeps the bans over restarts
  \
         --console              take the operator's commands from standard input even if it is no terminal\n  \
         --help, --version      print this, or the version\n\nLimits:\n"
    );
    for (flag, value, what) in Limits::default().table() {
        let flag = format!("--{flag}");
        text += &format!("  {flag:<22} {what} [{value}]\n");
    }
    text += "\nRUST_LOG sets what is logged to standard error [info]. Ctrl-C stops the room in good order; twice, at once.";
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn parsed(line: &str) -> Result<Wanted, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    fn options(line: &str) -> Options {
        match parsed(line) {
            Ok(Wanted::Run(options)) => *options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_default_is_loopback() {
        assert_eq!(options("").listen, "127.0.0.1:1234");
    }

    #[test]
    fn flags_take_their_value_behind_a_space_or_an_equals_sign() {
        assert_eq!(options("--listen [::]:0").listen, "[::]:0");
        assert_eq!(options("--listen=example.org:99").listen, "example.org:99");
        assert_eq!(options("--dead-after 3s").limits.dead_after, Duration::from_secs(3));
    }

    #[test]
    fn every_limit_is_in_the_help() {
        let help = help();
        for (flag, ..) in Limits::default().table() {
            assert!(help.contains(&format!("--{flag} ")), "{flag}");
        }
    }

    #[test]
    fn mistakes_are_told_in_one_line() {
        for line in [
            "--lisen x:1",
            "--listen",
            "--listen 1234",
            "--listen x:70000",
            "-x",
            "hello",
            "--rate many",
            "--max-text 1MiB",
            "--max-frame 4096",
        ] {
            let error = parsed(line).expect_err(line);
            assert!(!error.contains('\n') && error.len() > 10, "{error}");
        }
    }
}
