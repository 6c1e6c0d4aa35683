//! The command line and the environment variables, as one struct. This file does no I/O: `main.rs` passes
//! both in.

use std::path::PathBuf;

/// The output of `--help`.
const HELP: &str = "\
Joins a room of rpc-chat and takes part in it.

Usage: chat-client [--server HOST:PORT] [--name NAME] [options]

  --server HOST:PORT   where the room is (default 127.0.0.1:1234, or $CHAT_SERVER)
  --name NAME          your name in it (asked for where it is absent, or $CHAT_NAME)
  --send TEXT          say TEXT and leave; with - all of standard input, as one message
  --stay               stay and read on after the end of input
  --history N          show the last N messages first (default 20 on a terminal, else 0)
  --json               print one JSON object a line for everything that happens
  --log FILE           append a transcript to FILE
  --color WHEN         auto, always or never (default auto: on a terminal, unless $NO_COLOR is set)
  --bell MODE          ring on a terminal for: off, mention, all (default mention)
  --no-listen          do not let the server dial this client; the client dials instead
  --help, --version    print this, or the version

/help lists the commands inside the room. Exit codes: 0 left, 1 could not join or was lost, 2 wrong usage.
";

const DEFAULT_SERVER: &str = "127.0.0.1:1234";
/// How many messages a terminal shows after joining, and `/history` without a number.
pub(crate) const DEFAULT_HISTORY: u32 = 20;
/// The error of `--send` for an empty text, from the command line or from standard input.
pub(crate) const EMPTY_MESSAGE_ERROR: &str = "--send needs a text that is not empty";

/// When the terminal rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bell {
    /// Never.
    Off,
    /// When a message contains the person's name, or is private.
    Mention,
    /// For each message.
    All,
}

impl Bell {
    /// The mode's name in `--bell` and `/bell`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Bell::Off => "off",
            Bell::Mention => "mention",
            Bell::All => "all",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Bell> {
        [Bell::Off, Bell::Mention, Bell::All].into_iter().find(|bell| bell.name() == name)
    }
}

/// Where the input comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputSource {
    /// Lines from standard input.
    StdinLines,
    /// One message: all of standard input.
    StdinMessage,
    /// One message from the command line.
    Message(String),
}

/// How the client shows events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScreenOptions {
    /// JSON instead of text for people.
    pub json: bool,
    /// Whether text has colors.
    pub color: bool,
    /// Whether standard output is a terminal that understands escape sequences.
    pub terminal: bool,
    /// Whether standard output is a terminal that understands none.
    pub dumb: bool,
    /// Whether a person types on that terminal. Then messages go above the line being typed.
    pub typing: bool,
    /// When the terminal rings.
    pub bell: Bell,
    /// The file that gets a transcript.
    pub log: Option<PathBuf>,
}

/// How the client joins.
#[derive(Clone, Debug)]
pub struct JoinOptions {
    /// The server's address, as `HOST:PORT`.
    pub server: String,
    /// The person's name. Without one, the first line of input is the name.
    pub name: Option<String>,
    /// How many earlier messages to ask for.
    pub history: u32,
    /// Whether a person types. Then the client asks again after a refused name, and `/quit` does not wait for
    /// a lost server.
    pub interactive: bool,
    /// Whether to stay in the room after the end of input.
    pub stay: bool,
    /// Whether the server may dial the client. Otherwise the client opens the callback connection.
    pub listen: bool,
}

impl JoinOptions {
    /// Options for a program: no history, and the client leaves at the end of input.
    pub fn new(server: impl Into<String>) -> JoinOptions {
        JoinOptions {
            server: server.into(),
            name: None,
            history: 0,
            interactive: false,
            stay: false,
            listen: true,
        }
    }
}

/// All options.
#[derive(Clone, Debug)]
pub struct Options {
    /// How to join.
    pub join: JoinOptions,
    /// How to show events.
    pub screen: ScreenOptions,
    /// What to send.
    pub source: InputSource,
}

/// What the command line asks for.
#[derive(Clone, Debug)]
pub enum Invocation {
    /// Join a room.
    Run(Box<Options>),
    /// Print this text and exit.
    Print(String),
}

/// What the program needs to know about its environment.
pub struct Environment<'a> {
    /// Whether standard input is a terminal.
    pub stdin_terminal: bool,
    /// Whether standard output is a terminal.
    pub stdout_terminal: bool,
    /// Looks up an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

/// Parses the arguments, without the program's name.
///
/// # Errors
/// One line for people that says which argument is wrong.
pub fn parse_arguments(
    arguments: impl IntoIterator<Item = String>,
    environment: &Environment<'_>,
) -> Result<Invocation, String> {
    let mut options = defaults(environment);
    let mut history = None;
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let (flag, attached) = match argument.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, Some(value.to_owned())),
            _ => (argument.as_str(), None),
        };
        let has_value = attached.is_some();
        let value = || attached.or_else(|| arguments.next()).ok_or(format!("{flag} needs a value"));
        let Options { join, screen, source } = &mut options;
        match flag {
            "--server" => join.server = value()?,
            "--name" => join.name = Some(value()?),
            "--send" => *source = parse_send(value()?)?,
            "--history" => history = Some(parse_history(&value()?)?),
            "--log" => screen.log = Some(value()?.into()),
            "--color" => match value()?.as_str() {
                "auto" => {}
                "always" => screen.color = true,
                "never" => screen.color = false,
                other => return Err(format!("--color is auto, always or never, not \"{other}\"")),
            },
            "--bell" => screen.bell = parse_bell(&value()?)?,
            _ if has_value => return Err(format!("unknown flag {flag} with a value; see --help")),
            "--json" => screen.json = true,
            "--stay" => join.stay = true,
            "--no-listen" => join.listen = false,
            "--help" | "-h" => return Ok(Invocation::Print(HELP.into())),
            "--version" | "-V" => {
                return Ok(Invocation::Print(format!("chat-client {}\n", env!("CARGO_PKG_VERSION"))))
            }
            _ => return Err(format!("unknown argument \"{argument}\"; see --help")),
        }
    }

    let Options { join, screen, source } = &mut options;
    check_server(&join.server)?;
    let lines = *source == InputSource::StdinLines;
    if !lines && join.name.is_none() {
        return Err("--send needs a --name, because nobody is asked for one".into());
    }
    screen.terminal &= !screen.json;
    screen.dumb &= !screen.json;
    join.interactive = environment.stdin_terminal && lines;
    screen.typing = join.interactive;
    join.history = history.unwrap_or(if screen.terminal && lines { DEFAULT_HISTORY } else { 0 });
    Ok(Invocation::Run(Box::new(options)))
}

/// The options without any argument.
fn defaults(environment: &Environment<'_>) -> Options {
    let variable = |name| (environment.variable)(name).filter(|value| !value.is_empty());
    let mut join = JoinOptions::new(variable("CHAT_SERVER").unwrap_or_else(|| DEFAULT_SERVER.into()));
    join.name = variable("CHAT_NAME");
    let ansi = environment.stdout_terminal && variable("TERM").is_some_and(|term| term != "dumb");
    let screen = ScreenOptions {
        json: false,
        color: ansi && variable("NO_COLOR").is_none(),
        terminal: ansi,
        dumb: environment.stdout_terminal && !ansi,
        typing: false,
        bell: Bell::Mention,
        log: None,
    };
    Options { join, screen, source: InputSource::StdinLines }
}

fn parse_send(text: String) -> Result<InputSource, String> {
    match text {
        text if text == "-" => Ok(InputSource::StdinMessage),
        text if text.trim().is_empty() => Err(EMPTY_MESSAGE_ERROR.into()),
        text => Ok(InputSource::Message(text)),
    }
}

fn parse_history(count: &str) -> Result<u32, String> {
    count.parse().map_err(|_| format!("--history needs a number, not \"{count}\""))
}

fn parse_bell(mode: &str) -> Result<Bell, String> {
    Bell::parse(mode).ok_or(format!("--bell is off, mention or all, not \"{mode}\""))
}

/// Checks that the text has the form `HOST:PORT`. Whether the host exists is only known after dialling.
fn check_server(server: &str) -> Result<(), String> {
    let valid = server.rsplit_once(':').is_some_and(|(host, port)| {
        let bracketed = host.starts_with('[') && host.ends_with(']');
        !host.is_empty()
            && (bracketed || !host.contains(':'))
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if !valid {
        return Err(format!(
            "the server is given as HOST:PORT, such as 127.0.0.1:1234 or [::1]:1234, not \"{server}\""
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(arguments: &[&str], terminal: bool, variables: &[(&str, &str)]) -> Result<Invocation, String> {
        let variable =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into());
        let environment =
            Environment { stdin_terminal: terminal, stdout_terminal: terminal, variable: &variable };
        parse_arguments(arguments.iter().map(|argument| (*argument).to_owned()), &environment)
    }

    fn run(arguments: &[&str], terminal: bool, variables: &[(&str, &str)]) -> Options {
        match with(arguments, terminal, variables) {
            Ok(Invocation::Run(options)) => *options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_the_environment_over_the_default() {
        let variables =
            [("CHAT_SERVER", "there:1"), ("CHAT_NAME", "Env"), ("NO_COLOR", "1"), ("TERM", "xterm")];
        let options = run(&[], true, &variables);
        assert_eq!((options.join.server.as_str(), options.join.name.as_deref()), ("there:1", Some("Env")));
        assert!(!options.screen.color && options.screen.terminal && options.join.interactive);
        assert_eq!(options.join.history, 20);
        let options = run(&["--server=[::1]:9", "--name", "Flag", "--color", "always"], true, &variables);
        assert_eq!((options.join.server.as_str(), options.join.name.as_deref()), ("[::1]:9", Some("Flag")));
        assert!(options.screen.color);
        let options = run(&[], false, &[("CHAT_NAME", "")]);
        assert_eq!((options.join.server.as_str(), options.join.name), ("127.0.0.1:1234", None));
        assert_eq!(options.join.history, 0);
    }

    #[test]
    fn each_wrong_argument_is_one_line_of_error() {
        for arguments in [
            &["--serve"][..],
            &["hello"],
            &["--server"],
            &["--server", "here"],
            &["--server", "::1:80"],
            &["--server", "here:0"],
            &["--server", ":80"],
            &["--history", "many"],
            &["--color", "red"],
            &["--bell=loud"],
            &["--json=yes"],
            &["--send", "hi"],
            &["--send", " ", "--name", "ci"],
        ] {
            let error = with(arguments, false, &[]).unwrap_err();
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn send_on_a_terminal_is_not_interactive() {
        let options = run(&["--name", "ci", "--send", "hi"], true, &[("TERM", "xterm")]);
        assert!(!options.screen.typing && !options.join.interactive && options.join.history == 0);
    }

    #[test]
    fn a_dumb_terminal_gets_no_escape_sequences() {
        let options = run(&[], true, &[("TERM", "dumb")]);
        assert!(options.screen.dumb && !options.screen.terminal && !options.screen.color);
        assert!(options.join.interactive);
    }
}
