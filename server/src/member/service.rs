//! What each request does: request in, reply out. Sockets are somebody else's, but for the callback that a Join asks for.
//!
//! Runs on the caller's connection thread.

#[cfg(feature = "seeded-bugs")]
use crate::settings::seeded::Bug;
use crate::{
    delivery::session::{Line, Session},
    door::name,
    member::dial,
    room::{
        command::{Command, Manner, Start},
        registry::{Denied, Resumed},
    },
    Shared,
};
use chat_common::{
    codec::decode,
    protocol::{Cause, Join, Joined, Refusal, Reply, Request},
    stream::Stream,
};
use crossbeam_channel::{Receiver, Sender, TrySendError};
use std::{net::SocketAddr, sync::Arc};

/// A member, as its connection's thread sees it.
#[derive(Debug)]
pub struct Caller {
    /// Its connections.
    pub line: Arc<Line>,
    /// The reply to its Join.
    pub joined: Joined,
    /// Where the broadcaster answers. One request is under way at a time, so there is room for one.
    answer_tx: Sender<Option<u64>>,
    answer_rx: Receiver<Option<u64>>,
    /// Whether the broadcaster is to reply to the last request, and has not been seen to.
    unsettled: bool,
}

impl Caller {
    /// Waits until the last request has been answered. A client that waits for its replies never makes us wait.
    ///
    /// # Blocking
    /// On the broadcaster, which never blocks.
    pub fn settle(&mut self) {
        if std::mem::take(&mut self.unsettled) {
            // An error means that the room has ended.
            let _ = self.answer_rx.recv();
        }
    }
}

/// A refusal with words for the one who is refused.
pub fn refusal(cause: Cause, text: impl Into<String>) -> Refusal {
    Refusal { cause, text: text.into() }
}

/// What is told to somebody who may try again.
pub fn busy() -> Refusal {
    refusal(Cause::Busy, "the server is busy; try again in a moment")
}

/// Lets a client into the room, or back into it.
///
/// # Blocking
/// On dialling the client's listener (the dial timeout), and on the broadcaster, which never blocks.
///
/// # Errors
/// A refusal. Who could not be let back in, for want of a thread, is lost as before.
pub fn join(
    shared: &Shared,
    commands_tx: &Sender<Command>,
    call: &Arc<Stream>,
    peer: SocketAddr,
    join: Join,
) -> Result<Caller, Refusal> {
    if shared.shutdown.is_requested() {
        return Err(refusal(Cause::Stopping, "the server is shutting down"));
    }
    dial::check_port(join.port, peer, call).map_err(|why| refusal(Cause::InvalidPort, why))?;
    let barred = |name: &str, address| shared.bans.reason(name, address);
    let (line, name, start) = match join.resume {
        Some(after) => {
            let resumed = shared.registry.resume(&join.token, peer.ip(), &barred, |session| {
                Arc::new(Line::new(session, Arc::clone(call)))
            });
            match resumed {
                Resumed::Back { line, name } => (line, name, Start::After(after)),
                Resumed::Over(why) => return Err(refusal(Cause::SessionOver, why)),
                Resumed::Unknown => {
                    return Err(refusal(Cause::UnknownSession, "the session is not known here; join anew"))
                }
            }
        }
        None => {
            if let Some(why) = name::fault(&join.name, shared.limits.max_name) {
                return Err(refusal(Cause::InvalidName, why));
            }
            let session = Arc::new(Session::new(shared.next_session_id(), join.token, &shared.limits));
            let line = Arc::new(Line::new(session, Arc::clone(call)));
            let claimed = shared.registry.claim(&join.name, peer.ip(), &line, &barred);
            claimed.map_err(|denied| not_given(&join.name, denied))?;
            (line, join.name, Start::Earlier(join.history))
        }
    };
    #[cfg(feature = "seeded-bugs")]
    let held = shared.seeded.has(Bug::LockOverWrite).then(|| shared.registry.hold());
    let callback = (join.port != 0)
        .then(|| dial::call_back(peer, join.port, join.token, &shared.limits))
        .and_then(Result::ok)
        .filter(|callback| line.attach(callback.stream()));
    #[cfg(feature = "seeded-bugs")]
    drop(held);
    let called_back = callback.is_some();
    let (answer_tx, answer_rx) = crossbeam_channel::bounded(1);
    let enter =
        Command::Enter { line: Arc::clone(&line), name, start, callback, answer_tx: answer_tx.clone() };
    let entered = commands_tx.send(enter).ok().and_then(|()| answer_rx.recv().ok().flatten());
    let Some(sequence) = entered else {
        match line.session.joined() {
            Some(_) => shared.registry.lose(&line, None),
            None => shared.registry.remove(&line),
        }
        return Err(busy());
    };
    let joined = Joined {
        room: shared.room,
        sequence,
        called_back,
        text_limit: shared.limits.max_text.0 as u32,
        motd: shared.motd.clone(),
    };
    Ok(Caller { line, joined, answer_tx, answer_rx, unsettled: false })
}

/// Answers any request of a member but Leave. `None`: it is on its way into the order, and the broadcaster will reply.
///
/// # Blocking
/// On the broadcaster, which never blocks; never on another member.
pub fn answer(
    shared: &Shared,
    commands_tx: &Sender<Command>,
    caller: &mut Caller,
    request: Request,
) -> Option<Reply> {
    let result = match request {
        Request::Broadcast { message_id, text } => {
            say(shared, commands_tx, caller, message_id, text, Manner::Message)
        }
        Request::Action { message_id, text } => {
            say(shared, commands_tx, caller, message_id, text, Manner::Action)
        }
        Request::Private { message_id, to: name, text } => {
            // Whether it was said before is known only where the order is made, so nobody is refused here.
            let manner = Manner::Private { to: shared.registry.find(&name), name };
            say(shared, commands_tx, caller, message_id, text, manner)
        }
        Request::Rename { name } => rename(shared, commands_tx, caller, &name).map(Some),
        Request::Who => Ok(Some(people(shared))),
        Request::History { count } => Ok(Some(history(shared, caller, count))),
        Request::Ping => Ok(Some(Reply::Pong)),
        Request::Join(_) | Request::Leave => Err(refusal(Cause::OutOfTurn, "you have joined already")),
    };
    result.unwrap_or_else(|refusal| Some(Reply::Refused(refusal)))
}

/// Hands something that is said to the broadcaster. The reply is its.
fn say(
    shared: &Shared,
    commands_tx: &Sender<Command>,
    caller: &mut Caller,
    message_id: u64,
    text: String,
    manner: Manner,
) -> Result<Option<Reply>, Refusal> {
    let limit = shared.limits.max_text;
    #[cfg(feature = "seeded-bugs")]
    match () {
        () if text == "panic" && shared.seeded.has(Bug::PanicInHandler) => panic!("seeded"),
        () if text == "panic" && shared.seeded.has(Bug::PanicUnderLock) => shared.registry.panic_under_lock(),
        () => {}
    }
    if text.is_empty() {
        return Err(refusal(Cause::InvalidText, "the text is empty"));
    }
    if text.len() > limit.0 {
        let why =
            format!("the text has {} bytes, and {} are the most; send it in parts", text.len(), limit.0);
        return Err(refusal(Cause::InvalidText, why));
    }
    let (line, replied_tx) = (Arc::clone(&caller.line), caller.answer_tx.clone());
    match commands_tx.try_send(Command::Say { line, message_id, text, manner, replied_tx }) {
        Ok(()) => {
            caller.unsettled = true;
            Ok(None)
        }
        Err(TrySendError::Full(_)) => Err(busy()),
        Err(TrySendError::Disconnected(_)) => Err(refusal(Cause::Stopping, "the server is shutting down")),
    }
}

fn rename(
    shared: &Shared,
    commands_tx: &Sender<Command>,
    caller: &Caller,
    to: &str,
) -> Result<Reply, Refusal> {
    if let Some(why) = name::fault(to, shared.limits.max_name) {
        return Err(refusal(Cause::InvalidName, why));
    }
    let id = caller.line.session.id;
    let renamed = shared.registry.rename(id, to, &|name, address| shared.bans.reason(name, address));
    renamed.map_err(|denied| not_given(to, denied))?;
    let command = Command::Rename { id, to: to.to_owned(), answer_tx: caller.answer_tx.clone() };
    let sent = commands_tx.send(command);
    // The old name is free only now, so that whoever takes it enters the channel behind the renaming.
    shared.registry.release_former_name(id);
    match sent {
        Ok(()) => Ok(Reply::Renamed { sequence: placed(caller)? }),
        Err(_) => Err(refusal(Cause::Stopping, "the server is shutting down")),
    }
}

/// The broadcaster's answer to the command that was just sent.
fn placed(caller: &Caller) -> Result<u64, Refusal> {
    caller.answer_rx.recv().ok().flatten().ok_or_else(busy)
}

fn not_given(name: &str, denied: Denied) -> Refusal {
    match denied {
        Denied::Taken => refusal(Cause::NameTaken, format!("the name {name} is taken; choose another")),
        Denied::Barred(why) => refusal(Cause::Banned, why),
    }
}

fn people(shared: &Shared) -> Reply {
    /// A name's length on the wire, and what stands around the list.
    const LENGTH_BYTES: usize = 8;
    const AROUND_BYTES: usize = 64;
    let mut names = shared.registry.names();
    let total = names.len() as u32;
    let mut bytes = AROUND_BYTES;
    let fit = names.iter().take_while(|name| {
        bytes += LENGTH_BYTES + name.len();
        bytes <= shared.limits.max_frame.0
    });
    names.truncate(fit.count());
    Reply::People { names, total }
}

fn history(shared: &Shared, caller: &Caller, count: u32) -> Reply {
    const AROUND_BYTES: usize = 64;
    let limit = shared.limits.max_frame.0 - AROUND_BYTES;
    let encoded: Vec<Vec<u8>> = {
        let log = shared.log.read();
        let last = log.last_spoken(count as usize, caller.line.session.id, limit);
        last.into_iter().map(<[u8]>::to_vec).collect()
    };
    let decoded = encoded.iter().map(|bytes| decode(bytes).expect("the log holds what we encoded"));
    Reply::History { events: decoded.collect() }
}
