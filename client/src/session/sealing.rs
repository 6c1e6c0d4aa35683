//! How the connections to a room are opened and accepted: as they are to an open room, sealed to a closed
//! one. Runs on the thread that owns the connection. `closed.rs` has what only a closed room needs.

#[cfg(feature = "closed")]
use crate::session::closed::{Closed, Failure};
#[cfg(not(feature = "closed"))]
use crate::settings::HOW_TO_BUILD_CLOSED;
use crate::settings::{JoinOptions, UiEvent, UiEventHandler};
#[cfg(feature = "closed")]
use chat_common::closed::handshake;
use chat_common::{
    error::RpcError,
    hello::{Hello, Role},
    rpc::Connection,
    status::Status,
    stream::Stream,
    token::Token,
};
use std::time::Duration;

/// Why a call connection was not opened.
pub(crate) enum NotGreeted {
    /// It is final. The text is for people.
    Final(String),
    /// The server was not reached, or does not take the client.
    Failed(RpcError),
    /// The room is closed, and the person may know its passphrase.
    #[cfg(feature = "closed")]
    NeedsPassphrase,
}

/// What outlives a connection of all this.
#[derive(Debug)]
pub(crate) struct Sealing<'a> {
    #[cfg(feature = "closed")]
    pub(super) closed: Closed<'a>,
    options: &'a JoinOptions,
}

#[cfg_attr(
    not(feature = "closed"),
    expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "an open room has nothing to prove")
)]
impl Sealing<'_> {
    pub(crate) fn new(options: &JoinOptions) -> Sealing<'_> {
        Sealing {
            #[cfg(feature = "closed")]
            closed: Closed::new(options),
            options,
        }
    }

    /// Sends the hello of the call connection, and does the handshake with a closed room.
    ///
    /// # Blocking
    /// On the server, for `timeout` at most, and for 20 s with a handshake. `show` is told if that is long.
    ///
    /// # Errors
    /// After any error the connection is lost.
    pub(crate) fn greet_call(
        &mut self,
        call: &mut Connection,
        timeout: Duration,
        #[cfg_attr(not(feature = "closed"), expect(unused_variables))] show: UiEventHandler<'_>,
    ) -> Result<(), NotGreeted> {
        #[cfg(feature = "closed")]
        if let Some(credentials) = self.closed.credentials.clone() {
            return self.closed.dial(&credentials, call, show).map_err(|failure| match failure {
                Failure::Final(why) => NotGreeted::Final(why),
                Failure::Passing(error) => NotGreeted::Failed(error),
            });
        }
        match call.greet(Role::Call, Token::NONE, timeout) {
            Ok(_) => Ok(()),
            Err(RpcError::Refused { status: Status::Closed, .. }) => Err(self.needs_passphrase()),
            Err(error) => Err(NotGreeted::Failed(error)),
        }
    }

    #[cfg(feature = "closed")]
    fn needs_passphrase(&self) -> NotGreeted {
        match self.options.asks_passphrase {
            true => NotGreeted::NeedsPassphrase,
            false => NotGreeted::Final(self.closed.no_passphrase()),
        }
    }

    #[cfg(not(feature = "closed"))]
    fn needs_passphrase(&self) -> NotGreeted {
        NotGreeted::Final(format!(
            "the room at {} is closed, and this build knows only open ones: {HOW_TO_BUILD_CLOSED}",
            self.options.server
        ))
    }

    /// Takes note of a reply to the first call of a connection: a sealed one proves that the room knows the
    /// passphrase.
    ///
    /// # Errors
    /// When the key of the room cannot be remembered. One line for people, and it is final.
    pub(crate) fn on_reply(&mut self) -> Result<(), String> {
        #[cfg(feature = "closed")]
        self.closed.on_reply()?;
        Ok(())
    }

    /// Returns why the client must not try again after its first call on a connection has failed, if it must
    /// not.
    #[cfg_attr(not(feature = "closed"), expect(unused_variables))]
    pub(crate) fn why_final(&self, error: &RpcError) -> Option<String> {
        #[cfg(feature = "closed")]
        return self.closed.why_final(error);
        #[cfg(not(feature = "closed"))]
        None
    }

    /// Returns what the person has to read about the room's key after a join.
    pub(crate) fn take_news(&mut self) -> Option<UiEvent> {
        #[cfg(feature = "closed")]
        return self.closed.news.take();
        #[cfg(not(feature = "closed"))]
        None
    }
}

/// Opens the callback connection of a session whose call connection is `call`.
///
/// # Blocking
/// On the server, for `timeout` at most.
///
/// # Errors
/// After any error the connection is lost.
#[cfg_attr(not(feature = "closed"), expect(unused_variables, reason = "nothing is sealed to an open room"))]
pub(crate) fn greet_callback(
    callback: &mut Connection,
    call: &Stream,
    token: Token,
    timeout: Duration,
) -> Result<(), RpcError> {
    #[cfg(feature = "closed")]
    if let Some(seal) = call.seal() {
        return handshake::dial_callback(callback, Role::OpenedCallback, seal, token, timeout);
    }
    callback.greet(Role::OpenedCallback, token, timeout).map(drop)
}

/// Returns why a connection with this hello cannot be the server's callback, if it cannot. It is not known to
/// be the server's before [`welcome_callback`] has succeeded.
pub(crate) fn refusal(hello: &Hello, call: &Stream, token: Token) -> Option<Status> {
    #[cfg(feature = "closed")]
    let (sealed, shown) = call.seal().map_or((false, token), |seal| (true, seal.channel()));
    #[cfg(not(feature = "closed"))]
    let (sealed, shown) = (false, {
        let _ = call;
        token
    });
    match hello.role {
        Role::Callback if hello.sealed != sealed => Some(Status::WrongRole),
        Role::Callback if hello.token != shown => Some(Status::UnknownToken),
        Role::Callback => None,
        Role::Call | Role::OpenedCallback => Some(Status::WrongRole),
    }
}

/// Welcomes the server's callback connection. `admit` runs once it is known to be the server's, and before
/// the server learns that.
///
/// # Blocking
/// On the server, for `timeout` at most.
///
/// # Errors
/// When the other side is not the server of the call connection, or `admit` returns false. After any error
/// the connection is lost.
#[cfg_attr(not(feature = "closed"), expect(unused_variables, reason = "an open room's hello was enough"))]
pub(crate) fn welcome_callback(
    callback: &mut Connection,
    hello: &Hello,
    call: &Stream,
    token: Token,
    admit: impl FnOnce() -> bool,
    timeout: Duration,
) -> Result<(), RpcError> {
    #[cfg(feature = "closed")]
    if let Some(seal) = call.seal() {
        return handshake::accept_callback(callback, hello, seal, token, admit, timeout);
    }
    if !admit() {
        callback.refuse(Status::Busy);
        return Err(RpcError::Refused { status: Status::Busy, version: hello.highest });
    }
    callback.welcome(hello, timeout)
}
