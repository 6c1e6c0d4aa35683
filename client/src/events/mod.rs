//! What goes into a session and what comes out of it. Plain values, for any thread.

mod input;
mod ui_event;
mod utterance;

pub use input::{Channels, Input, InputId, Outcome, Stop};
pub use ui_event::{Found, Rejoin, UiEvent, UiEventHandler};
pub use utterance::Utterance;
