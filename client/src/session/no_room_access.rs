//! Stands in the place of `room_access.rs` in a build without the feature `closed`, which joins open rooms
//! alone.

use crate::{
    events::{UiEvent, UiEventHandler},
    session::{connection_end::ConnectionEnd, options::JoinOptions, HOW_TO_BUILD_CLOSED},
};
use chat_common::wire::{error::RpcError, hello::Role, rpc::Connection, status::Status, token::Token};
use std::time::Duration;

/// The client's side of a closed room, which this build does not have.
#[derive(Debug)]
pub(crate) struct RoomAccess<'a>(&'a JoinOptions);

#[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "an open room has nothing to prove")]
impl RoomAccess<'_> {
    pub(crate) fn new(options: &JoinOptions) -> RoomAccess<'_> {
        RoomAccess(options)
    }

    /// Sends the hello of the call connection.
    ///
    /// # Blocking
    /// On the server, for `timeout` at most.
    ///
    /// # Errors
    /// After any error the connection is lost.
    pub(crate) fn greet_call(
        &mut self,
        call: &mut Connection,
        timeout: Duration,
        _show: UiEventHandler<'_>,
    ) -> Result<(), ConnectionEnd> {
        match call.greet(Role::Call, Token::NONE, timeout) {
            Ok(_) => Ok(()),
            Err(RpcError::Refused { status: Status::Closed, .. }) => Err(ConnectionEnd::failed(format!(
                "the room at {} is closed, and this build knows only open ones: {}",
                self.0.server, HOW_TO_BUILD_CLOSED
            ))),
            Err(error) => Err(error.into()),
        }
    }

    /// In an open room no reply proves anything.
    pub(crate) fn on_reply(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// In an open room no failure of a call is final.
    pub(crate) fn why_final(&self, _error: &RpcError) -> Option<String> {
        None
    }

    /// An open room has no key.
    pub(crate) fn take_news(&mut self) -> Option<UiEvent> {
        None
    }
}
