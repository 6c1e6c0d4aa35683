//! The table of the client's flags. No I/O.

use super::{
    closed_flags::{ClosedFlags, PASSPHRASE_WAYS},
    options::{Bell, InputSource, Options, TimeFormat},
    server_address::{parse_server, DEFAULT_PORT, DEFAULT_SERVER},
};
use crate::session::{PassphraseSource, HOW_TO_BUILD_CLOSED};
use chat_common::{
    program::flags::{Feature, Flag, Misuse, Program},
    text::{
        invisible::{bare, behind_blank_start, behind_false_slash, trim, without_invisible_start},
        units::{parse_time, TIME_FORM},
    },
};
use std::time::Duration;

/// The error of `--send` for an empty text, from the command line or from standard input.
pub(crate) const EMPTY_MESSAGE_ERROR: &str = "--send needs a text that is not empty";
/// The error of a second `--send`.
const SEND_ONCE: &str = "--send says one message; give it once, or write several lines to standard input";

/// Rooms with a passphrase.
const CLOSED: Feature = Feature {
    name: "closed",
    built: cfg!(feature = "closed"),
    missing: "needs the feature \"closed\", which this build does not have",
    how_to_build: HOW_TO_BUILD_CLOSED,
};
/// The editor. It has no flags.
const EDIT: Feature = Feature { name: "edit", built: cfg!(feature = "edit"), missing: "", how_to_build: "" };

/// The flags as they were given.
pub struct CommandLine {
    pub(super) options: Options,
    pub(super) history: Option<u32>,
    pub(super) time: Option<TimeFormat>,
    pub(super) color: Option<bool>,
    pub(super) json: bool,
    pub(super) plain: bool,
    pub(super) closed: ClosedFlags,
}

/// Returns the client's command line. `commands` are those in the room.
pub(crate) fn program(commands: Vec<(&'static str, &'static str)>) -> Program<CommandLine> {
    let flag = Flag::<CommandLine>::new;
    let mut flags = vec![
        flag("--server HOST[:PORT]", |to, v| v.read(&mut to.options.join.server, parse_server))
            .does("where the room is")
            .variable("CHAT_SERVER")
            .default(format!("{DEFAULT_SERVER}:{DEFAULT_PORT}")),
        flag("--name NAME", |to, v| v.text(&mut to.options.join.member.name))
            .does("your name; NAME+ may get a number")
            .variable("CHAT_NAME"),
        flag("--send TEXT", |to, v| match to.options.source {
            InputSource::StdinLines => v.read(&mut to.options.source, parse_send),
            // Two messages are two clients, and the first one must not be lost without a word.
            _ => Err(SEND_ONCE.into()),
        })
        .does("say TEXT and leave; - says all of standard input"),
        flag("--to NAME", |to, v| v.text(&mut to.options.to)).does("with --send: say it to NAME alone"),
        flag("--stay", |to, v| v.put(&mut to.options.join.stay, true))
            .does("stay and read on after the end of input"),
        flag("--wait TIME", |to, v| v.read(&mut to.options.join.wait, parse_wait))
            .does("how long to try to join, and to come back: 30s, 5m"),
        flag("--history N", |to, v| v.read(&mut to.history, parse_history))
            .does("show the last N messages")
            .default("20 on a terminal, or 0"),
        flag("--quiet", |to, v| v.put(&mut to.options.screen.quiet, true))
            .does("print nothing but what others say"),
        flag("--json", |to, v| v.put(&mut to.json, true))
            .does("print one JSON object a line for all that happens"),
        flag("--json-input", |to, v| v.put(&mut to.options.json_input, true))
            .does("read one JSON object a line: {\"say\":\"hello\"}"),
        flag("--log FILE", |to, v| v.text(&mut to.options.screen.log)).does("append a transcript to FILE"),
        flag("--time off|time|date", |to, v| {
            v.choose(&mut to.time, [TimeFormat::Off, TimeFormat::Time, TimeFormat::Date].map(Some))
        })
        .does("before each line")
        .default("time on a terminal, or off"),
        flag("--color auto|always|never", |to, v| v.choose(&mut to.color, [None, Some(true), Some(false)]))
            .does("colours on a terminal, unless $NO_COLOR")
            .default("auto"),
        flag("--bell off|mention|all", |to, v| v.choose(&mut to.options.screen.bell, Bell::MODES))
            .does("what the terminal rings for")
            .default("mention"),
        flag("--plain", |to, v| v.put(&mut to.plain, true))
            .does("one line after the other, and no cursor movement"),
        flag("--no-paste-guard", |to, v| v.put(&mut to.options.paste_guard, false))
            .does("send a paste of many lines without asking"),
        flag("--no-listen", |to, v| v.put(&mut to.options.join.member.dials, true))
            .does("do not let the server dial this client"),
    ];
    flags.extend(operator_flags());
    flags.extend(closed_flags());
    flags.extend(Flag::of_every_program("commands|op", "print this, the commands, or the operators' flags"));
    Program {
        name: "chat-client",
        summary: "Joins a room of rpc-chat and takes part in it",
        features: &[&EDIT, &CLOSED],
        flags,
        commands,
        notes: &[
            "Exit codes: 0 left; 1 could not join, was refused, was lost for good, or could",
            "not read or write; 2 wrong usage. More about scripts: client/README.md.",
        ],
        misuse,
    }
}

fn operator_flags() -> [Flag<CommandLine>; 2] {
    let flag = Flag::<CommandLine>::new;
    [
        flag("--operate COMMAND", |to, v| v.text(&mut to.options.join.operator.command))
            .does("let the server do COMMAND, as an operator, and leave")
            .topic("op"),
        flag("--operator-file FILE", |to, v| match v.is_variable() {
            true => {
                v.read(&mut to.options.operator, |words| PassphraseSource::given(words, "$CHAT_OPERATOR"))
            }
            false => v.read(&mut to.options.operator, |path| Ok(PassphraseSource::File(path.into()))),
        })
        .does("FILE begins with the operators' passphrase, for /op")
        .variable("CHAT_OPERATOR")
        .topic("op"),
    ]
}

fn closed_flags() -> [Flag<CommandLine>; 3] {
    let flag = Flag::<CommandLine>::new;
    [
        flag("--passphrase-file FILE", |to, v| match v.is_variable() {
            true => v.text(&mut to.closed.passphrase),
            false => v.text(&mut to.closed.passphrase_file),
        })
        .does("FILE begins with the passphrase")
        .variable("CHAT_PASSPHRASE")
        .feature(&CLOSED),
        flag("--state DIR", |to, v| v.text(&mut to.closed.state))
            .does("where keys are kept")
            .default("~/.local/state/rpc-chat")
            .feature(&CLOSED),
        flag("--accept-new-key", |to, v| v.put(&mut to.closed.accept_new_key, true))
            .does("let a closed room have another key than before")
            .feature(&CLOSED),
    ]
}

fn misuse(misuse: Misuse, flag: &str) -> String {
    match misuse {
        // Everybody on a machine can read the arguments of its programs.
        _ if flag == "--passphrase" => PASSPHRASE_WAYS.to_owned(),
        Misuse::NoValue => format!("{flag} needs a value"),
        Misuse::Unknown => format!("unknown argument \"{flag}\"; see --help"),
        Misuse::Value | Misuse::UnknownWithValue => format!("unknown flag {flag} with a value; see --help"),
    }
}

fn parse_send(text: &str) -> Result<InputSource, String> {
    match text {
        "-" => Ok(InputSource::StdinMessage),
        text if trim(text).is_empty() => Err(EMPTY_MESSAGE_ERROR.into()),
        text => parse_message(text).map(InputSource::Message),
    }
}

/// Reads the text of a message from the command line. It is said as it is, without the invisible characters
/// at its beginning, and with one exception: a text that looks like a private message must not be said to
/// everybody by accident.
fn parse_message(text: &str) -> Result<String, String> {
    let verb = |text: &str| bare(text.split_whitespace().next().unwrap_or_default());
    let is_private = |text: &str| ["/msg", "/reply"].iter().any(|word| verb(text).eq_ignore_ascii_case(word));
    let start = behind_blank_start(text);
    if behind_false_slash(text).is_some() {
        return Err(
            "--send says its text as it is, to everybody, and its first character is not /, although \
                    it looks like one: --to NAME says a text to one person alone, and --send - says any text"
                .to_owned(),
        );
    }
    if is_private(start) {
        let verb = verb(start);
        return Err(format!(
            "--send says its text as it is, to everybody: \
             --to NAME says it to one person alone, and a text that begins with /{verb} says {verb}"
        ));
    }
    match start.strip_prefix('/').filter(|rest| is_private(rest)) {
        Some(rest) => Ok(without_invisible_start(&text[..text.len() - start.len()]) + rest),
        None => Ok(without_invisible_start(text)),
    }
}

fn parse_history(count: &str) -> Result<u32, String> {
    count.parse().map_err(|_| format!("--history needs a number, not \"{count}\""))
}

/// A number without a unit is seconds, as for `sleep` and `timeout`.
fn parse_wait(time: &str) -> Result<Duration, String> {
    let has_unit = time.contains(|c: char| !c.is_ascii_digit());
    let with_unit = if has_unit { time.to_owned() } else { format!("{time}s") };
    parse_time(&with_unit).ok_or(format!("--wait needs {TIME_FORM}, or seconds, not \"{time}\""))
}
