//! Joins a closed room: checks which key the room has, and tells what a failure means. Runs on the main
//! thread.
//!
//! Requirements:
//! - An impostor MUST NOT get a second guess at the passphrase from one client. So the client never dials
//!   again by itself after a wrong passphrase, another key, or bytes that are not genuine. A person may type
//!   another passphrase after a wrong one (`passphrase_question.rs`).
//! - A connection that breaks inside a handshake is final, too, if the key of the room is not known. An
//!   impostor would get one guess for each dial, and could cut each connection after its guess. Of a known
//!   room it is a server that was not reached, because the client has sent nothing that depends on the
//!   passphrase to anybody but the room.
//! - A room whose key is known MUST NOT be joined in the open, with a passphrase or without one.
//! - A key is known only after the first sealed reply, which proves that the room knows the passphrase. Until
//!   then the rule for a handshake holds.

use crate::{
    events::{UiEvent, UiEventHandler},
    session::{
        connection_end::ConnectionEnd,
        known_rooms::{self, Remembered},
        options::JoinOptions,
    },
};
use chat_common::{
    handshake::{credentials::Credentials, sealed},
    program::tasks,
    wire::{error::RpcError, hello::Hello, rpc::Connection, seal::PublicKey, status::Status},
};
use std::{path::Path, thread, time::Duration};

/// The limit for the handshake with a closed room. The server delays clients from an address with many
/// wrong passphrases, by 15 s at most.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);
/// After this time the person is told that the server is slow.
const SLOW_NOTICE: Duration = Duration::from_millis(1500);

/// The key that the room has shown in this run.
#[derive(Clone, Copy, Debug)]
struct ShownKey {
    key: PublicKey,
    /// The key of the room that was known before. After the proof it is `key`.
    known: Option<PublicKey>,
    /// Whether the room has proven that it knows the passphrase.
    is_proven: bool,
}

/// The client's side of a closed room, for the whole run.
#[derive(Debug)]
pub(crate) struct RoomAccess<'a> {
    options: &'a JoinOptions,
    pub(super) credentials: Option<Credentials>,
    shown: Option<ShownKey>,
    /// How many passphrases the person has typed since the room has taken one.
    pub(super) typed: u32,
    /// What the person has to read after the join.
    news: Option<UiEvent>,
}

impl RoomAccess<'_> {
    pub(crate) fn new(options: &JoinOptions) -> RoomAccess<'_> {
        let credentials = options.access.credentials.clone();
        RoomAccess { options, credentials, shown: None, typed: 0, news: None }
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
        show: UiEventHandler<'_>,
    ) -> Result<(), ConnectionEnd> {
        match self.credentials.clone() {
            Some(credentials) => self.shake_hands(&credentials, call, show),
            None => self.greet_open_room(call, timeout),
        }
    }

    /// Looks whether the server would let the client join, as far as it says so before a handshake: that is
    /// for the connection that joins.
    ///
    /// # Blocking
    /// On the server, for `timeout` at most.
    ///
    /// # Errors
    /// Why the client cannot join. A passphrase is asked for later.
    pub(crate) fn find_room(&self, call: &mut Connection, timeout: Duration) -> Result<(), ConnectionEnd> {
        if self.credentials.is_some() {
            let hello = Hello::call(self.options.guest());
            return match call.greet(hello.role, hello.token, timeout) {
                Ok(()) | Err(RpcError::Refused { status: Status::Closed, .. }) => Ok(()),
                Err(error) => Err(error.into()),
            };
        }
        match self.greet_open_room(call, timeout) {
            Err(ConnectionEnd::NeedsPassphrase) => Ok(()),
            greeted => greeted,
        }
    }

    /// Sends the hello of a client without a passphrase.
    ///
    /// # Blocking
    /// On the server, for `timeout` at most.
    fn greet_open_room(&self, call: &mut Connection, timeout: Duration) -> Result<(), ConnectionEnd> {
        let hello = Hello::call(self.options.guest());
        match call.greet(hello.role, hello.token, timeout) {
            // A person who is asked for the passphrase each time would not notice that the room was closed
            // before, because an impostor does not have to ask.
            Ok(_) => match self.known_key().map_err(ConnectionEnd::Failed)? {
                Some(_) => Err(ConnectionEnd::Failed(self.was_closed())),
                None => Ok(()),
            },
            Err(RpcError::Refused { status: Status::Closed, .. }) => {
                Err(match self.options.access.asks_passphrase {
                    true => ConnectionEnd::NeedsPassphrase,
                    false => ConnectionEnd::Failed(format!(
                        "the room at {} is closed: set $CHAT_PASSPHRASE to its passphrase, or use \
                         --passphrase-file FILE",
                        self.options.server
                    )),
                })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Does the handshake of a call connection.
    ///
    /// # Blocking
    /// On the server, 20 s at most.
    fn shake_hands(
        &mut self,
        credentials: &Credentials,
        call: &mut Connection,
        show: UiEventHandler<'_>,
    ) -> Result<(), ConnectionEnd> {
        let known = self.known_key().map_err(ConnectionEnd::Failed)?;
        let is_proven = self.shown.is_some_and(|shown| shown.is_proven);
        // A room does not change its key while the client is in it.
        let may_be_new = known.is_none() || self.options.access.accept_new_key && !is_proven;
        let mut shown = None;
        let accepts = |key: &PublicKey| {
            shown = Some(*key);
            may_be_new || known == Some(*key)
        };
        let guest = self.options.guest();
        let dial = || sealed::dial_call(call, guest, credentials, accepts, HANDSHAKE_TIMEOUT);
        let dialled = tell_if_slow(show, dial);
        let key = dialled.map_err(|error| self.end_of(error, shown, known))?;
        debug_assert!(!is_proven || known == Some(key), "a room keeps its key while the client is in it");
        self.shown = Some(ShownKey { key, known, is_proven });
        Ok(())
    }

    /// Returns how a connection ends after a failed handshake or a failed first call. `shown` is the key
    /// that the room has shown, and `known` the one that was known before.
    fn end_of(&self, error: RpcError, shown: Option<PublicKey>, known: Option<PublicKey>) -> ConnectionEnd {
        let server = &self.options.server;
        ConnectionEnd::Failed(match (&error, shown, known) {
            (RpcError::Refused { status: Status::WrongPassphrase, .. }, ..) => {
                return ConnectionEnd::WrongPassphrase(self.wrong_passphrase());
            }
            (RpcError::OtherKey, Some(shown), Some(known)) => changed_key(server, shown, known),
            (RpcError::Refused { status: Status::WrongRole, .. }, _, Some(_)) => self.was_closed(),
            (RpcError::Refused { status: Status::WrongRole, .. }, ..) => {
                format!("the room at {server} is open: it has no passphrase; join it without one")
            }
            (RpcError::NotGenuine, ..) => format!(
                "what came from the room at {server} is not genuine: somebody in between has changed it, or \
                 that is no closed room. Try again, and in another network if it happens again"
            ),
            // The server has refused the hello, so there was no handshake.
            (RpcError::Refused { .. }, None, _) => return error.into(),
            (error, shown, known) if known.is_none() || shown.is_some_and(|shown| known != Some(shown)) => {
                format!(
                    "the handshake with the room at {server} failed: {error}. Its key is not known here \
                     yet, so the client does not try again by itself; make sure that the address is right, \
                     and start it again"
                )
            }
            _ => return error.into(),
        })
    }

    /// What to say of a room that was closed before, and is open.
    fn was_closed(&self) -> String {
        let file = self.options.access.state.as_deref().unwrap_or(Path::new("")).join(known_rooms::FILE);
        format!(
            "the room at {} was closed before, and is open now. Either it was opened, or another server is \
             at this address now, or somebody in between answers in its place. Ask who runs the room; if it \
             is meant to be open, remove its line from {}, and join without a passphrase",
            self.options.server,
            file.display()
        )
    }

    /// Passes on the reply to a Join, or the answer to the key of a gateway. The first sealed reply proves
    /// that the room knows the passphrase.
    ///
    /// # Errors
    /// When there is no reply. When the key cannot be remembered, or another client has remembered another
    /// key meanwhile.
    pub(crate) fn check_reply<R>(&mut self, reply: Result<R, RpcError>) -> Result<R, ConnectionEnd> {
        let reply = reply.map_err(|error| match self.shown {
            Some(ShownKey { key, known, .. }) => self.end_of(error, Some(key), known),
            None => error.into(),
        })?;
        self.remember_room().map_err(ConnectionEnd::Failed)?;
        self.typed = 0;
        Ok(reply)
    }

    /// Remembers the key of a room that has proven that it knows the passphrase.
    fn remember_room(&mut self) -> Result<(), String> {
        let Some(ShownKey { key, known, is_proven: false }) = self.shown else { return Ok(()) };
        let (server, replaces) = (&self.options.server, known.filter(|_| self.options.access.accept_new_key));
        if let Some(state) = &self.options.access.state {
            self.news = match known_rooms::remember(state, server, key, replaces)? {
                Remembered::Already => None,
                Remembered::Now(replaced) => Some(UiEvent::RoomRemembered {
                    key: key.fingerprint(),
                    replaces: replaced.map(|key| key.fingerprint()),
                }),
                Remembered::Other(known) => return Err(changed_key(server, key, known)),
            };
        }
        self.shown = Some(ShownKey { key, known: Some(key), is_proven: true });
        Ok(())
    }

    /// Returns what the person has to read about the room's key after a join.
    pub(crate) fn take_news(&mut self) -> Option<UiEvent> {
        self.news.take()
    }

    /// Returns the key that the room must have, if there is one.
    fn known_key(&self) -> Result<Option<PublicKey>, String> {
        match (self.shown, &self.options.access.state) {
            (Some(ShownKey { key, is_proven: true, .. }), _) => Ok(Some(key)),
            (_, Some(state)) => known_rooms::key_of(state, &self.options.server),
            (_, None) => Ok(None),
        }
    }

    fn wrong_passphrase(&self) -> String {
        let (server, mind) = (&self.options.server, self.what_to_mind());
        format!("the passphrase is not that of the room at {server}; ask for it again{mind}")
    }

    /// What counts in the passphrase that was wrong.
    pub(super) fn what_to_mind(&self) -> &'static str {
        match self.credentials.as_ref().map(|credentials| &credentials.passphrase) {
            Some(accented) if accented.has_two_spellings() => {
                ", and mind spaces and capital letters; accents and other letters beyond ASCII can be \
                 written in two ways that look the same, and only one of them opens the room"
            }
            Some(exact) if !exact.is_folded() => ", and mind spaces and capital letters",
            _ => "",
        }
    }
}

fn changed_key(server: &str, shown: PublicKey, known: PublicKey) -> String {
    format!(
        "the room at {server} has another key than before: {}, and not {}. Either another server is at this \
         address now, or somebody in between answers in its place. Ask who runs the room for its key; if \
         that is the new one, join once with --accept-new-key",
        shown.fingerprint(),
        known.fingerprint()
    )
}

/// Does the work, and tells the person if it takes long.
fn tell_if_slow<R>(show: UiEventHandler<'_>, work: impl FnOnce() -> R) -> R {
    let (working, tasks) = tasks::begin();
    thread::scope(|scope| {
        let tell = move || {
            if !tasks.wait_for(SLOW_NOTICE) {
                show(UiEvent::ServerBusy);
            }
        };
        if let Err(error) = thread::Builder::new().name("slow-notice".into()).spawn_scoped(scope, tell) {
            log::info!("nobody is told if the server is slow: {error}");
        }
        let _held_to_the_end = working;
        work()
    })
}
