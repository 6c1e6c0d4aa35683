//! The room: who is here, and the broadcaster through which everything passes.
//!
//! [`Room`] is what the threads of connections and of the operator may do. Whatever changes the room is sent to the broadcaster as a
//! [`Command`]; whatever only looks reads the list or the log.

mod apply;
pub(crate) mod broadcaster;
pub(crate) mod command;
mod registry;

use crate::{
    delivery::{connection_pair::ConnectionPair, recipient::Recipient},
    door::{admission::Slot, bans::Ban, Door},
    log::SharedLog,
    settings::limits::Limits,
};
use broadcaster::Broadcaster;
use chat_common::{
    codec::decode,
    protocol::{Cause, Event, Join, Refusal},
    rpc::Connection,
    shutdown::Shutdown,
    stream::Stream,
    token::Token,
};
use command::{Command, MessageKind, Start};
use crossbeam_channel::{bounded, Sender, TrySendError};
use registry::Registry;
use std::{io, net::IpAddr, sync::Arc};

/// The way into the room. When it is dropped, the broadcaster carries out what is left and ends.
#[derive(Debug)]
pub(crate) struct Room {
    /// A random number by which clients tell this run of the server from another.
    pub(crate) number: u64,
    registry: Registry,
    log: SharedLog,
    commands_tx: Sender<Command>,
}

impl Room {
    /// A room, and the broadcaster to be run for it.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub(crate) fn open<'env>(
        limits: &'env Limits,
        door: &'env Door,
        shutdown: &'env Shutdown,
    ) -> io::Result<(Room, Broadcaster<'env>)> {
        let (commands_tx, commands_rx) = bounded(limits.queue);
        let (registry, log) = (Registry::default(), SharedLog::new(limits));
        let broadcaster =
            Broadcaster { registry: registry.clone(), log: log.clone(), limits, door, shutdown, commands_rx };
        Ok((Room { number: Token::random()?.to_u64(), registry, log, commands_tx }, broadcaster))
    }

    /// Gives a client its name, or its old session, and returns its connections.
    ///
    /// # Blocking
    /// On the broadcaster, which waits for nobody.
    ///
    /// # Errors
    /// The refusal for the client.
    pub(crate) fn claim(
        &self,
        join: Join,
        address: IpAddr,
        call: Arc<Stream>,
    ) -> Result<Arc<ConnectionPair>, Refusal> {
        let (claimed_tx, claimed_rx) = bounded(1);
        self.send(Command::Claim { join, address, call, claimed_tx })?;
        claimed_rx.recv().unwrap_or_else(|_| Err(stopping()))
    }

    /// Lets a client that has claimed its name into the room, and returns the sequence number of its join.
    ///
    /// # Blocking
    /// On the broadcaster, which waits for nobody.
    ///
    /// # Errors
    /// The refusal for the client. Its session is then as if the connection was lost.
    pub(crate) fn enter(
        &self,
        pair: Arc<ConnectionPair>,
        start: Start,
        callback: Option<Connection>,
    ) -> Result<u64, Refusal> {
        let (entered_tx, entered_rx) = bounded(1);
        self.send(Command::Enter { pair, start, callback, entered_tx })?;
        entered_rx.recv().ok().flatten().ok_or_else(Refusal::busy)
    }

    /// Hands over a callback connection that a client has opened itself.
    pub(crate) fn attach(&self, pair: Arc<ConnectionPair>, callback: Connection, slot: Slot) {
        // An error means that the room has ended, and with it the pair.
        let _ = self.send(Command::Attach { pair, callback, slot });
    }

    /// Sends a message into the room. The broadcaster writes the reply, and then sends a word to `replied_tx`.
    ///
    /// # Errors
    /// The refusal for the client, which the broadcaster does not write.
    pub(crate) fn say(
        &self,
        pair: &Arc<ConnectionPair>,
        message_id: u64,
        text: String,
        kind: MessageKind,
        replied_tx: &Sender<()>,
    ) -> Result<(), Refusal> {
        let (pair, replied_tx) = (Arc::clone(pair), replied_tx.clone());
        self.try_send(Command::Say { pair, message_id, text, kind, replied_tx })
    }

    /// Asks for another name. Answered as [`Room::say`].
    ///
    /// # Errors
    /// As [`Room::say`].
    pub(crate) fn rename(
        &self,
        pair: &Arc<ConnectionPair>,
        name: String,
        replied_tx: &Sender<()>,
    ) -> Result<(), Refusal> {
        self.try_send(Command::Rename { pair: Arc::clone(pair), name, replied_tx: replied_tx.clone() })
    }

    /// Says that a member's connections have ended, and why where that was not the member's own doing.
    pub(crate) fn leave(&self, pair: &Arc<ConnectionPair>, reason: Option<String>) {
        // An error means that the room has ended.
        let _ = self.send(Command::Leave { pair: Arc::clone(pair), reason });
    }

    /// Removes the members that `ban` covers, and returns their names.
    ///
    /// # Blocking
    /// On the broadcaster, which waits for nobody.
    pub(crate) fn remove(&self, ban: Ban, reason: &str) -> Vec<String> {
        let (removed_tx, removed_rx) = bounded(1);
        let sent = self.send(Command::Remove { ban, reason: reason.to_owned(), removed_tx });
        sent.ok().and_then(|()| removed_rx.recv().ok()).unwrap_or_default()
    }

    /// Says something to everybody as the operator.
    ///
    /// # Errors
    /// When the room is ending.
    pub(crate) fn notice(&self, text: String) -> Result<(), Refusal> {
        self.send(Command::Notice(text))
    }

    /// The names of all who are here, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        self.registry.names()
    }

    /// The connections of the session with this token.
    pub(crate) fn pair_with(&self, token: &Token) -> Option<Arc<ConnectionPair>> {
        self.registry.pair_with(token)
    }

    /// The last `count` messages that the session `reader` may read, oldest first; as many as fit into `limit` bytes.
    pub(crate) fn last_messages(&self, count: u32, reader: u64, limit: usize) -> Vec<Event> {
        let encoded: Vec<Vec<u8>> = {
            let log = self.log.read();
            log.last_messages(count as usize, reader, limit).into_iter().map(<[u8]>::to_vec).collect()
        };
        encoded.iter().map(|bytes| decode(bytes).expect("the log holds what we encoded")).collect()
    }

    /// Each recipient's name, and how many events it is behind.
    pub(crate) fn behind(&self) -> Vec<(String, u64)> {
        let recipients = self.registry.named_recipients();
        let next = self.log.read().next();
        let behind =
            |(name, recipient): (String, Arc<Recipient>)| (name, next.saturating_sub(recipient.cursor()));
        recipients.into_iter().map(behind).collect()
    }

    /// The oldest sequence number in the log, the next one, and the log's memory in bytes.
    pub(crate) fn log_size(&self) -> (u64, u64, usize) {
        let log = self.log.read();
        (log.first(), log.next(), log.bytes())
    }

    /// Messages accepted and events delivered since the start.
    pub(crate) fn totals(&self) -> (u64, u64) {
        self.log.counters.totals()
    }

    #[cfg(feature = "seeded-bugs")]
    pub(crate) fn hold_registry(&self) -> impl Drop + '_ {
        self.registry.hold()
    }

    fn send(&self, command: Command) -> Result<(), Refusal> {
        self.commands_tx.send(command).map_err(|_| stopping())
    }

    fn try_send(&self, command: Command) -> Result<(), Refusal> {
        self.commands_tx.try_send(command).map_err(|error| match error {
            TrySendError::Full(_) => Refusal::busy(),
            TrySendError::Disconnected(_) => stopping(),
        })
    }
}

/// The refusal of a server that is ending.
pub(crate) fn stopping() -> Refusal {
    Refusal::new(Cause::Stopping, "the server is shutting down")
}
