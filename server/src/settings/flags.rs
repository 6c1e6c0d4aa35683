//! The table of the server's flags. No I/O; runs on the main thread.

use super::{
    limits::{Bytes, Limits},
    options::{JournalSettings, Options, DEFAULT_LISTEN},
};
use chat_common::program::flags::{Feature, Flag, Misuse, Program, Value};
use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

/// The shortest and the longest file of a journal. A file is read whole when the journal is opened.
const SEGMENT_SIZES: RangeInclusive<Bytes> = Bytes(64 << 10)..=Bytes(1 << 30);

const CLOSED: Feature = Feature {
    name: "closed",
    built: cfg!(feature = "closed"),
    missing: "needs a build with the feature closed",
    how_to_build: "cargo install --path server --features closed",
};

const TRACE: Feature = Feature {
    name: "trace",
    built: cfg!(feature = "trace"),
    missing: "needs a build with the feature trace",
    how_to_build: "cargo install --path server --features trace",
};

/// The flags as they were given.
#[derive(Default)]
pub struct CommandLine {
    pub(super) options: Options,
    pub(super) check: Option<PathBuf>,
    pub(super) repair: Option<PathBuf>,
    pub(super) export: Option<PathBuf>,
    pub(super) since: Option<Duration>,
    pub(super) private: bool,
}

impl AsMut<Limits> for CommandLine {
    fn as_mut(&mut self) -> &mut Limits {
        &mut self.options.settings.limits
    }
}

/// Returns the server's command line. `commands` are the operator's.
pub(crate) fn program(commands: Vec<(&'static str, &'static str)>) -> Program<CommandLine> {
    let (flag, journal) = (Flag::<CommandLine>::new, JournalSettings::default());
    let mut flags = vec![
        flag("--listen HOST:PORT", |to, v| v.read(&mut to.options.listen, host_and_port))
            .does("the address; 0.0.0.0 lets others in")
            .default(DEFAULT_LISTEN),
        flag("--motd FILE", |to, v| v.text(&mut to.options.settings.motd))
            .does("a text for everybody who joins"),
        flag("--ban-file FILE", |to, v| v.text(&mut to.options.settings.door.ban_file))
            .does("the file in which the bans survive a restart"),
        flag("--gateway-key FILE", |to, v| v.text(&mut to.options.gateway_key))
            .does("let gateways with the key in FILE speak for guests"),
        flag("--operators FILE", |to, v| v.text(&mut to.options.settings.operators.file))
            .does("operators in the room; their passphrase is in FILE"),
        flag("--operators-in-clear", |to, v| v.put(&mut to.options.settings.operators.in_clear, true))
            .does("in an open room: from other machines as well"),
        flag("--journal DIR", |to, v| v.text(&mut to.options.settings.journal.directory))
            .does("keep the room in DIR, over restarts and crashes"),
        flag("--keep TIME", |to, v| v.value(&mut to.options.settings.journal.keep))
            .does("with --journal: how long; 0 is without end")
            .default(journal.keep.show()),
        flag("--keep-size SIZE", |to, v| v.value(&mut to.options.settings.journal.keep_size))
            .does("with --journal: how much; 0 is without limit")
            .default(journal.keep_size.show()),
        flag("--segment-size SIZE", |to, v| {
            v.within(&mut to.options.settings.journal.segment_size, SEGMENT_SIZES)
        })
        .does("with --journal: the length of a file")
        .default(journal.segment_size.show())
        .topic("limits"),
        flag("--check DIR", |to, v| v.text(&mut to.check))
            .does("say whether the journal in DIR is whole, and exit"),
        flag("--repair DIR", |to, v| v.text(&mut to.repair))
            .does("cut the journal in DIR where it is damaged, and exit"),
        flag("--export DIR", |to, v| v.text(&mut to.export))
            .does("print the journal in DIR as JSON lines, and exit"),
        flag("--since TIME", |to, v| v.value(to.since.get_or_insert_default()))
            .does("with --export: nothing older, such as 2h or 30d"),
        flag("--private", |to, v| v.put(&mut to.private, true))
            .does("with --export: private messages as well"),
        flag("--transcript FILE", |to, v| v.text(&mut to.options.settings.transcript))
            .does("append to FILE what is said to everybody"),
        flag("--closed", |to, v| v.put(&mut to.options.closed.made_up, true))
            .does("close the room with a passphrase that it makes up")
            .feature(&CLOSED),
        flag("--passphrase-file FILE", |to, v| v.text(&mut to.options.closed.passphrase_file))
            .does("close the room; FILE begins with the passphrase")
            .feature(&CLOSED),
        flag("--state DIR", |to, v| v.text(&mut to.options.closed.state))
            .does("the room's key")
            .default("journal or ~/.local/state/rpc-chat")
            .feature(&CLOSED),
        flag("--names FILE", |to, v| v.text(&mut to.options.settings.door.names))
            .does("in a closed room: names stay with their first owner")
            .feature(&CLOSED),
        flag("--console", |to, v| v.put(&mut to.options.console, true))
            .does("read the operator's commands from a pipe, too"),
        flag("--trace FILE", |to, v| v.text(&mut to.options.trace))
            .does("write what threads wait for, for ui.perfetto.dev")
            .feature(&TRACE),
    ];
    let help = "print this, the limits, or the operator's commands";
    flags.extend(Flag::of_every_program("limits|commands", help));
    flags.extend(Limits::flags());
    Program {
        name: "chat-server",
        summary: "Serves a room for chat-client",
        features: &[&CLOSED, &TRACE],
        flags,
        commands,
        notes: &[
            "RUST_LOG sets the log level [info]; debug shows the limits at start as well.",
            "Ctrl-C stops in good order; a second one stops at once.",
        ],
        misuse,
    }
}

fn misuse(misuse: Misuse, flag: &str) -> String {
    match misuse {
        Misuse::NoValue => format!("{flag} needs a value; see chat-server --help"),
        Misuse::Value => format!("{flag} takes no value"),
        _ if flag.starts_with("--") => {
            format!("there is no flag {flag}; chat-server --help lists them")
        }
        _ => format!("{flag:?} is not understood; chat-server --help lists the flags"),
    }
}

fn host_and_port(text: &str) -> Result<String, String> {
    match text.rsplit_once(':') {
        // Loopback here, too: other machines come in only where an address says so.
        Some(("", port)) if port.parse::<u16>().is_ok() => Ok(format!("127.0.0.1:{port}")),
        Some((_, port)) if port.parse::<u16>().is_ok() => Ok(text.to_owned()),
        _ => Err(format!("--listen takes HOST:PORT, as in {DEFAULT_LISTEN} or [::]:1234, not {text:?}")),
    }
}
