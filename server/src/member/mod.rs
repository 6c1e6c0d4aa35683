//! The connections of members. Each runs on its own thread, `connection`. It may wait for its own client
//! and for the broadcaster, but never for another client.
//!
//! | file | content |
//! |---|---|
//! | [`connection`] | one connection: hello, Join, requests, the end |
//! | [`guest`] | the key of a gateway, and the connections of its guests |
//! | [`join`] | how a client enters the room or resumes its session |
//! | [`service`] | what each request of a member does |
//! | [`operator`] | what makes a connection an operator's, and its commands |
//! | [`pause`] | the waits for the rate, and for what a request reads of the journal |
//! | [`sealing`] | how a call connection is welcomed, sealed in a closed room |
//! | [`dial`] | the callback connection that the server opens |

mod connection;
mod dial;
mod guest;
mod join;
mod operator;
mod pause;
mod sealing;
mod service;

pub(crate) use connection::serve_connection;

use crate::{door::Door, room::Room, settings::Limits};
#[cfg(feature = "closed")]
use chat_common::handshake::credentials::Credentials;
use chat_common::program::shutdown::Shutdown;

/// What all connections share.
pub(crate) struct Service<'env> {
    pub(crate) room: &'env Room,
    pub(crate) door: &'env Door,
    pub(crate) limits: &'env Limits,
    pub(crate) shutdown: &'env Shutdown,
    /// Carries out a command of the console. Returns the reply, or what is wrong.
    pub(crate) run_command: &'env (dyn Fn(&str) -> Result<String, String> + Sync),
    /// Returns the message of the day, a text for everybody who joins.
    pub(crate) motd: &'env (dyn Fn() -> Option<String> + Sync),
    /// For how long the room keeps what is said on a disk, in seconds, or `None` if it does not.
    pub(crate) kept_for: Option<u64>,
    /// The secrets of a closed room.
    #[cfg(feature = "closed")]
    pub(crate) closed: Option<&'env Credentials>,
}
