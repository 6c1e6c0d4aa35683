//! The person's side of the room: everything that chat-client does, as a library.
//!
//! # Threads, and who wakes whom
//!
//! | thread | lives | owns | woken by |
//! |---|---|---|---|
//! | main (the session) | as long as the program | the call connection, the queue of what is to be sent | a typed line, a signal, the loss of the callback, its ping timer |
//! | `stdin` | as long as the program | standard input | the person |
//! | `listener` | one connection to the room | the listening socket | a connection; its stop is a connection to itself |
//! | `callback` | one accepted callback connection | that stream; serves `Receive` and shows what comes | the server; its stop is a shutdown of the stream |
//! | ctrlc's | as long as the program | nothing | a signal |
//!
//! ```text
//!  stdin ──Input──▶ session ══ Join, Broadcast, Leave ══▶ server
//!                     │  ▲ lost
//!           Shown ◀───┤  │
//!  screen ◀──Shown── callback ◀══════ Receive ═══════════ server
//! ```
//!
//! `listener` and `callback` are scoped threads: the scope is one connection to the room, and its end waits for both. So
//! nothing of an old connection still runs when the next one begins, and the position that a resumed session announces is final.
//! The only thread that is never joined is `stdin`: std cannot wake a blocked read of standard input, so it is left behind
//! when the program ends.
//!
//! # Driving it in process
//!
//! [`run`] takes lines from a channel and hands everything that a person can be told to a function, as [`Shown`].
//! `main.rs` connects these to standard input and to a [`screen::Screen`]; a test connects them to whatever it likes.

mod backoff;
mod calendar;
mod color;
mod command;
mod connection;
mod inbox;
pub mod input;
mod json;
mod listener;
pub mod options;
mod outbox;
pub mod screen;
mod session;
pub mod shown;
mod terminal;
mod transcript;
mod visible;
mod wording;
mod zone;

use chat_common::token::Token;
use crossbeam_channel::Receiver;
pub use shown::{Said, Shown};

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

/// What comes in from the person or the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A line without its end: a message, or a `/command`.
    Line(String),
    /// A text to be said as it is, whatever it begins with; it may have several lines.
    Text(String),
    /// The end of input: what came before is sent, and then the client leaves (unless it stays).
    /// A sender that is dropped says the same.
    End,
}

/// A wish to leave that does not wait its turn behind the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Leave now; what has not been sent is not sent (Ctrl-C).
    Now,
    /// Send what has been read, then leave (nobody reads our output any more).
    WhenSent,
}

/// Where [`run`] hears from. Both channels should be bounded; a full `input` is what holds a fast pipe back.
#[derive(Clone, Debug)]
pub struct Wires {
    /// What is typed.
    pub input: Receiver<Input>,
    /// Wishes to leave.
    pub stop: Receiver<Stop>,
}

/// Where everything that a person can be told goes to. It is called from the session's thread and from the callback's,
/// one event at a time, and may block: then nothing more is taken from the server.
pub type Show<'a> = &'a (dyn Fn(Shown) + Sync);

/// How a visit to the room ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The person left; all that was to be sent has been accepted, or they did not care to wait.
    Left,
    /// Could not join, was refused, or was lost for good; the reason has been shown.
    Failed(String),
}

/// Joins the room, takes part in it until the person leaves, and leaves.
///
/// # Blocking
/// For as long as the visit lasts. [`Stop::Now`] ends it at once where it waits for the person, for its own back-off or for
/// an idle connection. A call that is under way is waited for, 10 s at the longest; on the way in these are the name service,
/// which has no limit, 3 s for each address of the server, 3 s for the hello, three calls, and 6 s for the callback. A `show`
/// that blocks is waited for as well.
pub fn run(options: &JoinOptions, wires: &Wires, show: Show<'_>) -> Outcome {
    let outcome = match Token::random() {
        Ok(token) => session::visit(options, wires, show, token),
        Err(error) => Outcome::Failed(format!("no random numbers from the system: {error}")),
    };
    match &outcome {
        Outcome::Left => show(Shown::Bye),
        Outcome::Failed(reason) => show(Shown::Failed(reason.clone())),
    }
    outcome
}
