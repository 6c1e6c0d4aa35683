//! What the whole client agrees on: the options, and the values that its threads exchange. No I/O.

mod arguments;
mod channels;
mod closed_flags;
#[cfg(feature = "closed")]
mod credentials;
mod options;
mod server_address;
mod ui_event;
mod utterance;

pub use arguments::parse_arguments;
pub(crate) use arguments::EMPTY_MESSAGE_ERROR;
pub use channels::{Channels, Input, InputNotice, Outcome, Stop};
#[cfg(not(feature = "closed"))]
pub(crate) use closed_flags::HOW_TO_BUILD_CLOSED;
#[cfg(feature = "closed")]
pub use credentials::{Credentials, PassphraseSource};
pub(crate) use options::DEFAULT_HISTORY;
pub use options::{
    Bell, Environment, InputSource, Invocation, JoinOptions, Options, ScreenOptions, TimeFormat,
};
pub use ui_event::{Found, Rejoin, UiEvent, UiEventHandler};
pub use utterance::Utterance;
