//! How a client enters the room. It claims a name or its old session, the server dials its listener, and
//! the client enters. Runs on the thread of its call connection. It may not change the list of members:
//! the broadcaster does.

use super::{dial, operator::OperatorCalls, Service};
#[cfg(feature = "seeded-bugs")]
use crate::settings::seeded::Bug;
use crate::{
    delivery::{ConnectionPair, CONNECTION_LOST},
    identity::{name, Origin},
    order::GoOn,
    room::{stopping, Command, Entrance},
};
use chat_common::{
    program::tasks::{self, Task, Tasks},
    wire::{
        protocol::{Cause, Join, Joined, Refusal, Reply},
        stream::Stream,
    },
};
use std::{sync::Arc, time::Instant};

/// A member, for the thread of its call connection.
#[derive(Debug)]
pub(super) struct MemberCalls {
    pub(super) pair: Arc<ConnectionPair>,
    pub(super) origin: Origin,
    /// Whether the member came only to speak. It then has no callback connection.
    pub(super) send_only: bool,
    /// The reply to its Join.
    pub(super) joined: Joined,
    /// The last request, until the broadcaster has written the reply. The command alone has the task, so a
    /// command that nobody carries out ends the wait.
    replying: Option<Tasks>,
}

impl MemberCalls {
    /// Sends a command. The broadcaster writes the reply to it, so this returns `Ok(None)`.
    ///
    /// # Errors
    /// The refusal for the client, when the channel is full or the room is ending. The caller writes it.
    pub(super) fn send(
        &mut self,
        service: &Service<'_>,
        command: impl FnOnce(Arc<ConnectionPair>, Task) -> Command,
    ) -> Result<Option<Reply>, Refusal> {
        let (task, replying) = tasks::begin();
        service.room.try_send(command(Arc::clone(&self.pair), task))?;
        self.replying = Some(replying);
        Ok(None)
    }

    /// Returns whether the last request waits for the broadcaster's reply.
    pub(super) fn awaits_reply(&self) -> bool {
        self.replying.as_ref().is_some_and(|replying| !replying.wait_until(Instant::now()))
    }

    /// Waits until the last request has its reply. It waits only for a client that sends the next request
    /// before it has the reply.
    ///
    /// # Blocking
    /// On the broadcaster, which waits for no client. It drops the command if the room ends first, which
    /// wakes this.
    pub(super) fn await_reply(&mut self) {
        self.replying.take().iter().for_each(Tasks::wait);
    }
}

/// Lets a client enter the room, or resume its session. One that has shown the operators' passphrase before
/// enters as an operator, so nothing binds it that does not bind those.
///
/// # Blocking
/// On dialling the client's listener, for the dial timeout at most. On the broadcaster, which waits for
/// no client. On the file system, where names are kept. On the disk of the journal, as long as `go_on`
/// returns true.
///
/// # Errors
/// The refusal for the client. It does not end a session that the client can resume.
pub(super) fn join(
    service: &Service<'_>,
    call: &Arc<Stream>,
    operator: &OperatorCalls<'_>,
    join: Join,
    go_on: GoOn<'_>,
) -> Result<MemberCalls, Refusal> {
    let Service { room, door, limits, shutdown, motd, kept_for, .. } = *service;
    let origin = operator.origin;
    if shutdown.is_requested() {
        return Err(stopping());
    }
    dial::check_port(join.port, origin, call).map_err(|why| Refusal::new(Cause::InvalidPort, why))?;
    if join.resume.is_none() {
        name::validate(&join.name, limits.max_name).map_err(|why| Refusal::new(Cause::InvalidName, why))?;
    }
    let Join { token, port, history, resume, since, send_only, .. } = join;
    if send_only && port != 0 {
        let why = "a send-only client receives nothing, so it has no listener; announce port 0";
        return Err(Refusal::new(Cause::InvalidPort, why));
    }
    let since = since.filter(|place| place.room == room.number).map(|place| place.sequence);
    // What the room has not said yet is of another past of it.
    let since = since.filter(|sequence| *sequence < room.next_sequence());
    let claiming = Arc::clone(call);
    let pair = room.ask(|claimed_tx| Command::Claim { join, origin, call: claiming, claimed_tx })??;
    if operator.is_operator {
        operator.tell_room(service, &pair)?;
    }
    #[cfg(feature = "seeded-bugs")]
    let held = limits.seeded.has(Bug::LockOverDial).then(|| room.hold_registry());
    let callback = (port != 0)
        .then(|| dial::call_back(origin, port, call, token, limits))
        .and_then(Result::ok)
        .filter(|callback| pair.attach(callback.stream()));
    #[cfg(feature = "seeded-bugs")]
    drop(held);
    let called_back = callback.is_some();
    let entrance = match (resume, since) {
        (Some(sequence), _) => Ok(Entrance::Resumed(sequence)),
        // It receives nothing, so nothing is read for it.
        (None, _) if send_only => Ok(Entrance::New { deliver_from: None }),
        (None, Some(sequence)) => {
            let history_floor = room.log().history_floor(limits.max_history, sequence, go_on);
            history_floor.map(|history_floor| Entrance::Since { sequence, history_floor })
        }
        (None, None) => {
            let count = (history as usize).min(limits.max_history);
            room.log().position_before(count, go_on).map(|deliver_from| Entrance::New { deliver_from })
        }
    };
    let Ok(entrance) = entrance else {
        // A shorter history would look like all that was said.
        let _ = room.send(Command::Lose { pair, reason: CONNECTION_LOST });
        return Err(Refusal::busy());
    };
    let entering = Arc::clone(&pair);
    let entered = room.ask(|entered_tx| Command::Enter { pair: entering, entrance, callback, entered_tx })?;
    let sequence = entered.ok_or_else(Refusal::busy)?;
    door.save_names(origin.address);
    let joined = Joined {
        room: room.number,
        sequence,
        called_back,
        text_limit: limits.max_text.0 as u32,
        kept_for,
        motd: motd(),
    };
    Ok(MemberCalls { pair, origin, send_only, joined, replying: None })
}
