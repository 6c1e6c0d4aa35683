//! One connection's life, on a thread of its own: hello, Join, requests one after the other, the end.
//!
//! It reads a request, has [`service`] answer it, and writes the reply. Whatever goes wrong ends this connection alone, is logged here,
//! once, and nowhere else. It is the only one that announces its member's end, for whatever reason and from wherever that came.
//!
//! Go: the same shape, `go server.ServeConn(conn)`. A goroutine that waits in a read costs a few KiB and no kernel thread, so nobody
//! counts them; a thread has to be counted, gets a stack of a size that we choose, and can be refused.

use crate::{
    delivery::session::{reason_of, Ending, Line},
    door::admission::Slot,
    member::service::{self, Caller},
    room::{command::Command, registry::removal},
    settings::seeded::Bug,
    Shared,
};
use chat_common::{
    error::RpcError,
    hello::{Hello, Role},
    protocol::{Cause, Reply, Request, UNJOINED_FRAME_BYTES},
    rpc::Connection,
    status::Status,
    stream::Stream,
};
use crossbeam_channel::Sender;
use log::{error, warn};
use std::{
    net::SocketAddr,
    panic::{catch_unwind, AssertUnwindSafe},
    sync::Arc,
    time::Instant,
};

/// Serves one connection from its hello to its end.
///
/// # Blocking
/// On the peer, under the limits' deadlines; shutting the stream down wakes it.
pub fn serve_connection(
    shared: &Shared,
    commands_tx: &Sender<Command>,
    stream: Arc<Stream>,
    peer: SocketAddr,
    slot: Slot,
) {
    let serve = AssertUnwindSafe(|| {
        let mut connection = Connection::new(stream, UNJOINED_FRAME_BYTES);
        let Some(hello) = connection.read_hello(shared.limits.hello_timeout)? else { return Ok(()) };
        match hello.role {
            Role::Call => serve_calls(shared, commands_tx, connection, &hello, peer, &slot),
            Role::OpenedCallback => attach_callback(shared, commands_tx, connection, &hello, slot),
            Role::Callback => {
                connection.refuse(Status::WrongRole);
                Ok(())
            }
        }
    });
    match catch_unwind(serve) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            if shared.complaints.may_log(peer.ip()) {
                warn!("{peer}: {error}");
            }
        }
        Err(_) => error!("{peer}: serving it panicked; it is disconnected"),
    }
}

/// Hands a connection that a client has opened for its callbacks over to the broadcaster.
fn attach_callback(
    shared: &Shared,
    commands_tx: &Sender<Command>,
    mut connection: Connection,
    hello: &Hello,
    slot: Slot,
) -> Result<(), RpcError> {
    let line = shared.registry.line_with(&hello.token);
    let Some(line) = line.filter(|line| line.attach(connection.stream())) else {
        connection.refuse(Status::UnknownToken);
        return Ok(());
    };
    if let Err(error) = connection.welcome(hello, shared.limits.frame_timeout) {
        line.end(Ending::Lost(reason_of(&error)));
        return Err(error);
    }
    slot.became_callback();
    // An error means that the room has ended, and with it the line.
    let _ = commands_tx.send(Command::Attach { line, callback: (connection, slot) });
    Ok(())
}

fn serve_calls(
    shared: &Shared,
    commands_tx: &Sender<Command>,
    mut connection: Connection,
    hello: &Hello,
    peer: SocketAddr,
    slot: &Slot,
) -> Result<(), RpcError> {
    connection.welcome(hello, shared.limits.frame_timeout)?;
    slot.greeted();
    let Some(mut caller) = wait_for_join(shared, commands_tx, &mut connection, peer, slot)? else {
        return Ok(());
    };
    let unchecked = shared.seeded.has(Bug::UncheckedLength);
    connection.set_frame_limit(if unchecked { u32::MAX } else { shared.limits.max_frame.0 as u32 });
    // Caught here, because a member whose request panics still has to leave.
    let end =
        catch_unwind(AssertUnwindSafe(|| serve_member(shared, commands_tx, &mut connection, &mut caller)));
    leave(shared, commands_tx, &caller.line, &end);
    end.unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map(|_| ())
}

/// Reads requests until one is a Join that succeeds. `None` means that the client gave up.
fn wait_for_join(
    shared: &Shared,
    commands_tx: &Sender<Command>,
    connection: &mut Connection,
    peer: SocketAddr,
    slot: &Slot,
) -> Result<Option<Caller>, RpcError> {
    let limits = &shared.limits;
    let deadline = Instant::now() + limits.join_timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let refusal = match connection.next_request(left, left.min(limits.frame_timeout))? {
            None => return Ok(None),
            Some(Request::Join(join)) => {
                slot.joining();
                match service::join(shared, commands_tx, connection.stream(), peer, join) {
                    Ok(caller) => return Ok(Some(caller)),
                    Err(refusal) => {
                        slot.refused();
                        refusal
                    }
                }
            }
            Some(_) => service::refusal(Cause::OutOfTurn, "the first request must be a Join"),
        };
        connection.reply(&Reply::Refused(refusal), limits.frame_timeout)?;
    }
}

/// How a member's connection ended, where nothing went wrong.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// With a Leave.
    Left,
    /// Without one.
    Closed,
}

fn serve_member(
    shared: &Shared,
    commands_tx: &Sender<Command>,
    connection: &mut Connection,
    caller: &mut Caller,
) -> Result<End, RpcError> {
    let limits = &shared.limits;
    connection.reply(&Reply::Joined(caller.joined.clone()), limits.frame_timeout)?;
    let callback_due = Instant::now() + limits.join_timeout;
    while let Some(request) = connection.next_request(limits.dead_after, limits.frame_timeout)? {
        caller.settle();
        // What was received before a stream was shut down is still handed out, and those who were removed are not to talk on.
        if caller.line.ended().is_some() {
            break;
        }
        if !caller.line.has_callback() && Instant::now() > callback_due {
            caller.line.end(Ending::Lost("no callback connection"));
            break;
        }
        if request == Request::Leave {
            // Who is in a hurry does not wait for the answer, and has left all the same.
            let _ = connection.reply(&Reply::Left, limits.frame_timeout);
            return Ok(End::Left);
        }
        if let Some(answer) = service::answer(shared, commands_tx, caller, request) {
            connection.reply(&answer, limits.frame_timeout)?;
        }
        let wait = caller.line.session.take_rate();
        if !wait.is_zero() {
            shared.shutdown.sleep(wait);
        }
    }
    Ok(End::Closed)
}

/// Ends a member's line, and tells everybody why, unless the member has come back on another or the room itself ends.
fn leave(
    shared: &Shared,
    commands_tx: &Sender<Command>,
    line: &Arc<Line>,
    end: &std::thread::Result<Result<End, RpcError>>,
) {
    if shared.shutdown.is_requested() && line.ended().is_none() && !matches!(end, Ok(Ok(End::Left))) {
        return; // The callback connection is still to deliver why the room ends.
    }
    let (reason, removed) = match (line.ended(), end) {
        (Some(Ending::Replaced), _) => return,
        (Some(Ending::Removed(why)), _) => {
            let reason = if why.is_empty() { "removed".to_owned() } else { format!("removed: {why}") };
            (Some(reason), Some(removal(&why)))
        }
        // Whoever has said Leave closes both connections, and the delivery may notice that first.
        (_, Ok(Ok(End::Left))) => (None, None),
        (Some(Ending::Lost(why)), _) => (Some(why.to_owned()), None),
        (None, Ok(Ok(End::Closed))) => (Some("connection lost".to_owned()), None),
        (None, Ok(Err(error))) => (Some(reason_of(error).to_owned()), None),
        (None, Err(_)) => (Some("internal error".to_owned()), None),
    };
    line.end(Ending::Lost("connection lost"));
    let own_doing = reason.is_none();
    // Off the list, then the announcement, and the name is free behind it: who has heard of it does not find the member here any
    // more, and whoever takes the name over enters the channel after it.
    shared.registry.begin_leaving(line);
    let _ = commands_tx.send(Command::Leave { line: Arc::clone(line), reason });
    if own_doing {
        shared.registry.remove(line);
    } else {
        shared.registry.lose(line, removed);
    }
}
