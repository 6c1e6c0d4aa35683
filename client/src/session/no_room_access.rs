//! Stands in the place of `room_access.rs` in a build without the feature `closed`, which joins open rooms
//! alone.

use crate::{
    events::{UiEvent, UiEventHandler},
    session::{
        connection_end::{ConnectionEnd, Obstacle},
        options::JoinOptions,
        HOW_TO_BUILD_CLOSED,
    },
};
use chat_common::wire::{error::RpcError, hello::Hello, rpc::Connection, status::Status};
use std::time::Duration;

/// The client's side of a closed room, which this build does not have.
#[derive(Debug)]
pub(crate) struct RoomAccess<'a>(&'a JoinOptions);

#[expect(clippy::unused_self, reason = "an open room has nothing to prove")]
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
        let hello = Hello::call(self.0.guest());
        match call.greet(hello.role, hello.token, timeout) {
            Ok(_) => Ok(()),
            Err(RpcError::Refused { status: Status::Closed, .. }) => Err(ConnectionEnd::Failed(format!(
                "the room at {} is closed, and this build knows only open ones: {}",
                self.0.server, HOW_TO_BUILD_CLOSED
            ))),
            Err(error) => Err(error.into()),
        }
    }

    /// Looks whether the server would let the client join.
    ///
    /// # Blocking
    /// On the server, for `timeout` at most.
    ///
    /// # Errors
    /// Why the client cannot join.
    pub(crate) fn find_room(
        &mut self,
        call: &mut Connection,
        timeout: Duration,
    ) -> Result<(), ConnectionEnd> {
        self.greet_call(call, timeout, &drop)
    }

    /// Passes on the reply to a Join, or the answer to the key of a gateway.
    ///
    /// # Errors
    /// When there is no reply.
    pub(crate) fn check_reply<R>(&mut self, reply: Result<R, RpcError>) -> Result<R, ConnectionEnd> {
        reply.map_err(|error| ConnectionEnd::NotJoined(Obstacle::NoWay, error.to_string()))
    }

    /// An open room has no key.
    pub(crate) fn take_news(&mut self) -> Option<UiEvent> {
        None
    }
}
