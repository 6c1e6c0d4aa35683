//! The command line and the environment variables, as one struct. This file does no I/O: `main.rs` passes
//! both in.

#[cfg(feature = "closed")]
use super::credentials::{Credentials, PassphraseSource};
#[cfg(feature = "closed")]
use chat_common::closed::{state::default_directory, Passphrase};
use chat_common::units::{parse_time, TIME_FORM};
use std::{net::Ipv6Addr, path::PathBuf, time::Duration};

const DEFAULT_SERVER: &str = "127.0.0.1";
/// The port of a server that is given without one.
const DEFAULT_PORT: u16 = 1234;
/// How many messages a terminal shows after joining, and `/history` without a number.
pub(crate) const DEFAULT_HISTORY: u32 = 20;
/// The error of `--send` for an empty text, from the command line or from standard input.
pub(crate) const EMPTY_MESSAGE_ERROR: &str = "--send needs a text that is not empty";
/// The error of `--passphrase`.
const PASSPHRASE_WAYS: &str = "a passphrase is never an argument, because others on this machine can read \
                               those: set $CHAT_PASSPHRASE, use --passphrase-file FILE, or type it where \
                               the client asks for it";
/// The line that builds a client for closed rooms, with the editor if this one has it.
#[cfg(not(feature = "closed"))]
pub(crate) const HOW_TO_BUILD_CLOSED: &str = if cfg!(feature = "edit") {
    "cargo install --path client --features edit,closed"
} else {
    "cargo install --path client --features closed"
};

/// What stands before each line of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    /// Nothing.
    Off,
    /// The time of day.
    Time,
    /// The date and the time of day.
    Date,
}

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
    /// Whether standard output is a terminal on which one line follows the other: it understands no escape
    /// sequences, or the person wants none.
    pub plain: bool,
    /// Whether to print nothing but what others say.
    pub quiet: bool,
    /// What stands before each line.
    pub time: TimeFormat,
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
    /// The server's address, as `HOST:PORT`. An IPv6 address stands in brackets.
    pub server: String,
    /// The person's name. Without one, the first line of input is the name.
    pub name: Option<String>,
    /// Whether to take the name with a number where somebody has it: `ci-2` for `ci`. The highest is 99.
    pub numbered: bool,
    /// How many earlier messages to ask for.
    pub history: u32,
    /// Whether a person types. Then the client asks again after a refused name, and `/quit` does not wait for
    /// a lost server.
    pub interactive: bool,
    /// Whether to stay in the room after the end of input.
    pub stay: bool,
    /// How long to try to join, and to come back. With 0 there is one attempt to join, and none to come back.
    /// An attempt that has begun in time goes on to its own limit. With `None` a program makes one attempt
    /// to join, for 5 s where the server is busy, and then comes back without a limit; a person's client
    /// also waits for a busy server without a limit.
    pub wait: Option<Duration>,
    /// Whether the client comes only to speak. Then nobody is told of it, and it receives nothing. It has no
    /// callback connection.
    pub visitor: bool,
    /// Whether the server may dial the client. Otherwise the client opens the callback connection.
    pub listen: bool,
    /// What a closed room wants to see. With `None` the room must be open.
    #[cfg(feature = "closed")]
    pub credentials: Option<Credentials>,
    /// Where the client keeps its own key and the keys of rooms. With `None` it remembers no room, and takes
    /// any key that a room has when it joins.
    #[cfg(feature = "closed")]
    pub state: Option<PathBuf>,
    /// Whether a known room may have a new key, which takes the place of the old one.
    #[cfg(feature = "closed")]
    pub accept_new_key: bool,
    /// Whether to ask a person for the passphrase where the room is closed and there are no credentials. It
    /// needs `state`.
    #[cfg(feature = "closed")]
    pub asks_passphrase: bool,
}

impl JoinOptions {
    /// Options for a program: no history, and the client leaves at the end of input.
    pub fn new(server: impl Into<String>) -> JoinOptions {
        JoinOptions {
            server: server.into(),
            name: None,
            numbered: false,
            history: 0,
            interactive: false,
            stay: false,
            wait: None,
            visitor: false,
            listen: true,
            #[cfg(feature = "closed")]
            credentials: None,
            #[cfg(feature = "closed")]
            state: None,
            #[cfg(feature = "closed")]
            accept_new_key: false,
            #[cfg(feature = "closed")]
            asks_passphrase: false,
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
    /// The recipient of a message from the command line. `None` says it to everybody.
    pub to: Option<String>,
    /// Whether each line of input is a JSON object.
    pub json_input: bool,
    /// Whether a paste of many lines on a terminal waits for the person's word.
    pub paste_guard: bool,
    /// Where the passphrase of a closed room comes from.
    #[cfg(feature = "closed")]
    pub passphrase: Option<PassphraseSource>,
}

/// What the command line asks for.
#[derive(Clone, Debug)]
pub enum Invocation {
    /// Join a room.
    Run(Box<Options>),
    /// Print the help and exit.
    Help,
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
    let (mut history, mut time, mut plain) = (None, None, false);
    let mut closed = ClosedFlags::default();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let (flag, attached) = match argument.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, Some(value.to_owned())),
            _ => (argument.as_str(), None),
        };
        let has_value = attached.is_some();
        let value = || attached.or_else(|| arguments.next()).ok_or(format!("{flag} needs a value"));
        let Options { join, screen, source, to, json_input, paste_guard, .. } = &mut options;
        match flag {
            "--server" => join.server = value()?,
            "--name" => join.name = Some(value()?),
            "--send" => *source = parse_send(value()?)?,
            "--to" => *to = Some(value()?),
            "--wait" => join.wait = Some(parse_wait(&value()?)?),
            "--time" => time = Some(parse_time_format(&value()?)?),
            "--history" => history = Some(parse_history(&value()?)?),
            "--log" => screen.log = Some(value()?.into()),
            "--color" => match value()?.as_str() {
                "auto" => {}
                "always" => screen.color = true,
                "never" => screen.color = false,
                other => return Err(format!("--color is auto, always or never, not \"{other}\"")),
            },
            "--bell" => screen.bell = parse_bell(&value()?)?,
            "--passphrase-file" => closed.passphrase_file = Some(value()?.into()),
            "--state" => closed.state = Some(value()?.into()),
            // Everybody on a machine can read the arguments of its programs.
            "--passphrase" => return Err(PASSPHRASE_WAYS.into()),
            _ if has_value => return Err(format!("unknown flag {flag} with a value; see --help")),
            "--json" => screen.json = true,
            "--json-input" => *json_input = true,
            "--quiet" => screen.quiet = true,
            "--plain" => plain = true,
            "--no-paste-guard" => *paste_guard = false,
            "--stay" => join.stay = true,
            "--no-listen" => join.listen = false,
            "--accept-new-key" => closed.accept_new_key = true,
            "--help" | "-h" => return Ok(Invocation::Help),
            "--version" | "-V" => {
                return Ok(Invocation::Print(format!(
                    "chat-client {}{}\n",
                    env!("CARGO_PKG_VERSION"),
                    features()
                )));
            }
            _ => return Err(format!("unknown argument \"{argument}\"; see --help")),
        }
    }

    check_combinations(&options)?;
    let Options { join, screen, source, json_input, .. } = &mut options;
    join.server = parse_server(&join.server)?;
    // No name can have a plus sign, so it is never a part of the name.
    if let Some(name) = join.name.as_mut().filter(|name| name.ends_with('+')) {
        name.pop();
        join.numbered = true;
    }
    let lines = *source == InputSource::StdinLines;
    join.visitor = !lines && !join.stay && history.unwrap_or(0) == 0;
    screen.json |= *json_input;
    // A visitor hears nothing, and a script that has sent its message needs no words about it.
    screen.quiet |= join.visitor && !screen.json;
    screen.plain = (screen.plain || plain && screen.terminal) && !screen.json;
    screen.terminal &= !screen.json && !screen.plain;
    let on_terminal = screen.terminal || screen.plain;
    screen.color &= !screen.plain;
    screen.time = time.unwrap_or(if on_terminal { TimeFormat::Time } else { TimeFormat::Off });
    join.interactive = environment.stdin_terminal && lines && !*json_input;
    screen.typing = join.interactive;
    join.history = history.unwrap_or(if on_terminal && lines { DEFAULT_HISTORY } else { 0 });
    take_closed_flags(&mut options, &closed, environment)?;
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
        plain: environment.stdout_terminal && !ansi,
        quiet: false,
        time: TimeFormat::Off,
        typing: false,
        bell: Bell::Mention,
        log: None,
    };
    let source = InputSource::StdinLines;
    Options {
        join,
        screen,
        source,
        to: None,
        json_input: false,
        paste_guard: true,
        #[cfg(feature = "closed")]
        passphrase: None,
    }
}

/// The optional parts of this build, as `--version` shows them.
fn features() -> &'static str {
    match (cfg!(feature = "edit"), cfg!(feature = "closed")) {
        (true, true) => " (edit, closed)",
        (true, false) => " (edit)",
        (false, true) => " (closed)",
        (false, false) => "",
    }
}

/// The flags for closed rooms, as they were given.
#[derive(Clone, Default)]
struct ClosedFlags {
    passphrase_file: Option<PathBuf>,
    state: Option<PathBuf>,
    accept_new_key: bool,
}

#[cfg(feature = "closed")]
fn take_closed_flags(
    options: &mut Options,
    flags: &ClosedFlags,
    environment: &Environment<'_>,
) -> Result<(), String> {
    let ClosedFlags { passphrase_file, state, accept_new_key } = flags.clone();
    let given = (environment.variable)("CHAT_PASSPHRASE").filter(|words| !words.is_empty());
    options.passphrase = match (passphrase_file, given) {
        (Some(path), _) => Some(PassphraseSource::File(path)),
        (None, Some(words)) => {
            let passphrase = Passphrase::new(&words).map_err(|why| format!("$CHAT_PASSPHRASE: {why}"))?;
            Some(PassphraseSource::Given(passphrase))
        }
        (None, None) => None,
    };
    let state = state.map_or_else(|| default_directory(environment.variable), Ok);
    let join = &mut options.join;
    join.accept_new_key = accept_new_key;
    join.asks_passphrase = join.interactive && environment.stdout_terminal && state.is_ok();
    match state {
        Ok(state) => join.state = Some(state),
        // Only a closed room needs the directory.
        Err(why) if options.passphrase.is_some() => return Err(why),
        Err(_) => {}
    }
    Ok(())
}

/// Says how to get a client for closed rooms, if it was told to be one.
#[cfg(not(feature = "closed"))]
fn take_closed_flags(
    _options: &mut Options,
    flags: &ClosedFlags,
    environment: &Environment<'_>,
) -> Result<(), String> {
    let has_variable = || (environment.variable)("CHAT_PASSPHRASE").is_some_and(|words| !words.is_empty());
    let used = match flags {
        ClosedFlags { passphrase_file: Some(_), .. } => "--passphrase-file",
        ClosedFlags { state: Some(_), .. } => "--state",
        ClosedFlags { accept_new_key: true, .. } => "--accept-new-key",
        _ if has_variable() => "$CHAT_PASSPHRASE",
        _ => return Ok(()),
    };
    Err(format!("{used} needs the feature \"closed\", which this build does not have: {HOW_TO_BUILD_CLOSED}"))
}

fn parse_send(text: String) -> Result<InputSource, String> {
    match text {
        text if text == "-" => Ok(InputSource::StdinMessage),
        text if text.trim().is_empty() => Err(EMPTY_MESSAGE_ERROR.into()),
        text => parse_message(&text).map(InputSource::Message),
    }
}

/// Reads the text of a message from the command line. It is said as it is, with one exception: a text that
/// looks like a private message must not be said to everybody by accident.
fn parse_message(text: &str) -> Result<String, String> {
    let is_private = |text: &str| {
        let verb = text.split_whitespace().next().unwrap_or_default();
        ["/msg", "/reply"].iter().any(|private| verb.eq_ignore_ascii_case(private))
    };
    let start = text.trim_start();
    if is_private(start) {
        let verb = start.split_whitespace().next().unwrap_or_default();
        return Err(format!(
            "--send says its text as it is, to everybody: \
             --to NAME says it to one person alone, and a text that begins with /{verb} says {verb}"
        ));
    }
    match start.strip_prefix('/').filter(|rest| is_private(rest)) {
        Some(rest) => Ok(format!("{}{rest}", &text[..text.len() - start.len()])),
        None => Ok(text.to_owned()),
    }
}

/// Checks which options go together.
fn check_combinations(options: &Options) -> Result<(), String> {
    let Options { join, source, to, json_input, .. } = options;
    let sends = *source != InputSource::StdinLines;
    let no_name = join.name.is_none();
    Err(match () {
        () if sends && *json_input => "--json-input reads what to send, so --send does not go with it",
        () if sends && no_name => "--send needs a --name, because nobody is asked for one",
        () if *json_input && no_name => "--json-input needs a --name, because no line is a name",
        () if to.is_some() && !sends => "--to needs a --send with the text",
        () if to.as_ref().is_some_and(|to| to.trim().is_empty()) => "--to needs a name",
        () => return Ok(()),
    }
    .into())
}

fn parse_history(count: &str) -> Result<u32, String> {
    count.parse().map_err(|_| format!("--history needs a number, not \"{count}\""))
}

fn parse_wait(time: &str) -> Result<Duration, String> {
    parse_time(time).ok_or(format!("--wait needs {TIME_FORM}, not \"{time}\""))
}

fn parse_time_format(format: &str) -> Result<TimeFormat, String> {
    match format {
        "off" => Ok(TimeFormat::Off),
        "time" => Ok(TimeFormat::Time),
        "date" => Ok(TimeFormat::Date),
        _ => Err(format!("--time is off, time or date, not \"{format}\"")),
    }
}

fn parse_bell(mode: &str) -> Result<Bell, String> {
    Bell::parse(mode).ok_or(format!("--bell is off, mention or all, not \"{mode}\""))
}

/// Reads the address of a server. Returns it in the form `HOST:PORT`. Whether the host exists is only known
/// after dialling.
fn parse_server(server: &str) -> Result<String, String> {
    let is_ipv6 = |text: &str| text.parse::<Ipv6Addr>().is_ok();
    let is_host = |host: &str| {
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        match bracketed {
            Some(address) => address.contains(':'),
            None => !host.is_empty() && !host.contains([':', '/', '[', ']', '@']),
        }
    };
    let has_spaces = server.contains(|c: char| c.is_whitespace() || c.is_control());
    let parts = server.rsplit_once(':');
    let port_of = |port: &str| port.parse::<u16>().ok().filter(|port| *port > 0);
    match parts {
        _ if has_spaces => {}
        // `::1:80` is an address, and so is what stands before `:80`.
        Some((host, port)) if is_ipv6(server) && is_ipv6(host) && port_of(port).is_some() => {
            return Err(format!(
                "is {port} the port? The server is [{host}]:{port} or [{server}], not {server}"
            ));
        }
        _ if is_ipv6(server) => return Ok(format!("[{server}]:{DEFAULT_PORT}")),
        _ if is_host(server) => return Ok(format!("{server}:{DEFAULT_PORT}")),
        Some((host, port)) if is_host(host) && port_of(port).is_some() => return Ok(server.to_owned()),
        _ => {}
    }
    Err(format!(
        "the server is HOST or HOST:PORT, such as 192.168.1.5, 127.0.0.1:1234 or [::1]:1234, not \"{server}\""
    ))
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
            &["--server", ""],
            &["--server", "here there"],
            &["--server", "::1:80"],
            &["--server", "[::1"],
            &["--server", "[here]:80"],
            &["--server", "http://here:80"],
            &["--server", "here:"],
            &["--server", "here:65536"],
            &["--server", "here:0"],
            &["--server", ":80"],
            &["--history", "many"],
            &["--color", "red"],
            &["--bell=loud"],
            &["--time", "later"],
            &["--wait", "5"],
            &["--json=yes"],
            &["--send", "hi"],
            &["--send", " ", "--name", "ci"],
            &["--send", "/msg Bob hi", "--name", "ci"],
            &["--send", " \t/reply hi", "--name", "ci"],
            &["--send", "/MSG", "--name", "ci", "--to", "Bob"],
            &["--to", "Bob", "--name", "ci"],
            &["--to", " ", "--name", "ci", "--send", "hi"],
            &["--json-input"],
            &["--json-input", "--name", "ci", "--send", "hi"],
        ] {
            let error = with(arguments, false, &[]).unwrap_err();
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_server_without_a_port_is_at_port_1234() {
        for (given, server) in [
            ("127.0.0.1", "127.0.0.1:1234"),
            ("room.example", "room.example:1234"),
            ("room.example:80", "room.example:80"),
            ("::1", "[::1]:1234"),
            ("fe80::1", "[fe80::1]:1234"),
            ("[::1]", "[::1]:1234"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(run(&["--server", given], false, &[]).join.server, server);
            assert_eq!(run(&[], false, &[("CHAT_SERVER", given)]).join.server, server);
        }
    }

    #[test]
    fn a_text_to_send_is_said_as_it_is_except_for_a_slash_before_msg_and_reply() {
        for (given, said) in [
            ("/etc/passwd changed", "/etc/passwd changed"),
            ("//etc", "//etc"),
            ("/msgs", "/msgs"),
            ("exit", "exit"),
            ("//msg Bob hi", "/msg Bob hi"),
            (" //reply hi", " /reply hi"),
        ] {
            let options = run(&["--name", "ci", "--send", given], false, &[]);
            assert_eq!(options.source, InputSource::Message(said.into()));
        }
    }

    #[test]
    fn a_name_with_a_plus_sign_takes_a_number_where_it_is_taken() {
        for (arguments, variables) in
            [(&["--name", "ci+"][..], &[][..]), (&[][..], &[("CHAT_NAME", "ci+")][..])]
        {
            let join = run(arguments, false, variables).join;
            assert_eq!((join.name.as_deref(), join.numbered), (Some("ci"), true));
        }
        assert!(!run(&["--name", "ci"], false, &[]).join.numbered);
    }

    #[test]
    fn only_a_client_that_sends_and_leaves_is_a_visitor() {
        for (arguments, visitor) in [
            (&["--send", "hi"][..], true),
            (&["--send", "-", "--json"], true),
            (&["--send", "hi", "--history", "0"], true),
            (&["--send", "hi", "--history", "5"], false),
            (&["--send", "hi", "--stay"], false),
            (&[], false),
        ] {
            let options = run(&[arguments, &["--name", "ci"]].concat(), false, &[]);
            assert_eq!(options.join.visitor, visitor, "{arguments:?}");
            assert_eq!(options.screen.quiet, visitor && !options.screen.json, "{arguments:?}");
        }
    }

    #[test]
    fn json_input_is_for_programs_and_implies_json() {
        let options = run(&["--name", "bot", "--json-input"], true, &[("TERM", "xterm")]);
        assert!(options.screen.json && options.json_input && !options.screen.terminal);
        assert!(!options.join.interactive && !options.screen.typing && options.join.history == 0);
    }

    #[test]
    fn send_on_a_terminal_is_not_interactive() {
        let options = run(&["--name", "ci", "--send", "hi"], true, &[("TERM", "xterm")]);
        assert!(!options.screen.typing && !options.join.interactive && options.join.history == 0);
    }

    #[test]
    fn a_passphrase_is_no_argument_and_the_error_says_the_ways() {
        for arguments in [&["--passphrase", "lamp river"][..], &["--passphrase=lamp"], &["--passphrase"]] {
            let error = with(arguments, false, &[]).unwrap_err();
            assert!(
                error.contains("$CHAT_PASSPHRASE") && error.contains("--passphrase-file FILE"),
                "{error}"
            );
            assert!(!error.contains("lamp"), "{error}");
        }
    }

    #[cfg(not(feature = "closed"))]
    #[test]
    fn a_build_for_open_rooms_knows_the_flags_of_closed_ones_and_how_to_get_them() {
        for (arguments, variables, used) in [
            (&["--passphrase-file", "f"][..], &[][..], "--passphrase-file"),
            (&["--state=d"], &[], "--state"),
            (&["--accept-new-key"], &[], "--accept-new-key"),
            (&[], &[("CHAT_PASSPHRASE", "lamp")], "$CHAT_PASSPHRASE"),
        ] {
            let error = with(arguments, false, variables).unwrap_err();
            assert!(error.starts_with(used) && error.ends_with("closed"), "{error}");
            assert!(error.contains(": cargo install --path client --features "), "{error}");
        }
        run(&[], false, &[("CHAT_PASSPHRASE", "")]);
    }

    #[cfg(feature = "closed")]
    #[test]
    fn the_passphrase_comes_from_the_flag_or_else_from_the_variable() {
        let home = ("HOME", "/home/sara");
        let passphrase = |words| Some(PassphraseSource::Given(Passphrase::new(words).unwrap()));
        let from = |arguments: &[&str], words| {
            let options = run(arguments, false, &[home, ("CHAT_PASSPHRASE", words)]);
            assert_eq!(options.join.state.unwrap(), PathBuf::from("/home/sara/.local/state/rpc-chat"));
            options.passphrase
        };
        assert_eq!(from(&[], ""), None);
        assert_eq!(from(&[], "lamp river"), passphrase("lamp river"));
        assert_eq!(from(&["--passphrase-file", "f"], "lamp"), Some(PassphraseSource::File("f".into())));
        for (arguments, variables) in
            [(&[][..], &[home, ("CHAT_PASSPHRASE", " ")][..]), (&[], &[("CHAT_PASSPHRASE", "lamp")])]
        {
            let error = with(arguments, false, variables).unwrap_err();
            assert!(!error.contains('\n'), "{error}");
        }
        let options = run(&["--state", "/keys", "--accept-new-key"], false, &[]);
        assert!(options.join.accept_new_key && options.join.state.is_some_and(|path| path.ends_with("keys")));
    }

    #[cfg(feature = "closed")]
    #[test]
    fn only_a_person_at_a_terminal_is_asked_for_the_passphrase() {
        let variables = [("HOME", "/home/sara"), ("TERM", "xterm")];
        assert!(run(&[], true, &variables).join.asks_passphrase);
        assert!(!run(&[], false, &variables).join.asks_passphrase);
        assert!(!run(&["--name", "ci", "--send", "hi"], true, &variables).join.asks_passphrase);
    }

    #[test]
    fn a_dumb_terminal_gets_no_escape_sequences() {
        let options = run(&[], true, &[("TERM", "dumb")]);
        assert!(options.screen.plain && !options.screen.terminal && !options.screen.color);
        assert!(options.join.interactive);
    }
}
