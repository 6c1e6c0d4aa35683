//! Reads the command line: words in, [`Options`] or a one-line error out. No I/O; runs on the main
//! thread.

use super::{commands::COMMANDS, limits::Limits};
use chat_common::text::units::{parse_size, parse_time, show_size, SIZE_FORM, TIME_FORM};
use std::{path::PathBuf, time::Duration};

/// The options of the command line.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// The address to listen on, as `HOST:PORT`.
    pub listen: String,
    /// The file with the message of the day, which everybody who joins gets.
    pub motd: Option<PathBuf>,
    /// The file in which the bans survive a restart.
    pub ban_file: Option<PathBuf>,
    /// The directory in which the room survives a restart.
    pub journal: Option<PathBuf>,
    /// How the journal is kept.
    pub keeping: Keeping,
    /// The file to which everything that is said to everybody is appended.
    pub transcript: Option<PathBuf>,
    /// How the room is closed, or `None` for an open room.
    pub closed: Option<Closed>,
    /// Whether to read the operator's commands from standard input even if it is not a terminal.
    pub console: bool,
    /// All limits.
    pub limits: Limits,
}

/// How a room is closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closed {
    /// The file whose first line is the passphrase. `None` if the server makes one up.
    pub passphrase_file: Option<PathBuf>,
    /// The directory of the room's key, if it is not the usual one.
    pub state: Option<PathBuf>,
    /// The file in which names stay with those who had them first.
    pub names: Option<PathBuf>,
}

/// How the journal is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// For how long events are kept; 0 is without end.
    pub time: Duration,
    /// The most bytes of all files; 0 is without a limit.
    pub bytes: u64,
    /// The length of a file, in bytes.
    pub segment_bytes: u64,
}

/// The shortest and the longest file of a journal, in bytes. A file is read whole when the journal is opened.
const MIN_SEGMENT: u64 = 64 << 10;
const MAX_SEGMENT: u64 = 1 << 30;

impl Default for Keeping {
    fn default() -> Keeping {
        Keeping { time: Duration::from_secs(30 * 86_400), bytes: 1 << 30, segment_bytes: 16 << 20 }
    }
}

/// What the program is asked to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Run the server.
    Run(Box<Options>),
    /// Print this text and exit.
    Print(String),
    /// Check the journal in this directory, and exit.
    Check(PathBuf),
    /// Cut the journal in this directory where it is damaged, and exit.
    Repair(PathBuf),
    /// Print the journal in this directory, and exit.
    Export {
        /// The directory.
        directory: PathBuf,
        /// Leave out what is older than this.
        since: Option<Duration>,
        /// Print private messages as well.
        private: bool,
    },
}

/// Loopback, so that nobody opens a server to the network by accident.
const DEFAULT_LISTEN: &str = "127.0.0.1:1234";

/// Reads the command line, without the program's name.
///
/// # Errors
/// One line that says what is wrong and what is allowed.
pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Wanted, String> {
    let mut options = Options {
        listen: DEFAULT_LISTEN.to_owned(),
        motd: None,
        ban_file: None,
        journal: None,
        keeping: Keeping::default(),
        transcript: None,
        closed: None,
        console: false,
        limits: Limits::default(),
    };
    let (mut task, mut since, mut private) = (None, None, false);
    let mut given = Vec::new();
    let (mut closed, mut makes_up) = (Closed::default(), false);
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let (flag, attached) = match word.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (word, None),
        };
        match flag.as_str() {
            "--help" | "-h" => return Ok(Wanted::Print(help())),
            "--version" | "-V" => {
                let features = if cfg!(feature = "closed") { " (closed)" } else { "" };
                return Ok(Wanted::Print(format!("chat-server {}{features}", env!("CARGO_PKG_VERSION"))));
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
        given.push(name.to_owned());
        match name {
            "listen" => options.listen = host_and_port(value()?)?,
            "motd" => options.motd = Some(value()?.into()),
            "check" => task = Some(Wanted::Check(value()?.into())),
            "repair" => task = Some(Wanted::Repair(value()?.into())),
            "export" => {
                task = Some(Wanted::Export { directory: value()?.into(), since: None, private: false });
            }
            "since" => since = Some(time("--since", &value()?)?),
            "private" | "console" | "closed" if attached.is_some() => {
                return Err(format!("{flag} takes no value"));
            }
            "private" => private = true,
            "keep" => options.keeping.time = time("--keep", &value()?)?,
            "keep-size" => options.keeping.bytes = size("--keep-size", &value()?)?,
            "segment-size" => {
                options.keeping.segment_bytes = size("--segment-size", &value()?)?;
                let (least, most) = (MIN_SEGMENT, MAX_SEGMENT);
                if !(least..=most).contains(&options.keeping.segment_bytes) {
                    return Err(format!("--segment-size takes {} to {}", show_size(least), show_size(most)));
                }
            }
            "journal" => options.journal = Some(value()?.into()),
            "ban-file" => options.ban_file = Some(value()?.into()),
            "transcript" => options.transcript = Some(value()?.into()),
            "closed" | "passphrase-file" | "state" | "names" if !cfg!(feature = "closed") => {
                return Err(format!("{flag} {NEEDS_CLOSED}"));
            }
            "closed" => makes_up = true,
            "passphrase-file" => closed.passphrase_file = Some(value()?.into()),
            "state" => closed.state = Some(value()?.into()),
            "names" => closed.names = Some(value()?.into()),
            "console" => options.console = true,
            _ if Limits::default().table().iter().any(|(limit, ..)| *limit == name) => {
                let value = value()?;
                let set = options.limits.set(name, &value);
                set.map_err(|why| format!("{flag} {why}, not {value:?}"))?;
            }
            _ => return Err(format!("there is no flag {flag}; chat-server --help lists them")),
        }
    }
    options.limits.check()?;
    options.closed = closed_or_open(closed, makes_up)?;
    check_combinations(&given)?;
    Ok(match task {
        Some(Wanted::Export { directory, .. }) => Wanted::Export { directory, since, private },
        Some(task) => task,
        None => Wanted::Run(Box::new(options)),
    })
}

/// Checks which of the flags that were given go together. Without this, one of them would do nothing, and
/// nobody would notice.
fn check_combinations(given: &[String]) -> Result<(), String> {
    let found = |flags: &[&'static str]| -> Vec<&str> {
        flags.iter().copied().filter(|flag| given.iter().any(|name| name == flag)).collect()
    };
    if let [one, other, ..] = found(&["check", "repair", "export"])[..] {
        return Err(format!("--{one} and --{other} are two tasks; give one of the two"));
    }
    let needs = [
        (&["private", "since"][..], "export", "which names the directory of a journal"),
        (&["keep", "keep-size", "segment-size"], "journal", "which names the directory of the room"),
    ];
    for (flags, other, why) in needs {
        if let (Some(flag), true) = (found(flags).first(), found(&[other]).is_empty()) {
            return Err(format!("--{flag} goes with --{other}, {why}"));
        }
    }
    Ok(())
}

/// Returns how the room is closed. `makes_up` says whether the server makes the passphrase up.
fn closed_or_open(closed: Closed, makes_up: bool) -> Result<Option<Closed>, String> {
    match (makes_up, &closed) {
        (true, Closed { passphrase_file: Some(_), .. }) => {
            Err("--closed makes a passphrase up, and --passphrase-file has one; give one of the two"
                .to_owned())
        }
        (true, _) | (_, Closed { passphrase_file: Some(_), .. }) => Ok(Some(closed)),
        (_, Closed { state: None, names: None, .. }) => Ok(None),
        (_, Closed { names, .. }) => {
            let flag = if names.is_some() { "--names" } else { "--state" };
            Err(format!("{flag} goes with a closed room: --closed, or --passphrase-file FILE"))
        }
    }
}

fn time(flag: &str, text: &str) -> Result<Duration, String> {
    parse_time(text).ok_or_else(|| format!("{flag} takes {TIME_FORM}, not {text:?}"))
}

fn size(flag: &str, text: &str) -> Result<u64, String> {
    parse_size(text).ok_or_else(|| format!("{flag} takes {SIZE_FORM}, not {text:?}"))
}

fn host_and_port(text: String) -> Result<String, String> {
    match text.rsplit_once(':') {
        // Loopback here, too: other machines come in only where an address says so.
        Some(("", port)) if port.parse::<u16>().is_ok() => Ok(format!("127.0.0.1:{port}")),
        Some((_, port)) if port.parse::<u16>().is_ok() => Ok(text),
        _ => Err(format!("--listen takes HOST:PORT, as in {DEFAULT_LISTEN} or [::]:1234, not {text:?}")),
    }
}

/// How wide a line of `--help` may be, in characters: that of a usual terminal.
const HELP_WIDTH: usize = 80;
/// The column in which the text of a flag begins.
const TEXT_COLUMN: usize = 24;

/// What a build without the feature says of its flags.
const NEEDS_CLOSED: &str =
    "needs a build with the feature closed: cargo install --path server --features closed";

const FLAGS: [(&str, &str); 19] = [
    ("--listen HOST:PORT", "where to listen; port 0 picks a free one, and 0.0.0.0 lets other machines in"),
    ("--motd FILE", "a text for everybody who joins"),
    ("--ban-file FILE", "the file in which the bans survive a restart"),
    ("--journal DIR", "keep the room in DIR, over restarts and crashes"),
    ("--keep TIME", "how long what is said is kept there; 0 is without end [30d]"),
    ("--keep-size SIZE", "the most bytes in DIR; 0 is without a limit [1GiB]"),
    ("--segment-size SIZE", "the length of a file in DIR [16MiB]"),
    ("--check DIR", "say whether the journal in DIR is whole, and exit"),
    ("--repair DIR", "cut the journal in DIR where it is damaged, and exit"),
    ("--export DIR", "print the journal in DIR as JSON lines, and exit"),
    ("--since TIME", "with --export: nothing older than that, such as 2h or 30d"),
    ("--private", "with --export: private messages as well"),
    ("--transcript FILE", "append to FILE what is said to everybody; who joins is told so"),
    ("--closed", "close the room with a passphrase, which the server makes up and prints (feature closed)"),
    ("--passphrase-file FILE", "close the room with the passphrase in the first line of FILE"),
    (
        "--state DIR",
        "where a closed room keeps its key, and a passphrase that it made up [~/.local/state/rpc-chat]",
    ),
    ("--names FILE", "in a closed room: a name stays with whoever had it first; FILE says with whom"),
    ("--console", "read the operator's commands even if standard input is no terminal"),
    ("--help, --version", "print this, or the version"),
];

const NOTES: &str = "\
RUST_LOG sets the log level [info]; debug shows the limits at start as well.
Ctrl-C stops in good order; a second one stops at once.";

fn help() -> String {
    let mut text = "chat-server: a room for chat-client\n\nUsage: chat-server [FLAGS]\n\n".to_owned();
    for (flag, what) in FLAGS {
        let default =
            if flag.starts_with("--listen") { format!(" [{DEFAULT_LISTEN}]") } else { String::new() };
        text += &help_of_flag(flag, &format!("{what}{default}"));
    }
    text += "\nLimits:\n";
    for (flag, value, what) in Limits::default().table() {
        text += &help_of_flag(&format!("--{flag}"), &format!("{what} [{value}]"));
    }
    text += "\nThe operator's commands:\n";
    COMMANDS.lines().for_each(|command| text += &format!("  {command}\n"));
    text + "\n" + NOTES
}

/// Returns the lines of a flag. Its text begins in the same column in each line, and is wrapped between
/// words.
fn help_of_flag(flag: &str, what: &str) -> String {
    let (flag, indent) = (format!("  {flag}"), " ".repeat(TEXT_COLUMN));
    let (mut text, mut line) = match flag.len() < TEXT_COLUMN {
        true => (String::new(), format!("{flag:<TEXT_COLUMN$}")),
        // A long flag stands alone in its line.
        false => (flag + "\n", indent.clone()),
    };
    for word in what.split(' ') {
        if line.chars().count() + word.chars().count() > HELP_WIDTH {
            text += &(line.trim_end().to_owned() + "\n");
            line.clone_from(&indent);
        }
        line = line + word + " ";
    }
    text + line.trim_end() + "\n"
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
    fn a_value_stands_after_a_space_or_an_equals_sign() {
        assert_eq!(options("--listen [::]:0").listen, "[::]:0");
        assert_eq!(options("--listen=example.org:99").listen, "example.org:99");
        assert_eq!(options("--listen :0").listen, "127.0.0.1:0");
        assert_eq!(options("--dead-after 3s").limits.dead_after, Duration::from_secs(3));
    }

    #[test]
    fn an_export_has_its_flags_before_or_after_it() {
        let since = Some(Duration::from_secs(7_200));
        let export = |since, private| Ok(Wanted::Export { directory: "j".into(), since, private });
        assert_eq!(parsed("--export j"), export(None, false));
        assert_eq!(parsed("--since 2h --export j --private"), export(since, true));
        assert_eq!(parsed("--export i --since 1h --export=j --since 2h"), export(since, false));
    }

    #[test]
    #[cfg(feature = "closed")]
    fn a_room_is_closed_by_a_file_or_by_words_that_the_server_makes_up() {
        let closed = |line: &str| options(line).closed;
        let file = Some(Closed { passphrase_file: Some("p".into()), ..Closed::default() });
        assert_eq!((closed(""), closed("--closed")), (None, Some(Closed::default())));
        assert_eq!(closed("--passphrase-file o --passphrase-file=p"), file);
        let all = Closed { state: Some("s".into()), names: Some("n".into()), ..Closed::default() };
        assert_eq!(closed("--names n --closed --state s"), Some(all));
        for (line, word) in [
            ("--closed --passphrase-file p", "one of the two"),
            ("--names n", "--names goes with a closed room"),
            ("--state s", "--state goes with a closed room"),
            ("--closed=yes", "--closed takes no value"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    #[cfg(not(feature = "closed"))]
    fn a_build_without_the_feature_says_how_to_get_it() {
        for line in ["--closed", "--passphrase-file p", "--state s", "--names=n"] {
            let error = parsed(line).unwrap_err();
            assert!(error.ends_with("cargo install --path server --features closed"), "{error}");
        }
    }

    #[test]
    fn every_limit_is_in_the_help() {
        let help = help();
        for (flag, ..) in Limits::default().table() {
            assert!(help.split_whitespace().any(|word| word == format!("--{flag}")), "{flag}");
        }
    }

    #[test]
    fn the_help_fits_a_usual_terminal_and_lists_the_commands() {
        let help = help();
        for line in help.lines() {
            assert!(line.chars().count() <= HELP_WIDTH, "{line}");
        }
        for command in COMMANDS.lines() {
            assert!(help.contains(command), "{command}");
        }
    }

    #[test]
    fn an_error_is_one_line() {
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
            "--export",
            "--since 2h",
            "--private",
            "--private --check somewhere",
            "--export somewhere --since yesterday",
            "--export somewhere --private=yes",
            "--console=yes",
            "--listen :",
            "--listen :70000",
            "--keep 5d",
            "--keep-size 1GiB",
            "--segment-size=1MiB",
            "--keep 5d --check somewhere",
            "--check somewhere --repair somewhere",
            "--export somewhere --repair somewhere",
        ] {
            let error = parsed(line).expect_err(line);
            assert!(!error.contains('\n') && error.len() > 10, "{error}");
        }
    }
}
