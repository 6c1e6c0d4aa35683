//! One connection's life, on a thread of its own: hello, Join, requests one after the other, the end.
//!
//! It reads a request, has [`service`](super::service) answer it, and writes the reply. Whatever goes wrong ends this connection
//! alone, and is logged here, once, and nowhere else.
//!
//! Go: the same shape, `go server.ServeConn(conn)`. A goroutine that waits in a read costs a few KiB and no kernel thread, so nobody
//! counts them. A thread has to be counted, gets a stack of a size that we choose, and can be refused.

use super::{
    join::{self, MemberCalls},
    service, Service,
};
use crate::{
    delivery::connection_pair::{lost_because, CloseReason, CONNECTION_LOST},
    door::admission::Slot,
};
use chat_common::{
    error::RpcError,
    hello::{Hello, Role},
    protocol::{Cause, Refusal, Reply, Request, UNJOINED_FRAME_BYTES},
    rpc::Connection,
    status::Status,
    stream::Stream,
};
use log::{error, warn};
use std::{
    net::SocketAddr,
    panic::{catch_unwind, resume_unwind, AssertUnwindSafe},
    sync::Arc,
    time::Instant,
};

/// Serves one connection from its hello to its end.
///
/// # Blocking
/// On the peer, under the limits' deadlines; shutting the stream down wakes it.
pub(crate) fn serve_connection(service: &Service<'_>, stream: Arc<Stream>, peer: SocketAddr, slot: Slot) {
    let serve = AssertUnwindSafe(|| {
        let mut connection = Connection::new(stream, UNJOINED_FRAME_BYTES);
        let Some(hello) = connection.read_hello(service.limits.hello_timeout)? else { return Ok(()) };
        match hello.role {
            Role::Call => serve_calls(service, connection, &hello, peer, &slot),
            Role::OpenedCallback => attach_callback(service, connection, &hello, slot),
            Role::Callback => {
                connection.refuse(Status::WrongRole);
                Ok(())
            }
        }
    });
    match catch_unwind(serve) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            if service.door.may_log(peer.ip()) {
                warn!("{peer}: {error}");
            }
        }
        Err(_) => error!("{peer}: serving it panicked; it is disconnected"),
    }
}

/// Hands a connection that a client has opened for its callbacks over to the room.
fn attach_callback(
    service: &Service<'_>,
    mut connection: Connection,
    hello: &Hello,
    slot: Slot,
) -> Result<(), RpcError> {
    let pair = service.room.pair_with(&hello.token);
    let Some(pair) = pair.filter(|pair| pair.attach(connection.stream())) else {
        connection.refuse(Status::UnknownToken);
        return Ok(());
    };
    if let Err(error) = connection.welcome(hello, service.limits.frame_timeout) {
        pair.close(CloseReason::Lost(lost_because(&error)));
        return Err(error);
    }
    slot.became_callback();
    service.room.attach(pair, connection, slot);
    Ok(())
}

fn serve_calls(
    service: &Service<'_>,
    mut connection: Connection,
    hello: &Hello,
    peer: SocketAddr,
    slot: &Slot,
) -> Result<(), RpcError> {
    connection.welcome(hello, service.limits.frame_timeout)?;
    slot.greeted();
    let Some(mut calls) = wait_for_join(service, &mut connection, peer, slot)? else { return Ok(()) };
    let frame_limit = service.limits.max_frame.0 as u32;
    #[cfg(feature = "seeded-bugs")]
    let frame_limit = service.limits.seeded.frame_limit(frame_limit);
    connection.set_frame_limit(frame_limit);
    // Caught here, because a member whose request panics still has to leave.
    let end = catch_unwind(AssertUnwindSafe(|| serve_member(service, &mut connection, &mut calls)));
    leave(service, &calls, &end);
    end.unwrap_or_else(|panic| resume_unwind(panic)).map(|_| ())
}

/// Reads requests until one is a Join that succeeds. `None` means that the client gave up.
fn wait_for_join<'a>(
    service: &'a Service<'_>,
    connection: &mut Connection,
    peer: SocketAddr,
    slot: &Slot,
) -> Result<Option<MemberCalls<'a>>, RpcError> {
    let limits = service.limits;
    let deadline = Instant::now() + limits.join_timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let refusal = match connection.next_request(left, left.min(limits.frame_timeout))? {
            None => return Ok(None),
            Some(Request::Join(join)) => {
                slot.joining();
                match join::join(service, connection.stream(), peer, join) {
                    Ok(calls) => return Ok(Some(calls)),
                    Err(refusal) => {
                        slot.refused();
                        refusal
                    }
                }
            }
            Some(_) => Refusal::new(Cause::OutOfTurn, "the first request must be a Join"),
        };
        connection.reply(&Reply::Refused(refusal), limits.frame_timeout)?;
    }
}

/// How a client ended its connection.
#[derive(Debug, PartialEq, Eq)]
enum ClientEnd {
    /// With a Leave.
    Left,
    /// Without one.
    Closed,
}

fn serve_member(
    service: &Service<'_>,
    connection: &mut Connection,
    calls: &mut MemberCalls<'_>,
) -> Result<ClientEnd, RpcError> {
    let limits = service.limits;
    connection.reply(&Reply::Joined(calls.joined.clone()), limits.frame_timeout)?;
    let callback_due = Instant::now() + limits.join_timeout;
    while let Some(request) = connection.next_request(limits.dead_after, limits.frame_timeout)? {
        calls.await_reply();
        // What was received before a stream was shut down is still read, and a member that was removed must not go on talking.
        if calls.pair.close_reason().is_some() {
            break;
        }
        if !calls.pair.has_callback() && Instant::now() > callback_due {
            calls.pair.close(CloseReason::Lost("no callback connection"));
            break;
        }
        if request == Request::Leave {
            // A client may close without reading the reply; it counts as having left.
            let _ = connection.reply(&Reply::Left, limits.frame_timeout);
            return Ok(ClientEnd::Left);
        }
        if let Some(reply) = service::answer(service, calls, request) {
            connection.reply(&reply, limits.frame_timeout)?;
        }
        let wait = calls.rate.take();
        if !wait.is_zero() {
            service.shutdown.sleep(wait);
        }
    }
    Ok(ClientEnd::Closed)
}

/// Ends a member's connections and tells the room why, unless the room ends itself. The room knows whether the member is on other
/// connections by now, or was removed.
fn leave(
    service: &Service<'_>,
    calls: &MemberCalls<'_>,
    end: &std::thread::Result<Result<ClientEnd, RpcError>>,
) {
    let closed = calls.pair.close_reason();
    let has_left = matches!(end, Ok(Ok(ClientEnd::Left)));
    if service.shutdown.is_requested() && closed.is_none() && !has_left {
        return; // The callback connection has still to deliver why the room ends.
    }
    let reason = match (closed, end) {
        // A client that has said Leave closes both connections, and the recipient's thread may notice that first.
        (_, Ok(Ok(ClientEnd::Left))) => None,
        (Some(CloseReason::Lost(why)), _) => Some(why),
        (_, Ok(Err(error))) => Some(lost_because(error)),
        (_, Err(_)) => Some("internal error"),
        (_, Ok(Ok(ClientEnd::Closed))) => Some(CONNECTION_LOST),
    };
    calls.pair.close(CloseReason::Lost(CONNECTION_LOST));
    service.room.leave(&calls.pair, reason.map(str::to_owned));
}
