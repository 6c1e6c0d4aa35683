//! What is sent to the broadcaster. A sender that waits for an answer brings a channel for it, with room for one.

use crate::{
    delivery::connection_pair::ConnectionPair,
    door::{admission::Slot, bans::Ban},
};
use chat_common::{
    protocol::{Join, Refusal},
    rpc::Connection,
    stream::Stream,
};
use crossbeam_channel::Sender;
use std::{net::IpAddr, sync::Arc};

/// What goes through the channel.
#[derive(Debug)]
pub(crate) enum Command {
    /// A client wants a new session under a name, or its old session back. The name is its own from now on; the room hears of it
    /// with `Enter`.
    Claim {
        join: Join,
        address: IpAddr,
        call: Arc<Stream>,
        /// Gets the connections of the session.
        claimed_tx: Sender<Result<Arc<ConnectionPair>, Refusal>>,
    },
    /// A member whose claim succeeded enters the room.
    Enter {
        pair: Arc<ConnectionPair>,
        start: Start,
        /// Missing where the server could not reach the client.
        callback: Option<Connection>,
        /// Gets the sequence number of the session's join, or `None` where the member cannot enter.
        entered_tx: Sender<Option<u64>>,
    },
    /// A client has opened the callback connection itself.
    Attach { pair: Arc<ConnectionPair>, callback: Connection, slot: Slot },
    /// A member sends a message. The broadcaster writes the reply itself, so that the connection's thread need not be woken.
    Say {
        pair: Arc<ConnectionPair>,
        message_id: u64,
        text: String,
        kind: MessageKind,
        /// Gets a word when the reply is written: from then on the connection may reply to the next request.
        replied_tx: Sender<()>,
    },
    /// A member wants another name. Replied to as `Say`.
    Rename { pair: Arc<ConnectionPair>, name: String, replied_tx: Sender<()> },
    /// The connections of a member have ended. `reason` is missing where that was the member's own doing.
    Leave { pair: Arc<ConnectionPair>, reason: Option<String> },
    /// The operator removes the members that the ban covers, whether it is kept or not. Answered with their names.
    Remove { ban: Ban, reason: String, removed_tx: Sender<Vec<String>> },
    /// The operator says something.
    Notice(String),
}

/// Where delivery to a member begins that enters.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start {
    /// So many messages before the join.
    History(u32),
    /// After the last sequence number that the resumed session has received.
    After(u64),
}

/// How something is said.
#[derive(Debug)]
pub(crate) enum MessageKind {
    /// To all.
    Message,
    /// As an action, to all.
    Action,
    /// To the member of this name alone.
    Private { to: String },
}
