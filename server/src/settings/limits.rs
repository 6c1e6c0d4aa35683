//! Every limit of the room in one struct: settable by a flag of the same name, and logged at start.
//!
//! A limit is written down once, in the table below, with its unit, its default and its reason; the flags, `--help`
//! and the log line are made from it.

use chat_common::protocol::{FRAME_BYTES, PING_SECONDS};
use std::{fmt, time::Duration};

/// A number of bytes; `64KiB` and `8MiB` are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub usize);

/// A value that a flag can set.
trait Setting: Sized {
    const FORM: &'static str;
    fn parse(text: &str) -> Option<Self>;
}

impl Setting for usize {
    const FORM: &'static str = "a whole number";
    fn parse(text: &str) -> Option<usize> {
        text.parse().ok()
    }
}

impl Setting for Bytes {
    const FORM: &'static str = "a size such as 65536, 64KiB or 8MiB";
    fn parse(text: &str) -> Option<Bytes> {
        let (digits, unit) = match (text.strip_suffix("KiB"), text.strip_suffix("MiB")) {
            (Some(digits), _) => (digits, 1 << 10),
            (_, Some(digits)) => (digits, 1 << 20),
            _ => (text, 1),
        };
        digits.parse::<usize>().ok()?.checked_mul(unit).map(Bytes)
    }
}

impl Setting for Duration {
    const FORM: &'static str = "a time such as 5s or 500ms";
    fn parse(text: &str) -> Option<Duration> {
        if let Some(digits) = text.strip_suffix("ms") {
            return digits.parse().ok().map(Duration::from_millis);
        }
        text.strip_suffix('s')?.parse().ok().map(Duration::from_secs)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes > 0 && bytes % (1 << 20) == 0 => write!(f, "{}MiB", bytes >> 20),
            bytes if bytes > 0 && bytes % (1 << 10) == 0 => write!(f, "{}KiB", bytes >> 10),
            bytes => write!(f, "{bytes}"),
        }
    }
}

/// Why a limit was not set.
#[derive(Debug, PartialEq, Eq)]
pub enum LimitError {
    /// There is no limit of that name.
    Unknown,
    /// The value does not fit; says what would.
    Value(String),
}

macro_rules! limits {
    ($( $(#[doc = $doc:literal])+ $name:ident $flag:literal : $kind:ty = $default:expr, at least $least:expr, at most $most:expr; )+) => {
        /// The limits in force. [`Limits::default`] holds the documented ones.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits {
            $( $(#[doc = $doc])+ pub $name: $kind, )+
            /// What is broken on purpose. Only the package of the tests builds it in.
            #[cfg(feature = "seeded-bugs")]
            pub seeded: super::seeded::Seeded,
        }

        impl Default for Limits {
            fn default() -> Limits {
                Limits {
                    $( $name: $default, )+
                    #[cfg(feature = "seeded-bugs")]
                    seeded: super::seeded::Seeded::default(),
                }
            }
        }

        impl Limits {
            /// Sets the limit whose flag (without the dashes) is `flag`.
            ///
            /// # Errors
            /// When there is no such limit, or the value is malformed or out of range.
            pub fn set(&mut self, flag: &str, value: &str) -> Result<(), LimitError> {
                match flag {
                    $( $flag => {
                        let (least, most): ($kind, $kind) = ($least, $most);
                        let parsed = <$kind as Setting>::parse(value)
                            .ok_or_else(|| LimitError::Value(format!("takes {}", <$kind as Setting>::FORM)))?;
                        if parsed < least || parsed > most {
                            return Err(LimitError::Value(format!("takes {} to {}", Shown(least), Shown(most))));
                        }
                        self.$name = parsed;
                        Ok(())
                    } )+
                    _ => Err(LimitError::Unknown),
                }
            }

            /// Each limit's flag, value and description, in the order of the struct.
            pub fn table(&self) -> Vec<(&'static str, String, &'static str)> {
                vec![ $( ($flag, Shown(self.$name).to_string(), concat!($($doc),+).trim()) ),+ ]
            }
        }
    };
}

/// How a value is written, in the form that a flag takes.
struct Shown<T>(T);

impl fmt::Display for Shown<usize> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Shown<Bytes> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Shown<Duration> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.subsec_millis() {
            0 => write!(f, "{}s", self.0.as_secs()),
            _ => write!(f, "{}ms", self.0.as_millis()),
        }
    }
}

/// An hour: nobody waits longer for anything here.
const LONGEST: Duration = Duration::from_secs(3600);
const MOMENT: Duration = Duration::from_millis(1);

limits! {
    /// Connections accepted at a time, of any kind.
    max_connections "max-connections": usize = 1024, at least 1, at most 100_000;
    /// Connections that have not joined yet; one more, and the oldest of them is closed.
    max_unjoined "max-unjoined": usize = 64, at least 1, at most 100_000;
    /// Connections from one address; loopback is exempt.
    max_per_address "max-per-address": usize = 64, at least 1, at most 100_000;
    /// Longest payload of a frame after Join, either way.
    max_frame "max-frame": Bytes = Bytes(FRAME_BYTES as usize), at least Bytes(4096), at most Bytes(FRAME_BYTES as usize);
    /// Longest text of a message.
    max_text "max-text": Bytes = Bytes(4096), at least Bytes(16), at most Bytes(32 << 10);
    /// Longest name, in characters.
    max_name "max-name": usize = 32, at least 1, at most 64;
    /// For a new connection's hello.
    hello_timeout "hello-timeout": Duration = Duration::from_secs(5), at least MOMENT, at most LONGEST;
    /// For its Join after the hello.
    join_timeout "join-timeout": Duration = Duration::from_secs(5), at least MOMENT, at most LONGEST;
    /// For the rest of a frame once it has begun, and for writing a reply.
    frame_timeout "frame-timeout": Duration = Duration::from_secs(5), at least MOMENT, at most LONGEST;
    /// For a client to answer a Receive.
    receive_timeout "receive-timeout": Duration = Duration::from_secs(5), at least MOMENT, at most LONGEST;
    /// For dialling a client's listener and its hello.
    dial_timeout "dial-timeout": Duration = Duration::from_secs(2), at least MOMENT, at most LONGEST;
    /// A recipient that has said nothing for so long is asked whether it is there.
    ping_after "ping-after": Duration = Duration::from_secs(PING_SECONDS), at least MOMENT, at most LONGEST;
    /// A call connection on which nothing has come for so long is dead.
    dead_after "dead-after": Duration = Duration::from_secs(15), at least MOMENT, at most LONGEST;
    /// Events kept for whoever is behind or comes back.
    log_messages "log-messages": usize = 8192, at least 1, at most 100_000_000;
    /// Memory for them.
    log_size "log-size": Bytes = Bytes(8 << 20), at least Bytes(64 << 10), at most Bytes(1 << 40);
    /// How long a lost session can be resumed.
    resume_within "resume-within": Duration = Duration::from_secs(60), at least MOMENT, at most LONGEST;
    /// Requests that a member may send at once; 0 turns the rate limit off.
    rate_burst "rate-burst": usize = 200, at least 0, at most 1_000_000;
    /// Requests a second after that; over it the member waits.
    rate "rate": usize = 50, at least 1, at most 1_000_000;
    /// Places in the broadcaster's channel; when all are taken senders are told that the server is busy.
    queue "queue": usize = 1024, at least 1, at most 1_000_000;
    /// For delivering what was accepted, at shutdown.
    drain_timeout "drain-timeout": Duration = Duration::from_secs(5), at least MOMENT, at most LONGEST;
    /// Stack of each thread.
    thread_stack "thread-stack": Bytes = Bytes(128 << 10), at least Bytes(64 << 10), at most Bytes(64 << 20);
}

impl Limits {
    /// All limits in one line, as flags.
    pub(crate) fn summary(&self) -> String {
        let limits = self.table().into_iter().map(|(flag, value, _)| format!("{flag} {value}"));
        limits.collect::<Vec<_>>().join(", ")
    }

    /// Whether the limits go together.
    ///
    /// # Errors
    /// Says which do not.
    pub fn check(&self) -> Result<(), String> {
        /// An author's name, numbers and lengths around a text.
        const AROUND_TEXT: usize = 1024;
        let needed = Bytes(self.max_text.0 + AROUND_TEXT);
        if self.max_frame < needed {
            return Err(format!("--max-frame must be at least {needed} for --max-text {}", self.max_text));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_in_its_own_range_and_survives_its_flag() {
        let defaults = Limits::default();
        let mut set = defaults.clone();
        for (flag, value, help) in defaults.table() {
            assert_eq!(set.set(flag, &value), Ok(()), "--{flag} {value}");
            assert!(!help.is_empty());
        }
        assert_eq!(set, defaults);
        assert_eq!(set.check(), Ok(()));
        set.max_frame = Bytes(4096);
        assert!(set.check().is_err());
    }

    #[test]
    fn a_bad_value_is_told_what_would_do() {
        let mut limits = Limits::default();
        let said = |error: Result<(), LimitError>| match error {
            Err(LimitError::Value(text)) => text,
            other => panic!("{other:?}"),
        };
        assert!(said(limits.set("max-text", "big")).contains("64KiB"));
        assert!(said(limits.set("max-text", "1MiB")).contains("16 to 32KiB"));
        assert!(said(limits.set("dead-after", "15")).contains("5s"));
        assert_eq!(limits.set("log-size", "1MiB"), Ok(()));
        assert_eq!(limits.log_size, Bytes(1 << 20));
        assert_eq!(limits.set("colour", "red"), Err(LimitError::Unknown));
    }
}
