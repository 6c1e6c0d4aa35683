//! The commands for the broadcaster. Plain values: any thread may send them. A sender that needs an
//! answer adds a channel with space for one.

use crate::{
    delivery::ConnectionPair,
    door::Slot,
    identity::{Ban, Origin, TypedTerms},
};
use chat_common::{
    program::tasks::Task,
    wire::{
        protocol::{Join, Refusal},
        rpc::Connection,
        stream::Stream,
    },
};
use crossbeam_channel::Sender;
use std::{net::IpAddr, sync::Arc};

/// A command in the broadcaster's channel.
#[derive(Debug)]
pub(crate) enum Command {
    /// A client wants a new session with a name, or wants to resume a session. If it succeeds, no other
    /// client can claim the name. The others are told only after `Enter`.
    Claim {
        join: Join,
        origin: Origin,
        call: Arc<Stream>,
        /// Gets the session's new connection pair, or the refusal.
        claimed_tx: Sender<Result<Arc<ConnectionPair>, Refusal>>,
    },
    /// A member whose claim succeeded enters the room.
    Enter {
        pair: Arc<ConnectionPair>,
        entrance: Entrance,
        /// The callback connection, or `None` if the server could not dial the client.
        callback: Option<Connection>,
        /// Gets the sequence number of the session's join, or `None` if the member cannot enter.
        entered_tx: Sender<Option<u64>>,
    },
    /// A client has opened the callback connection itself.
    Attach { pair: Arc<ConnectionPair>, callback: Connection, slot: Slot },
    /// A member sends a message. The broadcaster itself writes the reply, so it need not wake the
    /// connection's thread for that.
    Say {
        pair: Arc<ConnectionPair>,
        message: Message,
        /// Ends when the reply is written. Only then may the connection's thread reply to the next request.
        task: Task,
    },
    /// A member wants another name. The reply is written as for `Say`.
    Rename { pair: Arc<ConnectionPair>, name: String, task: Task },
    /// A member has shown the operators' passphrase on its call connection.
    Operate {
        pair: Arc<ConnectionPair>,
        /// Gets a value when everybody can see it.
        operates_tx: Sender<()>,
    },
    /// The client of a member sent Leave.
    Leave {
        pair: Arc<ConnectionPair>,
        /// Gets a value when the name is free.
        left_tx: Sender<()>,
    },
    /// The connections of a member have ended without a Leave, and why.
    Lose { pair: Arc<ConnectionPair>, reason: &'static str },
    /// The operator removes the members that `ban` covers, but they may come back.
    Remove { ban: Ban, reason: String, removed_tx: Sender<Vec<Removed>> },
    /// The operator bans a name or addresses, and removes the members that the ban covers.
    Ban {
        ban: Ban,
        typed: TypedTerms,
        /// Gets whether the ban is new, and who was removed.
        banned_tx: Sender<(bool, Vec<Removed>)>,
    },
    /// The operator lets nobody with this name say anything for some time, or nobody but operators.
    Mute {
        name: String,
        typed: TypedTerms,
        /// Gets the name of the member that has it, if there is one.
        muted_tx: Sender<Result<Option<String>, Refusal>>,
    },
    /// The operator ends a mute. The answer says whether there was one.
    Unmute { name: String, unmuted_tx: Sender<Result<bool, Refusal>> },
    /// The operator says something to everybody.
    Notice { text: String, said_tx: Sender<Result<(), Refusal>> },
    /// The time is over in which the sessions of the journal may come back in silence.
    TellLost,
}

/// A member that the operator has removed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Removed {
    pub(crate) name: String,
    pub(crate) address: IpAddr,
    /// How many others are in the room whom a ban of the address would remove.
    pub(crate) others: usize,
}

/// Where the deliveries to a member begin.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Entrance {
    /// A new session: with what was said from `deliver_from` on.
    New { deliver_from: Option<u64> },
    /// A new session of a client that has received everything up to this sequence number. What is older
    /// than `history_floor` is too much for it, and counts as gone.
    Since { sequence: u64, history_floor: u64 },
    /// A session that has received everything up to this sequence number.
    Resumed(u64),
}

/// What a member says.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) message_id: u64,
    /// Whether the client may have said it in an earlier session.
    pub(crate) repeated: bool,
    pub(crate) text: String,
    pub(crate) kind: MessageKind,
    /// A number that two messages of a member share only if their text and kind are the same. A member could
    /// look for two texts that share it, and would fool only itself.
    pub(crate) digest: u64,
}

impl Message {
    /// Hashes the text, so that the broadcaster need not.
    pub(crate) fn new(message_id: u64, repeated: bool, text: String, kind: MessageKind) -> Message {
        let (number, to) = match &kind {
            MessageKind::Message => (0, ""),
            MessageKind::Action => (1, ""),
            MessageKind::Private { to } => (2, to.as_str()),
        };
        let bytes = [number, to.len() as u8].into_iter().chain(to.bytes()).chain(text.bytes());
        // FNV-1a. The journal keeps this number, so it must be the same in every build.
        let digest = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Message { message_id, repeated, text, kind, digest }
    }
}

/// The kind of a message.
#[derive(Debug)]
pub(crate) enum MessageKind {
    /// A message to everybody else.
    Message,
    /// An action, which everybody else sees.
    Action,
    /// A message to the member with this name alone.
    Private { to: String },
}
