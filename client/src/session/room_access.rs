//! Joining a closed room: the passphrase, which key the room may have, and what a failure means. Runs on the
//! main thread.
//!
//! Requirements:
//! - An impostor MUST NOT get a second guess at the passphrase from one client. So the client never dials
//!   again by itself after a wrong passphrase, another key, or bytes that are not genuine.
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
        connection_end::{ConnectionEnd, Obstacle},
        credentials::PassphraseSource,
        known_rooms::{self, Remembered},
        options::JoinOptions,
    },
};
use chat_common::{
    handshake::{credentials::Credentials, passphrase::Passphrase, sealed, state},
    program::tasks,
    wire::{
        error::RpcError, hello::Role, protocol::Reply, rpc::Connection, seal::PublicKey, status::Status,
        token::Token,
    },
};
use std::{path::Path, thread, time::Duration};

/// The limit for the handshake with a closed room. The server lets those wait who come from an address with
/// many wrong passphrases, for 15 s at most.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);
/// After this time the person is told that the server lets the client wait.
const SLOW_NOTICE: Duration = Duration::from_millis(1500);
/// The file of the client's own key, in the directory for state.
const CLIENT_KEY: &str = "client_key";

/// Reads the passphrase and the keys that the options name, so that the client can join a closed room.
///
/// # Blocking
/// On the disk, and on a passphrase file that is a pipe.
///
/// # Errors
/// When a file or the directory for state cannot be used. One line for people.
pub fn load_credentials(
    options: &mut JoinOptions,
    passphrase: Option<&PassphraseSource>,
) -> Result<(), String> {
    let passphrase = match passphrase {
        None => return Ok(()),
        Some(PassphraseSource::Given(passphrase)) => passphrase.clone(),
        Some(PassphraseSource::File(path)) => read_passphrase(path)?,
    };
    options.access.credentials = Some(with_own_key(passphrase, options.access.state.as_deref())?);
    Ok(())
}

fn read_passphrase(path: &Path) -> Result<Passphrase, String> {
    let line = state::read_first_line(path)
        .map_err(|error| format!("cannot read the passphrase file {}: {error}", path.display()))?;
    Passphrase::new(&line).map_err(|why| format!("the passphrase file {}: {why}", path.display()))
}

/// Returns the credentials with this passphrase and the client's own key.
pub(super) fn with_own_key(passphrase: Passphrase, state: Option<&Path>) -> Result<Credentials, String> {
    let state = state.ok_or("there is no directory for the client's key; --state DIR names one")?;
    let key = state::load_key(state, CLIENT_KEY)?;
    // So a damaged file is noticed before the passphrase is used.
    known_rooms::key_of(state, "")?;
    Ok(Credentials { passphrase, key })
}

/// The key of the room of this run.
#[derive(Debug)]
enum RoomKey {
    /// No handshake has shown a key.
    Unseen,
    /// A handshake has shown it, and the room has not proven yet that it knows the passphrase.
    Shown {
        key: PublicKey,
        /// What is known about the room.
        known: Option<PublicKey>,
    },
    /// The room has proven that it knows the passphrase.
    Proven(PublicKey),
}

/// The client's side of a closed room, for the whole run.
#[derive(Debug)]
pub(crate) struct RoomAccess<'a> {
    options: &'a JoinOptions,
    pub(super) credentials: Option<Credentials>,
    room_key: RoomKey,
    /// What the person has to read after the join.
    news: Option<UiEvent>,
}

impl RoomAccess<'_> {
    pub(crate) fn new(options: &JoinOptions) -> RoomAccess<'_> {
        RoomAccess {
            options,
            credentials: options.access.credentials.clone(),
            room_key: RoomKey::Unseen,
            news: None,
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
        show: UiEventHandler<'_>,
    ) -> Result<(), ConnectionEnd> {
        if let Some(credentials) = self.credentials.clone() {
            return self.shake_hands(&credentials, call, show);
        }
        match call.greet(Role::Call, Token::NONE, timeout) {
            Ok(_) => self.may_be_open().map_err(ConnectionEnd::Failed),
            Err(RpcError::Refused { status: Status::Closed, .. }) if self.options.access.asks_passphrase => {
                Err(ConnectionEnd::NeedsPassphrase)
            }
            Err(RpcError::Refused { status: Status::Closed, .. }) => {
                Err(ConnectionEnd::Failed(self.no_passphrase()))
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
        let may_be_new = known.is_none() || self.accepts_new_key();
        let mut shown = None;
        let accepts = |key: &PublicKey| {
            shown = Some(*key);
            may_be_new || known == Some(*key)
        };
        let dialled = tell_if_slow(show, || sealed::dial_call(call, credentials, accepts, HANDSHAKE_TIMEOUT));
        let error = match dialled {
            Ok(key) => {
                if !matches!(self.room_key, RoomKey::Proven(_)) {
                    self.room_key = RoomKey::Shown { key, known };
                }
                return Ok(());
            }
            Err(error) => error,
        };
        let server = &self.options.server;
        let why = match (&error, shown, known) {
            (RpcError::OtherKey, Some(shown), Some(known)) => changed_key(server, shown, known),
            (RpcError::Refused { status: Status::WrongPassphrase, .. }, ..) => {
                wrong_passphrase(server, &credentials.passphrase)
            }
            (RpcError::Refused { status: Status::WrongRole, .. }, _, Some(_)) => self.was_closed(),
            (RpcError::Refused { status: Status::WrongRole, .. }, ..) => is_open(server),
            (RpcError::NotGenuine, ..) => not_genuine(server),
            // Before a handshake, and a server that says so has done nothing else.
            (RpcError::Refused { .. }, None, _) => return Err(error.into()),
            (error, shown, known) if known.is_none() || shown.is_some_and(|shown| known != Some(shown)) => {
                broken_off(server, error)
            }
            _ => return Err(error.into()),
        };
        Err(ConnectionEnd::Failed(why))
    }

    /// Checks that a room that takes the client in the open was not closed before. A person who is asked for
    /// the passphrase each time would not notice, because an impostor does not have to ask.
    ///
    /// # Errors
    /// When it was closed, or when that cannot be known. One line for people, and it is final.
    fn may_be_open(&self) -> Result<(), String> {
        match self.known_key()? {
            Some(_) => Err(self.was_closed()),
            None => Ok(()),
        }
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

    /// Passes on the reply to a Join. The first sealed reply proves that the room knows the passphrase.
    ///
    /// # Errors
    /// When there is no reply. When the key cannot be remembered, or another client has remembered another
    /// key meanwhile.
    pub(crate) fn check_reply(&mut self, reply: Result<Reply, RpcError>) -> Result<Reply, ConnectionEnd> {
        let reply = reply.map_err(|error| match self.why_final(&error) {
            Some(why) => ConnectionEnd::Failed(why),
            None => ConnectionEnd::NotJoined(Obstacle::NoWay, error.to_string()),
        })?;
        self.know_room().map_err(ConnectionEnd::Failed)?;
        Ok(reply)
    }

    /// Remembers the key of a room that has proven that it knows the passphrase.
    fn know_room(&mut self) -> Result<(), String> {
        let RoomKey::Shown { key, known } = self.room_key else { return Ok(()) };
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
        self.room_key = RoomKey::Proven(key);
        Ok(())
    }

    /// Returns why the client must not try again after its first call has failed, if it must not.
    fn why_final(&self, error: &RpcError) -> Option<String> {
        let server = &self.options.server;
        match (&self.room_key, error) {
            (RoomKey::Unseen, _) => None,
            (_, RpcError::NotGenuine) => Some(not_genuine(server)),
            (RoomKey::Shown { key, known }, error) if *known != Some(*key) => Some(broken_off(server, error)),
            _ => None,
        }
    }

    /// Returns what the person has to read about the room's key after a join.
    pub(crate) fn take_news(&mut self) -> Option<UiEvent> {
        self.news.take()
    }

    /// What to say of a room that is closed to a client without a passphrase.
    fn no_passphrase(&self) -> String {
        format!(
            "the room at {} is closed: set $CHAT_PASSPHRASE to its passphrase, or use --passphrase-file FILE",
            self.options.server
        )
    }

    fn known_key(&self) -> Result<Option<PublicKey>, String> {
        match (&self.room_key, &self.options.access.state) {
            (RoomKey::Proven(key), _) => Ok(Some(*key)),
            (_, Some(state)) => known_rooms::key_of(state, &self.options.server),
            (_, None) => Ok(None),
        }
    }

    /// A room does not change its key while the client is in it.
    fn accepts_new_key(&self) -> bool {
        self.options.access.accept_new_key && !matches!(self.room_key, RoomKey::Proven(_))
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

fn wrong_passphrase(server: &str, passphrase: &Passphrase) -> String {
    let mind = match passphrase {
        plain if plain.is_folded() => "",
        accented if accented.has_two_spellings() => {
            ", and mind spaces and capital letters; accents and other letters beyond ASCII can be written in \
             two ways that look the same, and only one of them opens the room"
        }
        _ => ", and mind spaces and capital letters",
    };
    format!("the passphrase is not that of the room at {server}; ask for it again{mind}")
}

fn is_open(server: &str) -> String {
    format!("the room at {server} is open: it has no passphrase; join it without one")
}

fn not_genuine(server: &str) -> String {
    format!(
        "what came from the room at {server} is not genuine: somebody in between has changed it, or that is \
         no closed room. Try again, and in another network if it happens again"
    )
}

fn broken_off(server: &str, error: &RpcError) -> String {
    format!(
        "the handshake with the room at {server} failed: {error}. Its key is not known here yet, so the \
         client does not try again by itself; make sure that the address is right, and start it again"
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
