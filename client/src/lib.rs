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
//! | `patience` | one handshake with a closed room | nothing | the end of the handshake; a timer |
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
//! `clock` and `log` are never joined, because std cannot wake them. They end with the program.
//!
//! Only `log` waits for the reader of standard error. `main` and `callback` wait for the reader of standard
//! output: a client that cannot show a message takes no more of them. So does `stdin` with the feature
//! `edit`, where it draws what is typed.
//!
//! # Use in another program
//!
//! [`run`] takes lines from a channel and passes everything that a person should see to a function, as
//! [`UiEvent`]. `main.rs` connects these to standard input and to a [`Screen`]. A test connects them to
//! channels.

#[cfg(feature = "edit")]
mod editor;
#[cfg(not(feature = "edit"))]
#[path = "no_editor.rs"]
mod editor;
mod input;
mod screen;
mod session;
mod settings;

pub use editor::Editor;
#[cfg(feature = "closed")]
pub use input::Echo;
pub use input::{
    cannot_read, guard_pastes_loop, read_lines_loop, read_message, read_objects_loop, read_typed_loop,
    MessageError, Typed,
};
pub use screen::{help_text, Screen};
#[cfg(feature = "closed")]
pub use session::load_credentials;
pub use session::run;
pub use settings::{
    parse_arguments, Bell, Channels, Environment, Found, Input, InputNotice, InputSource, Invocation,
    JoinOptions, Options, Outcome, Rejoin, ScreenOptions, Stop, TimeFormat, UiEvent, UiEventHandler,
    Utterance,
};
#[cfg(feature = "closed")]
pub use settings::{Credentials, PassphraseSource};
