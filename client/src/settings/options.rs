//! The command line and the environment, as one struct. Reads nothing by itself: `main.rs` hands both in.

use std::path::PathBuf;

/// What `--help` prints.
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
  --help, --version

/help lists the commands inside the room. Exit codes: 0 left, 1 could not join or was lost, 2 wrong usage.
";

/// Where the room is, unless told otherwise.
const DEFAULT_SERVER: &str = "127.0.0.1:1234";
/// For `--send`, from the command line and from standard input.
pub(crate) const NOTHING_TO_SEND: &str = "--send needs a text that is not empty";

/// When the terminal rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bell {
    /// Never.
    Off,
    /// When our name is mentioned, or somebody speaks to us alone.
    Mention,
    /// For each message.
    All,
}

impl Bell {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Bell::Off => "off",
            Bell::Mention => "mention",
            Bell::All => "all",
        }
    }

    /// The mode of this name.
    pub fn parse(name: &str) -> Option<Bell> {
        [Bell::Off, Bell::Mention, Bell::All].into_iter().find(|bell| bell.name() == name)
    }
}

/// Where the input comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Lines from standard input.
    Lines,
    /// One message: all of standard input.
    Whole,
    /// One message, from the command line.
    Text(String),
}

/// How things are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScreenOptions {
    /// JSON instead of words.
    pub json: bool,
    /// Whether words have colours.
    pub color: bool,
    /// Whether standard output is a terminal that understands escape sequences.
    pub terminal: bool,
    /// Whether somebody types on that terminal, so that messages have to go above the line being typed.
    pub typing: bool,
    /// When the terminal rings.
    pub bell: Bell,
    /// The file that gets a transcript.
    pub log: Option<PathBuf>,
}

/// How many messages `/history` shows when it is not told, and a terminal on joining.
pub(crate) const HISTORY_SHOWN: u32 = 20;

/// How to join.
#[derive(Clone, Debug)]
pub struct JoinOptions {
    /// Where the server is, as `HOST:PORT`.
    pub server: String,
    /// The name to be known by; without one the first line of input is the name.
    pub name: Option<String>,
    /// How many earlier messages to ask for.
    pub history: u32,
    /// Whether a person is typing: a refused name is asked for again, and `/quit` does not wait for a lost server.
    pub interactive: bool,
    /// Whether to stay in the room after the end of input.
    pub stay: bool,
    /// Whether to let the server dial us. Without it the client opens the callback connection itself.
    pub listen: bool,
}

impl JoinOptions {
    /// Joins the room at `server` as a program would: no history, leaves at the end of input.
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

/// All of it.
#[derive(Clone, Debug)]
pub struct Options {
    /// How to join.
    pub join: JoinOptions,
    /// How to show.
    pub screen: ScreenOptions,
    /// What to send.
    pub source: Source,
}

/// What the command line asks for.
#[derive(Clone, Debug)]
pub enum Asked {
    /// To join a room.
    Run(Box<Options>),
    /// To print this and be done.
    Print(String),
}

/// What the program finds itself in.
pub struct Surroundings<'a> {
    /// Whether standard input is a terminal.
    pub stdin_terminal: bool,
    /// Whether standard output is one.
    pub stdout_terminal: bool,
    /// The environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

/// Understands the arguments (without the program's name).
///
/// # Errors
/// One line for people: what is wrong with them.
pub fn parse(
    arguments: impl IntoIterator<Item = String>,
    around: &Surroundings<'_>,
) -> Result<Asked, String> {
    let variable = |name| (around.variable)(name).filter(|value| !value.is_empty());
    let mut join = JoinOptions::new(variable("CHAT_SERVER").unwrap_or_else(|| DEFAULT_SERVER.into()));
    join.name = variable("CHAT_NAME");
    let clever = around.stdout_terminal && variable("TERM").is_some_and(|term| term != "dumb");
    let mut screen = ScreenOptions {
        json: false,
        color: clever && variable("NO_COLOR").is_none(),
        terminal: clever,
        typing: false,
        bell: Bell::Mention,
        log: None,
    };
    let mut source = Source::Lines;
    let mut history = None;

    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let (flag, attached) = match argument.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, Some(value.to_owned())),
            _ => (argument.as_str(), None),
        };
        let has_value = attached.is_some();
        let mut value =
            || attached.clone().or_else(|| arguments.next()).ok_or(format!("{flag} needs a value"));
        match flag {
            "--server" => join.server = value()?,
            "--name" => join.name = Some(value()?),
            "--send" => {
                source = match value()? {
                    text if text == "-" => Source::Whole,
                    text if text.trim().is_empty() => return Err(NOTHING_TO_SEND.into()),
                    text => Source::Text(text),
                }
            }
            "--history" => {
                let value = value()?;
                let count =
                    value.parse().map_err(|_| format!("--history needs a number, not \"{value}\""))?;
                history = Some(count);
            }
            "--log" => screen.log = Some(value()?.into()),
            "--color" => match value()?.as_str() {
                "auto" => {}
                "always" => screen.color = true,
                "never" => screen.color = false,
                other => return Err(format!("--color is auto, always or never, not \"{other}\"")),
            },
            "--bell" => {
                let value = value()?;
                screen.bell =
                    Bell::parse(&value).ok_or(format!("--bell is off, mention or all, not \"{value}\""))?;
            }
            _ if has_value => return Err(format!("unknown flag {flag} with a value; see --help")),
            "--json" => screen.json = true,
            "--stay" => join.stay = true,
            "--no-listen" => join.listen = false,
            "--help" | "-h" => return Ok(Asked::Print(HELP.into())),
            "--version" | "-V" => {
                return Ok(Asked::Print(format!("chat-client {}\n", env!("CARGO_PKG_VERSION"))))
            }
            _ => return Err(format!("unknown argument \"{argument}\"; see --help")),
        }
    }
    check_server(&join.server)?;
    if source != Source::Lines && join.name.is_none() {
        return Err("--send needs a --name, because nobody is asked for one".into());
    }
    if screen.json {
        screen.terminal = false;
    }
    let lines = source == Source::Lines;
    join.interactive = around.stdin_terminal && lines;
    screen.typing = join.interactive;
    join.history = history.unwrap_or(if screen.terminal && lines { HISTORY_SHOWN } else { 0 });
    Ok(Asked::Run(Box::new(Options { join, screen, source })))
}

/// Whether this looks like `HOST:PORT`; whether there is such a host turns out when it is dialled.
fn check_server(server: &str) -> Result<(), String> {
    let plausible = server.rsplit_once(':').is_some_and(|(host, port)| {
        let bracketed = host.starts_with('[') && host.ends_with(']');
        !host.is_empty()
            && (bracketed || !host.contains(':'))
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if plausible {
        Ok(())
    } else {
        Err(format!(
            "the server is given as HOST:PORT, such as 127.0.0.1:1234 or [::1]:1234, not \"{server}\""
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(arguments: &[&str], terminal: bool, variables: &[(&str, &str)]) -> Result<Asked, String> {
        let variable =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into());
        let around =
            Surroundings { stdin_terminal: terminal, stdout_terminal: terminal, variable: &variable };
        parse(arguments.iter().map(|argument| (*argument).to_owned()), &around)
    }

    fn run(arguments: &[&str], terminal: bool, variables: &[(&str, &str)]) -> Options {
        match with(arguments, terminal, variables) {
            Ok(Asked::Run(options)) => *options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flags_go_before_the_environment_and_that_before_the_defaults() {
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
    fn mistakes_are_one_line_each() {
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
            let mistake = with(arguments, false, &[]).unwrap_err();
            assert!(!mistake.contains('\n'), "{mistake}");
        }
    }

    #[test]
    fn one_message_from_a_terminal_is_no_conversation() {
        let options = run(&["--name", "ci", "--send", "hi"], true, &[("TERM", "xterm")]);
        assert!(!options.screen.typing && !options.join.interactive && options.join.history == 0);
    }

    #[test]
    fn a_dumb_terminal_gets_plain_lines() {
        let options = run(&[], true, &[("TERM", "dumb")]);
        assert!(!options.screen.terminal && !options.screen.color);
        assert!(options.join.interactive);
    }
}
