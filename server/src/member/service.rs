//! What each request of a member does. Runs on the thread of its call connection. It may not change the
//! room: a request that does is sent to the broadcaster.

use super::{join::MemberCalls, Service};
#[cfg(feature = "seeded-bugs")]
use crate::settings::seeded::Bug;
use crate::{
    identity::name,
    log::AROUND_EVENT,
    order::{GoOn, HistoryPage},
    room::{Command, Message, MessageKind},
};
use chat_common::wire::{
    frame::has_memory_for,
    protocol::{Cause, Person, Refusal, Reply, Request},
};

/// How much memory the longest reply takes at most, in frames: encoded, as values, and encoded again.
const REPLY_MEMORY: usize = 6;

/// Returns the reply to any request except Join, Leave and those of operators. Returns `None` when the
/// broadcaster writes the reply, after the request has its place in the order.
///
/// # Blocking
/// Never on a client. A full channel refuses the request. On the disk of the journal, as long as `go_on`
/// returns true.
pub(super) fn answer(
    service: &Service<'_>,
    calls: &mut MemberCalls,
    request: Request,
    go_on: GoOn<'_>,
) -> Option<Reply> {
    let result = match request {
        Request::Broadcast { message_id, repeated, text } => {
            say(service, calls, Message::new(message_id, repeated, text, MessageKind::Message))
        }
        Request::Action { message_id, repeated, text } => {
            say(service, calls, Message::new(message_id, repeated, text, MessageKind::Action))
        }
        Request::Private { message_id, repeated, to, text } => {
            say(service, calls, Message::new(message_id, repeated, text, MessageKind::Private { to }))
        }
        // Nobody was told of a send-only client, so nobody would know that it looks around.
        Request::Rename { .. } | Request::Who | Request::History { .. } if calls.send_only => Err(
            Refusal::new(Cause::Unsupported, "a send-only client can only speak; join as a member for more"),
        ),
        Request::Rename { name } => rename(service, calls, name),
        Request::Who | Request::History { .. }
            if !has_memory_for(REPLY_MEMORY * service.limits.max_frame.0) =>
        {
            Err(Refusal::busy())
        }
        Request::Who => Ok(Some(people(service))),
        Request::History { count, before } => history(service, calls, count, before, go_on).map(Some),
        Request::Ping => Ok(Some(Reply::Pong)),
        Request::Join(_) | Request::Leave | Request::Operate { .. } | Request::Command { .. } => {
            Err(Refusal::new(Cause::OutOfTurn, "you have joined already"))
        }
    };
    result.unwrap_or_else(|refusal| Some(Reply::Refused(refusal)))
}

fn say(service: &Service<'_>, calls: &mut MemberCalls, message: Message) -> Result<Option<Reply>, Refusal> {
    let (limit, text) = (service.limits.max_text, &message.text);
    #[cfg(feature = "seeded-bugs")]
    panic_on_purpose(service, text);
    if text.is_empty() {
        return Err(Refusal::new(Cause::InvalidText, "the text is empty"));
    }
    if text.len() > limit.0 {
        let why =
            format!("the text has {} bytes, and {} are the most; send it in parts", text.len(), limit.0);
        return Err(Refusal::new(Cause::InvalidText, why));
    }
    // The log keeps a copy, with what stands around it.
    if !has_memory_for(2 * text.len()) {
        return Err(Refusal::busy());
    }
    if let MessageKind::Private { to } = &message.kind {
        // No member can have a name of this length, and comparing it would cost time.
        if let Err(why) = name::check_length(to, service.limits.max_name) {
            return Err(Refusal::new(Cause::NobodyOfThatName, why));
        }
    }
    calls.send(service, |pair, task| Command::Say { pair, message, task })
}

fn rename(service: &Service<'_>, calls: &mut MemberCalls, name: String) -> Result<Option<Reply>, Refusal> {
    name::validate(&name, service.limits.max_name).map_err(|why| Refusal::new(Cause::InvalidName, why))?;
    let sent = calls.send(service, |pair, task| Command::Rename { pair, name, task });
    if sent.is_ok() && service.door.names.is_some() {
        calls.await_reply();
        service.door.save_names(calls.origin.address);
    }
    sent
}

fn people(service: &Service<'_>) -> Reply {
    /// The bytes beside a name and beside the list on the wire: a length, two times and a bool, and the rest.
    const AROUND_NAME: usize = 17;
    const AROUND_BYTES: usize = 64;
    let mut people: Vec<Person> = service.room.people().into_iter().map(|(person, _)| person).collect();
    let total = people.len() as u32;
    let mut bytes = AROUND_BYTES;
    people.retain(|person| {
        bytes += AROUND_NAME + person.name.len();
        bytes <= service.limits.max_frame.0
    });
    Reply::People { people, total }
}

fn history(
    service: &Service<'_>,
    calls: &MemberCalls,
    count: u32,
    before: Option<u64>,
    go_on: GoOn<'_>,
) -> Result<Reply, Refusal> {
    let limit = service.limits.max_frame.0 - AROUND_EVENT;
    let (count, before, session) = (count as usize, before.unwrap_or(u64::MAX), calls.pair.id);
    let events = service.room.last_messages(HistoryPage { count, before, session, limit }, go_on);
    // A shorter history would look like all that was said.
    events.map(|events| Reply::History { events }).map_err(|_| Refusal::busy())
}

#[cfg(feature = "seeded-bugs")]
fn panic_on_purpose(service: &Service<'_>, text: &str) {
    let seeded = service.limits.seeded;
    let _held = (text == "panic" && seeded.has(Bug::PanicUnderLock)).then(|| service.room.hold_registry());
    assert!(!(text == "panic" && (seeded.has(Bug::PanicInHandler) || _held.is_some())), "seeded");
}
