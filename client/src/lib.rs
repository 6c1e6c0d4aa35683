//! Everything that the program chat-client does, as a library.
//!
//! # Threads, and what wakes them
//!
//! | thread | lives as long as | owns | is woken by |
//! |---|---|---|---|
//! | main | the program | call connection, queue | input, a signal, a lost callback, a timer |
//! | `stdin` | the program | standard input; with the feature `edit`, the typed line | the person |
//! | `paste` | the program, where a person types | what is pasted | a typed line; a timer of some 20 ms |
//! | `listener` | one connection to the room | the listening socket | a connection; its shutdown |
//! | `callback` | one callback connection | its stream | the server; to stop, a shutdown of the stream |
//! | `width` | the program | the pipe from a shell | the shell: a new size of the terminal, or Ctrl-C |
//! | `reader` | the program | nothing | its timer, twice a second, while standard output is a pipe |
//! | `clock` | the program | nothing | its timer: a fold or a day ends, an hour has passed; a first move |
//! | `ctrl-c` | a first Ctrl-C | nothing | the terminal, on which it says that a second one leaves |
//! | `slow-notice` | one handshake with a closed room | nothing | the end of the handshake; a timer |
//! | `log` | the program | standard error | a line in its channel; a reader of standard error |
//! | ctrlc's | the program | nothing | a signal |
//!
//! ```text
//!  stdin ──Input──▶  main   ══ Join, Broadcast, Leave ══▶ server
//!                     │  ▲ lost
//!         UiEvent ◀───┤  │
//!  screen ◀─UiEvent─ callback ◀══════ Receive ═══════════ server
//! ```
//!
//! `listener` and `callback` are scoped threads. The scope is one connection to the room, and its end waits
//! for both. So no thread of an old connection still runs when the next connection begins, and the last
//! sequence that a resumed session announces is final. The threads `stdin`, `paste`, `width`, `reader`,
//! `clock`, `ctrl-c` and `log` are never joined, because std cannot wake them. They end with the program.
//!
//! Only `log` waits for the reader of standard error. `main` and `callback` wait for the reader of standard
//! output: a client that cannot show a message takes no more of them. So do `stdin` and `paste`, which show
//! what is for the terminal alone: help, what becomes of a paste, and with the feature `edit` what is typed.
//!
//! # Use in another program
//!
//! [`run`] is one session in a room. It takes an [`Input`] after the other from a channel, and passes
//! everything that happens to a function, as [`UiEvent`]. It knows of no terminal and of no command.
//! `main.rs` connects it to standard input, by way of a [`Person`], and to a [`Screen`]; a test connects it
//! to channels. A program that serves others runs many sessions side by side: nothing in this library is
//! global to the process.

#[cfg(feature = "edit")]
mod editor;
#[cfg(not(feature = "edit"))]
#[path = "no_editor.rs"]
mod editor;
mod events;
mod input;
mod screen;
mod session;
mod settings;

pub use editor::Editor;
pub use events::{
    Channels, Found, Input, InputId, Outcome, Rejoin, Stop, UiEvent, UiEventHandler, Utterance,
};
pub use input::{
    cannot_read, guard_pastes_loop, parse_line, parse_nested_object, parse_object, read_lines_loop,
    read_message, read_objects_loop, read_typed_loop, Asks, MessageError, Mistake, Person, Shown,
    TerminalEvent, Typed, Value,
};
pub use screen::{json_objects, Screen};
#[cfg(feature = "closed")]
pub use session::{load_credentials, AccessOptions};
pub use session::{run, JoinOptions, MemberOptions, OperatorOptions, PassphraseSource};
pub use settings::{
    parse_arguments, parse_server, Bell, CommandLine, Environment, InputSource, Invocation, Options,
    ScreenOptions, Surface, TimeFormat, DEFAULT_PORT, DEFAULT_SERVER,
};

/// Returns the command line of `chat-client`, with all flags and the commands in the room.
pub fn program() -> chat_common::program::flags::Program<CommandLine> {
    settings::program(input::commands())
}
