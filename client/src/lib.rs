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

pub mod input;
pub mod screen;
mod session;
pub mod settings;

use chat_common::token::Token;
pub use settings::{
    channels::{Input, Outcome, Show, Stop, Wires},
    options::JoinOptions,
    shown::{Said, Shown},
};

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
