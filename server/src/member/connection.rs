//! One connection, from its hello to its end. Runs on its own thread, `connection`.
//!
//! It reads a request, asks [`service`] for the reply, and writes it. It MUST NOT wait
//! for another client. A failure ends only this connection. This file logs it, once.
//!
//! Go: the same, `go server.ServeConn(conn)`. A waiting goroutine costs a few KiB and no kernel thread,
//! so a Go server need not count them. A thread needs a limit and a stack size, and the system can fail
//! to start one.

use super::{
    guest,
    join::{self, MemberCalls},
    operator::OperatorCalls,
    pause::{pause, pays_for_reading},
    sealing, service, Service,
};
#[cfg(feature = "seeded-bugs")]
use crate::settings::seeded::Bug;
use crate::{
    delivery::{lost_because, CONNECTION_LOST},
    door::{Allowance, Slot},
    identity::Origin,
    room::Command,
};
use chat_common::{
    handshake::callback,
    trace,
    wire::{
        error::RpcError,
        hello::{Hello, Role},
        protocol::{Cause, Refusal, Reply, Request, UNJOINED_FRAME_BYTES},
        rpc::{Connection, Wait},
        status::Status,
        stream::Stream,
    },
};
use log::Level;
use std::{
    fmt,
    net::IpAddr,
    panic::{catch_unwind, resume_unwind, AssertUnwindSafe},
    sync::Arc,
    time::{Duration, Instant},
};

/// A request costs one token of the rate limit, and one more for each of these bytes of the request and of
/// the reply that this thread writes. So no request costs the server much more than its tokens: a history of
/// 64 KiB, the longest reply, costs nine.
const BYTES_PER_TOKEN: usize = 8 * 1024;
/// A text that the room keeps costs the host of its author one token more for each of these bytes: by default
/// the room has memory for 8,192 messages or for 8 MiB. So long texts push out no more than short ones do.
const KEPT_BYTES_PER_TOKEN: usize = 1024;

/// How often a thread looks whether its client still waits for a reply. A silent client is given up later by
/// this time at most.
const REPLY_CHECK: Duration = Duration::from_secs(1);

/// Serves one connection from its hello to its end. `slot` is its place among the accepted connections.
///
/// # Blocking
/// On the peer, for the limits' timeouts at most; shutting the stream down wakes it. On the broadcaster,
/// which waits for no client. On the rate limit; shutdown wakes it.
pub(crate) fn serve_connection(service: &Service<'_>, stream: Arc<Stream>, slot: Slot) {
    let peer = slot.peer();
    let serve = AssertUnwindSafe(|| {
        let mut connection = Connection::new(stream, UNJOINED_FRAME_BYTES);
        match connection.read_hello(service.limits.hello_timeout) {
            // Before this, a connection counts for its peer.
            Ok(Some(hello)) => serve_role(service, connection, &hello, Origin::of(peer), slot),
            Ok(None) => {}
            Err(error) => log_error(service, peer.ip(), peer, &error),
        }
    });
    if catch_unwind(serve).is_err() {
        let line = format!("{peer}: serving it panicked; it is disconnected");
        service.door.log(peer.ip(), Level::Error, line);
    }
}

/// Serves a connection after its hello.
///
/// # Blocking
/// As [`serve_connection`].
fn serve_role(
    service: &Service<'_>,
    mut connection: Connection,
    hello: &Hello,
    mut origin: Origin,
    mut slot: Slot,
) {
    if let Some(status) = sealing::refusal(service, hello) {
        return connection.refuse(status);
    }
    if let Some(status) = slot.refusal().filter(|_| hello.role != Role::Call) {
        log_refusal(service, origin, status);
        return connection.refuse(status);
    }
    match hello.role {
        Role::Call | Role::GuestCall if slot.mark_call() => {
            let served = serve_calls(service, connection, hello, &mut origin, &mut slot);
            served.unwrap_or_else(|error| log_error(service, origin.address, origin, &error));
        }
        Role::Call | Role::GuestCall => {
            log_full(service, origin);
            connection.refuse(Status::Busy);
        }
        Role::OpenedCallback => attach_callback(service, connection, hello, origin, slot),
        Role::Callback => connection.refuse(Status::WrongRole),
    }
}

/// Gives the room a callback connection that the client opened. Before the welcome the client may be a
/// stranger, so nothing here touches the session earlier.
///
/// # Blocking
/// On the client, for the frame timeout at most. On the broadcaster, which waits for no client.
fn attach_callback(
    service: &Service<'_>,
    mut connection: Connection,
    hello: &Hello,
    mut origin: Origin,
    mut slot: Slot,
) {
    let found = service.room.pair_with(&hello.token);
    let Some((pair, token, guest)) = found.filter(|(pair, ..)| !pair.has_callback()) else {
        return connection.refuse(Status::UnknownToken);
    };
    let stream = Arc::clone(connection.stream());
    let mut attached = false;
    let admit = || {
        if let Some(address) = guest {
            origin = Origin { address, is_guest: true, ..origin };
            guest::count_for(service, &mut slot, origin)?;
        }
        attached = pair.attach(&stream);
        attached.then_some(()).ok_or(Status::UnknownToken)
    };
    let timeout = service.limits.frame_timeout;
    match callback::accept(&mut connection, hello, pair.call(), token, admit, timeout) {
        Err(error) if attached => {
            pair.close(lost_because(&error));
            return log_error(service, origin.address, origin, &error);
        }
        // The pair was closed meanwhile, or has another callback connection, or the guest has too many.
        Err(RpcError::Refused { .. }) => return,
        Err(error) => return log_error(service, origin.address, origin, &error),
        Ok(()) => {}
    }
    slot.mark_callback();
    // An error means that the room has ended, and the pair with it.
    let _ = service.room.send(Command::Attach { pair, callback: connection, slot });
}

/// Logs that a connection which counts for `address` has failed.
fn log_error(service: &Service<'_>, address: IpAddr, who: impl fmt::Display, error: &RpcError) {
    service.door.log(address, Level::Warn, format_args!("{who}: {error}"));
}

/// Logs that the door has refused a connection, which came to a place for operators and is none of them.
fn log_refusal(service: &Service<'_>, origin: Origin, status: Status) {
    service.door.log(origin.address, Level::Warn, format_args!("{origin}: refused: {status}"));
}

/// Returns what a client gets that wants to join from a place for operators.
fn refusal_of(service: &Service<'_>, origin: Origin, status: Status) -> Refusal {
    match (status, service.door.bans.reason("", origin.address)) {
        (Status::Banned, Some(why)) => Refusal::new(Cause::Banned, why),
        (Status::Banned, None) => Refusal::new(Cause::Banned, status.to_string()),
        _ => Refusal::new(Cause::Busy, "the room is full; try again later"),
    }
}

/// Logs that there are no descriptors for one more member.
fn log_full(service: &Service<'_>, origin: Origin) {
    let line = format_args!("{origin}: refused: no file descriptors for one more member");
    service.door.log(origin.address, Level::Warn, line);
}

/// Serves a call connection after its hello.
///
/// # Blocking
/// As [`serve_connection`].
fn serve_calls(
    service: &Service<'_>,
    mut connection: Connection,
    hello: &Hello,
    origin: &mut Origin,
    slot: &mut Slot,
) -> Result<(), RpcError> {
    if !sealing::welcome_call(service, &mut connection, hello, *origin)? {
        return Ok(());
    }
    if let Some(guest) = hello.guest() {
        if !guest::check_key(service, &mut connection, guest, origin, slot)? {
            return Ok(());
        }
    }
    let (origin, slot) = (*origin, &*slot);
    let allowance = service.door.allowance(origin.address);
    let mut operator = OperatorCalls::new(origin, slot);
    let joined = wait_for_join(service, &mut connection, slot, &allowance, &mut operator)?;
    let Some(mut calls) = joined else { return Ok(()) };
    let frame_limit = service.limits.max_frame.0 as u32;
    #[cfg(feature = "seeded-bugs")]
    let frame_limit = if service.limits.seeded.has(Bug::UncheckedLength) { u32::MAX } else { frame_limit };
    connection.set_frame_limit(frame_limit);
    if trace::is_on() {
        trace::name_thread(&format!("connection of session {}", calls.pair.id));
    }
    // The panic is caught here, because the member must leave the room even then.
    let serve = || serve_member(service, &mut connection, &mut calls, &allowance, &mut operator);
    let end = catch_unwind(AssertUnwindSafe(serve));
    leave(service, &calls, &end);
    end.unwrap_or_else(|panic| resume_unwind(panic)).map(|_| ())
}

/// Reads requests until a Join succeeds. Returns `None` when the connection ends before. An operator need not
/// join.
///
/// # Blocking
/// On the client, for the join timeout at most. On the rate limit. On the Join itself, see [`join::join`].
fn wait_for_join(
    service: &Service<'_>,
    connection: &mut Connection,
    slot: &Slot,
    allowance: &Allowance,
    operator: &mut OperatorCalls<'_>,
) -> Result<Option<MemberCalls>, RpcError> {
    let (limits, origin) = (service.limits, operator.origin);
    let deadline = Instant::now() + limits.join_timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let refusal = match connection.next_request(left, left.min(limits.frame_timeout))? {
            None => return Ok(None),
            Some(Request::Join(join)) => {
                if let Some(status) = slot.refusal() {
                    log_refusal(service, origin, status);
                    let refusal = refusal_of(service, origin, status);
                    connection.reply(&Reply::Refused(refusal), limits.frame_timeout)?;
                    // The place is for one who operates.
                    return Ok(None);
                }
                match slot.mark_joining(join.resume.is_some()) {
                    Ok(true) => {}
                    // A new connection has its place, and its stream is shut down.
                    Ok(false) => return Ok(None),
                    Err(refusal) => {
                        log_full(service, origin);
                        connection.reply(&Reply::Refused(refusal), limits.frame_timeout)?;
                        // The descriptor is for one who finds a place.
                        return Ok(None);
                    }
                }
                // It waits before the Join and not behind it, so a client pays for its last connection first.
                let stays = pause(service, connection, allowance.take(Instant::now(), 1, 1));
                if !matches!(stays, Ok(true)) {
                    allowance.give_back(Instant::now());
                    return stays.map(|_| None);
                }
                if join.port != 0 {
                    slot.mark_called();
                }
                let stream = Arc::clone(connection.stream());
                let mut go_on = pays_for_reading(service, connection, allowance);
                match join::join(service, &stream, operator, join, &mut go_on) {
                    Ok(calls) => {
                        if !calls.joined.called_back {
                            slot.mark_awaiting_callback();
                        }
                        return Ok(Some(calls));
                    }
                    Err(refusal) => {
                        slot.mark_unjoined(operator.is_operator);
                        refusal
                    }
                }
            }
            Some(request @ (Request::Operate { .. } | Request::Command { .. })) => {
                let wait = allowance.take(Instant::now(), 1, 1);
                if !wait.is_zero() && slot.refusal().is_some() && !operator.is_operator {
                    // A thread that waits has its descriptor also after it has lost its place.
                    allowance.give_back(Instant::now());
                    connection.reply(&Reply::Refused(Refusal::busy()), limits.frame_timeout)?;
                    return Ok(None);
                }
                if !pause(service, connection, wait)?
                    || !operator.serve(service, connection, None, &request)?
                {
                    return Ok(None);
                }
                if operator.is_operator {
                    connection.set_frame_limit(limits.max_frame.0 as u32);
                }
                continue;
            }
            Some(_) => Refusal::new(Cause::OutOfTurn, "the first request must be a Join"),
        };
        connection.reply(&Reply::Refused(refusal), limits.frame_timeout)?;
    }
}

/// How a client ended its connection.
#[derive(Debug, PartialEq, Eq)]
enum ClientEnd {
    /// It sent Leave.
    Left,
    /// It closed the connection without Leave.
    Closed,
}

/// Reads and carries out the requests of a member, until its client or the room ends the connection.
///
/// # Blocking
/// As [`serve_connection`].
fn serve_member(
    service: &Service<'_>,
    connection: &mut Connection,
    calls: &mut MemberCalls,
    allowance: &Allowance,
    operator: &mut OperatorCalls<'_>,
) -> Result<ClientEnd, RpcError> {
    let limits = service.limits;
    connection.reply(&Reply::Joined(calls.joined.clone()), limits.frame_timeout)?;
    let callback_due = Instant::now() + limits.join_timeout;
    loop {
        // While the disk is slow, a client that waits for its reply is not silent.
        while calls.awaits_reply() && connection.wait(Instant::now() + REPLY_CHECK)? == Wait::Silence {}
        let next = connection.next_request(limits.dead_after, limits.frame_timeout)?;
        let Some(request) = next else { break };
        calls.await_reply();
        if request == Request::Leave {
            // A client that has the reply may join again under the name.
            let pair = Arc::clone(&calls.pair);
            let left = service.room.ask(|left_tx| Command::Leave { pair, left_tx });
            // A client may close without reading the reply; it counts as having left.
            let reply = left.map_or_else(Reply::Refused, |()| Reply::Left);
            let _ = connection.reply(&reply, limits.frame_timeout);
            return Ok(ClientEnd::Left);
        }
        // Requests that came before the stream was shut down can still be read. A removed member must not
        // send any more.
        if calls.pair.close_reason().is_some() {
            break;
        }
        if !calls.send_only && !calls.pair.has_callback() && Instant::now() > callback_due {
            calls.pair.close("no callback connection");
            break;
        }
        let is_ping = request == Request::Ping;
        let kept = kept_bytes(&request);
        if matches!(request, Request::Operate { .. } | Request::Command { .. }) {
            if !operator.serve(service, connection, Some(&calls.pair), &request)? {
                break;
            }
        } else {
            let mut go_on = pays_for_reading(service, connection, allowance);
            let answer = service::answer(service, calls, request, &mut go_on);
            drop(go_on);
            if let Some(reply) = answer {
                connection.reply(&reply, limits.frame_timeout)?;
            }
        }
        let cost = 1 + (connection.take_traffic() / BYTES_PER_TOKEN) as u32;
        // Every client pings. The pings of 1,000 members behind one address cost the room no work.
        let host_cost = if is_ping { 0 } else { cost + (kept / KEPT_BYTES_PER_TOKEN) as u32 };
        if !pause(service, connection, allowance.take(Instant::now(), cost, host_cost))? {
            break;
        }
    }
    Ok(ClientEnd::Closed)
}

/// Returns the bytes of what the room keeps if it accepts the request.
fn kept_bytes(request: &Request) -> usize {
    match request {
        Request::Broadcast { text, .. } | Request::Action { text, .. } | Request::Private { text, .. } => {
            text.len()
        }
        _ => 0,
    }
}

/// Closes a member's connections, and tells the room why they ended if it does not know. Does not tell the
/// room when the whole room is ending.
///
/// The room ignores this for a member that was removed, or that has new connections by now.
fn leave(service: &Service<'_>, calls: &MemberCalls, end: &std::thread::Result<Result<ClientEnd, RpcError>>) {
    if matches!(end, Ok(Ok(ClientEnd::Left))) {
        return calls.pair.close(CONNECTION_LOST); // The room knows.
    }
    let closed = calls.pair.close_reason();
    if service.shutdown.is_requested() && closed.is_none() {
        return; // The callback connection must still deliver the event that ends the room.
    }
    let reason = match (closed, end) {
        (Some(why), _) => why,
        (_, Ok(Err(error))) => lost_because(error),
        (_, Err(_)) => "internal error",
        (_, Ok(Ok(_))) => CONNECTION_LOST,
    };
    calls.pair.close(CONNECTION_LOST);
    // An error means that the room has ended.
    let _ = service.room.send(Command::Lose { pair: Arc::clone(&calls.pair), reason });
}
