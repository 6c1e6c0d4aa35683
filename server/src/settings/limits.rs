//! Every limit of the server in one struct. Plain values, for any thread.
//!
//! The table below holds each limit once: its description, field, flag, type, default and range. The
//! struct, the flags and the line in the log at the start are made from it.

use chat_common::{
    program::flags::{Flag, Value},
    text::units::{parse_size, show_size, SIZE_FORM},
    wire::protocol::{FRAME_BYTES, PING_INTERVAL},
};
use std::{fmt, time::Duration};

/// A number of bytes. The flags understand [a size](SIZE_FORM).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub usize);

impl Value for Bytes {
    const WORD: &'static str = "SIZE";
    const FORM: &'static str = SIZE_FORM;

    fn parse(text: &str) -> Option<Bytes> {
        usize::try_from(parse_size(text)?).ok().map(Bytes)
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&show_size(self.0 as u64))
    }
}

macro_rules! limits {
    ($( $(#[doc = $doc:literal])+ $name:ident $flag:literal : $kind:ty = $default:expr,
        at least $least:expr, at most $most:expr; )+) => {
        /// The limits of a server. [`Limits::default`] holds the documented defaults.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits {
            $( $(#[doc = $doc])+ pub $name: $kind, )+
            /// How many file descriptors the process may have. `None` if connections need not fit into that.
            pub descriptors: Option<u64>,
            /// The bug that the server has on purpose. Only tests build this field in.
            #[cfg(feature = "seeded-bugs")]
            pub seeded: super::seeded::Seeded,
        }

        impl Default for Limits {
            fn default() -> Limits {
                Limits {
                    $( $name: $default, )+
                    descriptors: None,
                    #[cfg(feature = "seeded-bugs")]
                    seeded: super::seeded::Seeded::default(),
                }
            }
        }

        impl Limits {
            /// Returns the flags of all limits, in the order of the struct.
            pub(crate) fn flags<S: AsMut<Limits>>() -> Vec<Flag<S>> {
                let defaults = Limits::default();
                vec![ $( Flag::new(
                    &format!("--{} {}", $flag, <$kind as Value>::WORD),
                    |state: &mut S, given| given.within(&mut state.as_mut().$name, $least..=$most),
                )
                .does(phrase(concat!($($doc),+)))
                .default(defaults.$name.show())
                .topic("limits") ),+ ]
            }

            /// Returns all limits in one line, with the names of their flags.
            pub(crate) fn summary(&self) -> String {
                [ $( format!("{} {}", $flag, self.$name.show()) ),+ ].join(", ")
            }
        }
    };
}

/// Returns the doc of a limit as the text of its flag, which has no capital and no full stop.
fn phrase(doc: &str) -> String {
    let doc = doc.trim().trim_end_matches('.');
    doc.chars().take(1).flat_map(char::to_lowercase).chain(doc.chars().skip(1)).collect()
}

/// The longest time that can be set. No wait in a chat needs more than an hour.
const LONGEST: Duration = Duration::from_secs(3600);
/// The shortest time that can be set. Zero would make every wait fail.
const MOMENT: Duration = Duration::from_millis(1);

limits! {
    /// Connections at a time, of all kinds.
    max_connections "max-connections": usize = 1024, at least 1, at most 100_000;
    /// Connections at a time that have not joined; one more closes another.
    max_unjoined "max-unjoined": usize = 64, at least 1, at most 100_000;
    /// When all of those are taken, an address with this many loses one first.
    max_unjoined_per_address "max-unjoined-per-address": usize = 16, at least 1, at most 100_000;
    /// Connections at a time from one address; loopback has no such limit.
    max_per_address "max-per-address": usize = 64, at least 1, at most 100_000;
    /// New connections from one address at once; more are refused as busy.
    connect_burst "connect-burst": usize = 1000, at least 1, at most 1_000_000;
    /// New connections from one address a second after that.
    connect_rate "connect-rate": usize = 500, at least 1, at most 1_000_000;
    /// Longest payload of a frame after Join, in both directions.
    max_frame "max-frame": Bytes = Bytes(FRAME_BYTES as usize),
        at least Bytes(4096), at most Bytes(FRAME_BYTES as usize);
    /// Longest text of a message.
    max_text "max-text": Bytes = Bytes(4096), at least Bytes(16), at most Bytes(32 << 10);
    /// Longest name, in characters.
    max_name "max-name": usize = 32, at least 1, at most 64;
    /// Time for the hello of a new connection.
    hello_timeout "hello-timeout": Duration = Duration::from_secs(5), at least MOMENT, at most LONGEST;
    /// Time for the Join after the hello, and for the callback connection after the Join.
    join_timeout "join-timeout": Duration = Duration::from_secs(5), at least MOMENT, at most LONGEST;
    /// Time for the rest of a frame after its first byte, and for writing a reply.
    frame_timeout "frame-timeout": Duration = Duration::from_secs(5), at least MOMENT, at most LONGEST;
    /// Time for a client to answer a Receive.
    receive_timeout "receive-timeout": Duration = Duration::from_secs(5), at least MOMENT, at most LONGEST;
    /// Time for dialling a client's listener, its hello included.
    dial_timeout "dial-timeout": Duration = Duration::from_secs(2), at least MOMENT, at most LONGEST;
    /// A recipient that has sent nothing for this long gets a ping.
    ping_after "ping-after": Duration = PING_INTERVAL, at least MOMENT, at most LONGEST;
    /// A call connection on which nothing has arrived for this long is closed, unless its client waits for a
    /// reply; while a disk hangs, a client that is gone keeps its thread and its two descriptors.
    dead_after "dead-after": Duration = Duration::from_secs(15), at least MOMENT, at most LONGEST;
    /// Messages kept in the log, and as many comings and goings.
    log_messages "log-messages": usize = 8192, at least 1, at most 100_000_000;
    /// Memory of the events in the log.
    log_size "log-size": Bytes = Bytes(8 << 20), at least Bytes(64 << 10), at most Bytes(1 << 40);
    /// Earlier messages that a newcomer gets at most, and that one who comes back after a long time gets.
    max_history "max-history": usize = 10_000, at least 0, at most 100_000_000;
    /// Time in which a client can resume a lost session.
    resume_within "resume-within": Duration = Duration::from_secs(60), at least MOMENT, at most LONGEST;
    /// Time for which the name of a lost session is free for its client alone.
    hold_name "hold-name": Duration = Duration::from_secs(10), at least Duration::ZERO, at most LONGEST;
    /// Requests that a member may send at once; 0 turns this rate and those of addresses off.
    rate_burst "rate-burst": usize = 200, at least 0, at most 1_000_000;
    /// Requests a second after that; a long one counts as several, and faster members are read more slowly.
    rate "rate": usize = 50, at least 1, at most 1_000_000;
    /// Requests at once from all members of an address together; 0 turns this rate off.
    address_burst "address-burst": usize = 1000, at least 0, at most 1_000_000;
    /// Requests a second from them after that, shared in the order in which they come.
    address_rate "address-rate": usize = 200, at least 1, at most 1_000_000;
    /// Places in the broadcaster's channel; when all are taken, the server refuses messages as busy.
    queue "queue": usize = 1024, at least 1, at most 1_000_000;
    /// Time for delivering the accepted messages at shutdown.
    drain_timeout "drain-timeout": Duration = Duration::from_secs(5), at least MOMENT, at most LONGEST;
    /// Stack of each thread that serves a client.
    thread_stack "thread-stack": Bytes = Bytes(128 << 10), at least Bytes(64 << 10), at most Bytes(64 << 20);
}

/// The most bytes beside the text in a frame: an author's name, numbers and lengths.
const AROUND_TEXT: usize = 1024;

impl Limits {
    /// Returns the memory that the server takes at most for these limits, in bytes of addresses. What is
    /// resident is far less.
    pub fn memory_bytes(&self) -> u64 {
        self.shared_memory_bytes() + self.max_connections as u64 * self.connection_memory_bytes()
    }

    /// Returns the part of [`Limits::memory_bytes`] that does not depend on the connections: the log, and the
    /// messages in the queue.
    pub fn shared_memory_bytes(&self) -> u64 {
        (self.log_size.0 + self.queue * (self.max_text.0 + AROUND_TEXT)) as u64
    }

    /// The threads that one connection takes at most: `connection`, `recipient` and `flush`.
    pub const THREADS_EACH: usize = 3;

    /// Returns the memory that one connection takes at most, in bytes.
    pub fn connection_memory_bytes(&self) -> u64 {
        /// Beside each stack the system maps a guard page, a stack for signals, and what glibc keeps.
        const AROUND_STACK: usize = 32 << 10;
        /// A request as bytes and as a value, a reply in the same two forms and in pieces, and a call.
        const FRAMES: usize = 8;
        (Limits::THREADS_EACH * (self.thread_stack.0 + AROUND_STACK) + FRAMES * self.max_frame.0) as u64
    }

    /// Checks that the limits do not contradict each other.
    ///
    /// # Errors
    /// Says which limits do.
    pub fn check(&self) -> Result<(), String> {
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
    fn limits_that_contradict_each_other_are_refused() {
        let mut limits = Limits::default();
        assert_eq!(limits.check(), Ok(()));
        limits.max_frame = Bytes(4096);
        assert!(limits.check().is_err());
    }

    #[test]
    fn the_text_of_a_limit_reads_as_that_of_any_other_flag() {
        let flags = crate::settings::program(Vec::new()).flags;
        assert!(flags.iter().any(|flag| flag.topic == Some("limits")));
        for flag in flags {
            let is_sentence = flag.text.starts_with(char::is_uppercase) || flag.text.contains(". ");
            assert!(!is_sentence, "{}: {}", flag.form, flag.text);
        }
    }
}
