//! How a client gets into the room: it claims its name or its old session, the server dials its listener, and it enters. Runs on
//! the thread of its call connection.

use super::{dial, rate::Rate, Service};
#[cfg(feature = "seeded-bugs")]
use crate::settings::seeded::Bug;
use crate::{
    delivery::connection_pair::ConnectionPair,
    door::name,
    room::{command::Start, stopping, Room},
};
use chat_common::{
    protocol::{Cause, Join, Joined, Refusal},
    stream::Stream,
};
use crossbeam_channel::{bounded, Receiver, Sender};
use std::{net::SocketAddr, sync::Arc};

/// A member, as the thread of its call connection sees it.
#[derive(Debug)]
pub(super) struct MemberCalls<'a> {
    pub(super) pair: Arc<ConnectionPair>,
    /// The reply to its Join.
    pub(super) joined: Joined,
    pub(super) rate: Rate<'a>,
    /// The broadcaster's word that it has written a reply. One request is under way at a time, so there is room for one.
    pub(super) replied_tx: Sender<()>,
    replied_rx: Receiver<()>,
    /// Whether the broadcaster is to reply to the last request.
    pub(super) reply_pending: bool,
}

impl MemberCalls<'_> {
    /// Waits until the last request has its reply. A client that waits for its replies never makes us wait here.
    ///
    /// # Blocking
    /// On the broadcaster, which waits for nobody.
    pub(super) fn await_reply(&mut self) {
        if std::mem::take(&mut self.reply_pending) {
            // An error means that the room has ended.
            let _ = self.replied_rx.recv();
        }
    }
}

/// A claim that has not led into the room yet. Dropping it gives the claim up.
struct Claim<'a> {
    room: &'a Room,
    pair: Option<Arc<ConnectionPair>>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if let Some(pair) = self.pair.take() {
            self.room.leave(&pair, Some("internal error".to_owned()));
        }
    }
}

/// Lets a client into the room, or back into it.
///
/// # Blocking
/// On dialling the client's listener, for the dial timeout; and on the broadcaster, which waits for nobody.
///
/// # Errors
/// The refusal for the client. A session that could not be resumed is lost as before.
pub(super) fn join<'a>(
    service: &'a Service<'_>,
    call: &Arc<Stream>,
    peer: SocketAddr,
    join: Join,
) -> Result<MemberCalls<'a>, Refusal> {
    let Service { room, limits, shutdown, motd, .. } = *service;
    if shutdown.is_requested() {
        return Err(stopping());
    }
    dial::check_port(join.port, peer, call).map_err(|why| Refusal::new(Cause::InvalidPort, why))?;
    let start = match join.resume {
        Some(sequence) => Start::After(sequence),
        None => {
            name::validate(&join.name, limits.max_name)
                .map_err(|why| Refusal::new(Cause::InvalidName, why))?;
            Start::History(join.history)
        }
    };
    let (port, token) = (join.port, join.token);
    let pair = room.claim(join, peer.ip(), Arc::clone(call))?;
    let mut claim = Claim { room, pair: Some(Arc::clone(&pair)) };
    #[cfg(feature = "seeded-bugs")]
    let held = limits.seeded.has(Bug::LockOverDial).then(|| room.hold_registry());
    let callback = (port != 0)
        .then(|| dial::call_back(peer, port, token, limits))
        .and_then(Result::ok)
        .filter(|callback| pair.attach(callback.stream()));
    #[cfg(feature = "seeded-bugs")]
    drop(held);
    let called_back = callback.is_some();
    claim.pair = None;
    let sequence = room.enter(Arc::clone(&pair), start, callback)?;
    let joined = Joined {
        room: room.number,
        sequence,
        called_back,
        text_limit: limits.max_text.0 as u32,
        motd: motd.map(str::to_owned),
    };
    let (replied_tx, replied_rx) = bounded(1);
    let rate = service.buckets.rate(peer.ip());
    Ok(MemberCalls { pair, joined, rate, replied_tx, replied_rx, reply_pending: false })
}
