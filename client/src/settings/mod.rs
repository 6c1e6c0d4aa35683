//! What the whole client agrees on: the options, and the values that its threads exchange. No I/O.

mod channels;
#[cfg(feature = "closed")]
mod credentials;
mod options;
mod ui_event;
mod utterance;

pub use channels::{Channels, Input, InputNotice, Outcome, Stop};
#[cfg(feature = "closed")]
pub use credentials::{Credentials, PassphraseSource};
#[cfg(not(feature = "closed"))]
pub(crate) use options::HOW_TO_BUILD_CLOSED;
pub use options::{
    parse_arguments, Bell, Environment, InputSource, Invocation, JoinOptions, Options, ScreenOptions,
    TimeFormat,
};
pub(crate) use options::{DEFAULT_HISTORY, EMPTY_MESSAGE_ERROR};
pub use ui_event::{Found, UiEvent, UiEventHandler};
pub use utterance::Utterance;
