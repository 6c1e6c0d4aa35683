//! The guests: each is a member of the room like all others, with a session of its own on the library of
//! chat-client.
//!
//! | thread | lives as long as | is woken by |
//! |---|---|---|
//! | `guest` | one run of a session | what its page says, the server, a request to stop |
//! | `callback` | one callback connection of the session | the server |
//! | `absences` | the program | its timer, once a second |
//!
//! `list.rs` knows all guests, `guest.rs` is one of them, `page_lines.rs` has what its page is told, and
//! `shared_lines.rs` the lines that all pages are told alike.

mod absences;
mod guest;
mod list;
mod page_lines;
mod run;
mod shared_lines;
mod turnstile;

pub(crate) use absences::absences_loop;
pub(crate) use guest::{Guest, Joining, Next, NotTaken};
pub(crate) use list::{Guests, Known, NoPlace};
pub(crate) use run::start_run;
pub(crate) use turnstile::Turnstile;
