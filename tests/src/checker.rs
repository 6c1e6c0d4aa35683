//! The checker: it compares what all members sent and received, and finds every broken promise.
//!
//! [`check`] is a pure function: no thread, no socket, no clock. Each violation is one sentence.
//!
//! A history without violations proves that
//! - every accepted message arrived, and none arrived twice;
//! - nothing arrived that nobody sent;
//! - all members saw one total order;
//! - that order keeps the order of each author;
//! - that order keeps real time: a message that was accepted before another was sent comes first;
//! - events are missing only where the server told the recipient so;
//! - each recipient reads of everybody else that it came, left and was renamed, once and in turn;
//! - what operators command holds, as [`moderation`] says.

mod moderation;
#[cfg(test)]
mod tests;

use crate::{
    history::{MemberHistory, Sent, SessionHistory},
    watchdog::poll_result,
};
use chat_common::wire::protocol::EventKind;
use moderation::Rules;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    ops::RangeInclusive,
    time::Instant,
};

/// A report shows at most this many violations, and this many characters of each. Some tests send long texts
/// to fill buffers, and a report that prints them whole cannot be read.
const MAX_SHOWN_VIOLATIONS: usize = 20;
const MAX_SHOWN_CHARACTERS: usize = 300;

/// The event with one sequence, and a member that received it or was told of it.
struct Entry<'a> {
    kind: EventKind,
    witness: &'a str,
}

/// The order of one room, put together from all that any member received or was told.
type RoomLog<'a> = BTreeMap<u64, Entry<'a>>;

/// What identifies a message: author, id, text.
type MessageKey<'a> = (&'a str, u64, &'a str);

/// Checks that the histories which `read` returns have no violations. It reads them again until they have
/// none, because an event may still be on its way to a member that has not left. Nothing else that the
/// checker finds goes away with time.
///
/// # Panics
/// With the number of violations and the first of them, when some are left after the watchdog's timeout.
pub fn assert_clean<H: AsRef<[MemberHistory]>>(read: impl Fn() -> H) {
    poll_result("histories without violations", || {
        let violations = check(read().as_ref());
        let shown = violations.iter().take(MAX_SHOWN_VIOLATIONS).map(|violation| shortened(violation));
        violations.is_empty().then_some(()).ok_or_else(|| (violations.len(), shown.collect::<Vec<_>>()))
    });
}

fn shortened(violation: &str) -> String {
    let short: String = violation.chars().take(MAX_SHOWN_CHARACTERS).collect();
    if short.len() < violation.len() {
        short + " ..."
    } else {
        short
    }
}

/// Returns every violation in these histories.
pub fn check(members: &[MemberHistory]) -> Vec<String> {
    let mut violations = Vec::new();
    let mut all_sent: HashMap<MessageKey<'_>, &Sent> = HashMap::new();
    for member in members {
        for sent in &member.sent {
            all_sent.insert((&sent.author, sent.message_id, &sent.text), sent);
        }
    }
    let mut logs: BTreeMap<u64, RoomLog<'_>> = BTreeMap::new();
    for member in members {
        record_accepted(member, &mut logs, &mut violations);
        for session in &member.sessions {
            let log = logs.entry(session.room).or_default();
            check_session(member, session, &all_sent, log, &mut violations);
            check_presence(member, session, &mut violations);
        }
        check_received_once(member, &mut violations);
    }
    let rules = Rules::of(members);
    rules.check(members, &logs, &mut violations);
    for (room, log) in &logs {
        let notices_for_all = rules.notices_for_all(log);
        check_one_sequence_per_message(log, &mut violations);
        check_real_time(*room, members, &mut violations);
        for member in members {
            check_author_order(member, log, &mut violations);
            for session in member.sessions.iter().filter(|session| session.room == *room) {
                check_complete(member, session, log, (&all_sent, &notices_for_all), &mut violations);
            }
        }
    }
    violations
}

/// Puts the messages that the server accepted into the logs.
fn record_accepted<'a>(
    member: &'a MemberHistory,
    logs: &mut BTreeMap<u64, RoomLog<'a>>,
    violations: &mut Vec<String>,
) {
    for sent in &member.sent {
        let Some(accepted) = sent.accepted else { continue };
        let (author, message_id, text) = (sent.author.clone(), sent.message_id, sent.text.clone());
        let repeated = false;
        let kind = match sent.recipient {
            None => EventKind::Message { author, message_id, repeated, text },
            Some(_) => EventKind::Private { author, message_id, repeated, text },
        };
        record(logs.entry(accepted.room).or_default(), accepted.sequence, kind, &member.name, violations);
    }
}

/// Puts one event into the log. It is a violation when the log holds another event with this sequence.
fn record<'a>(
    log: &mut RoomLog<'a>,
    sequence: u64,
    kind: EventKind,
    witness: &'a str,
    violations: &mut Vec<String>,
) {
    let kind = as_in_history(kind);
    let entry = log.entry(sequence).or_insert_with(|| Entry { kind: kind.clone(), witness });
    if entry.kind != kind {
        violations.push(format!(
            "sequence {sequence} is {:?} for {} and {kind:?} for {witness}",
            entry.kind, entry.witness
        ));
    }
}

/// Turns an event into what the author's history says of it. A history does not tell an action from a
/// message, nor a message that is said again from one that is not.
fn as_in_history(kind: EventKind) -> EventKind {
    let repeated = false;
    match kind {
        EventKind::Message { author, message_id, text, .. }
        | EventKind::Action { author, message_id, text, .. } => {
            EventKind::Message { author, message_id, repeated, text }
        }
        EventKind::Private { author, message_id, text, .. } => {
            EventKind::Private { author, message_id, repeated, text }
        }
        other => other,
    }
}

/// Checks one recipient's events and puts them into the log. The sequences rise, the recipient may see each
/// event, and somebody sent each message.
fn check_session<'a>(
    member: &'a MemberHistory,
    session: &SessionHistory,
    all_sent: &HashMap<MessageKey<'_>, &Sent>,
    log: &mut RoomLog<'a>,
    violations: &mut Vec<String>,
) {
    let name = member.name.as_str();
    let (mut last, mut ended) = (0, false);
    for delivery in &session.deliveries {
        let (sequence, kind) = (delivery.event.sequence, &delivery.event.kind);
        if ended {
            violations.push(format!("{name} received {kind:?} after the end of the room"));
        }
        if let EventKind::Ended { .. } = kind {
            ended = true;
            continue;
        }
        if sequence <= last {
            violations.push(format!("{name} received sequence {sequence}, {kind:?}, after sequence {last}"));
        }
        last = last.max(sequence);
        if let EventKind::Missed { .. } = kind {
            continue;
        }
        match kind {
            EventKind::Message { author, message_id, text, .. }
            | EventKind::Action { author, message_id, text, .. }
            | EventKind::Private { author, message_id, text, .. } => {
                match all_sent.get(&(author.as_str(), *message_id, text.as_str())) {
                    None => violations.push(format!("{name} received {kind:?}, which nobody sent")),
                    Some(sent) if delivery.at < sent.at => {
                        violations.push(format!("{name} received {kind:?} before it was sent"));
                    }
                    Some(Sent { recipient: Some(recipient), .. }) if !member.is_called(recipient) => {
                        violations.push(format!("{name} received {kind:?}, which is for {recipient} alone"));
                    }
                    Some(_) => {}
                }
                if member.is_called(author) && sequence > session.join_sequence {
                    violations.push(format!("{name} received its own message: {kind:?}"));
                }
            }
            EventKind::Joined { name: joined }
                if member.is_called(joined) && sequence >= session.join_sequence =>
            {
                violations.push(format!("{name} received its own join"));
            }
            _ => {}
        }
        record(log, sequence, kind.clone(), name, violations);
    }
    if session.join_sequence > 0 {
        let joined = EventKind::Joined { name: name.to_owned() };
        record(log, session.join_sequence, joined, name, violations);
    }
}

/// Checks that in one session nobody came or took a name who was here under it, and that nobody left or was
/// renamed who was not. Whether somebody is here is known from the first of these events on.
fn check_presence(member: &MemberHistory, session: &SessionHistory, violations: &mut Vec<String>) {
    let mut here: HashMap<&str, bool> = HashMap::new();
    for delivery in
        session.deliveries.iter().filter(|delivery| delivery.event.sequence > session.join_sequence)
    {
        let kind = &delivery.event.kind;
        // Each name that the event is about, and whether somebody is here under it afterwards.
        let changes = match kind {
            EventKind::Joined { name } | EventKind::Back { name } => vec![(name, true)],
            EventKind::Left { name, .. } => vec![(name, false)],
            EventKind::Renamed { from, to } => vec![(from, false), (to, true)],
            EventKind::Missed { .. } => {
                here.clear();
                continue;
            }
            _ => continue,
        };
        for (name, is_here) in changes {
            if here.insert(name, is_here) == Some(is_here) {
                let was = if is_here { "was here already" } else { "was not here" };
                violations.push(format!("{} received {kind:?} of {name}, who {was}", member.name));
            }
        }
    }
}

/// Checks that one recipient received no message twice, not even over a resume or a restart of the server.
fn check_received_once(member: &MemberHistory, violations: &mut Vec<String>) {
    let mut received = HashSet::new();
    for session in &member.sessions {
        for delivery in &session.deliveries {
            // Earlier events are the history that a new member asks for; it may hold what an older session
            // received.
            if delivery.event.sequence <= session.join_sequence {
                continue;
            }
            if let Some(key) = message_key(&delivery.event.kind) {
                if !received.insert(key) {
                    violations.push(format!("{} received {:?} twice", member.name, delivery.event.kind));
                }
            }
        }
    }
}

fn check_one_sequence_per_message(log: &RoomLog<'_>, violations: &mut Vec<String>) {
    let mut sequences = HashMap::new();
    for (sequence, entry) in log {
        if let Some(key) = message_key(&entry.kind) {
            if let Some(first) = sequences.insert(key, sequence) {
                violations.push(format!("{:?} has two sequences, {first} and {sequence}", entry.kind));
            }
        }
    }
}

fn message_key(kind: &EventKind) -> Option<MessageKey<'_>> {
    kind.message().map(|message| (message.author, message.message_id, message.text))
}

/// Checks that the messages of one author have rising sequences, in the order of sending.
fn check_author_order(member: &MemberHistory, log: &RoomLog<'_>, violations: &mut Vec<String>) {
    let sequences: HashMap<MessageKey<'_>, u64> =
        log.iter().filter_map(|(sequence, entry)| Some((message_key(&entry.kind)?, *sequence))).collect();
    let mut last: Option<(u64, &Sent)> = None;
    for sent in &member.sent {
        let key = (sent.author.as_str(), sent.message_id, sent.text.as_str());
        let Some(&sequence) = sequences.get(&key) else { continue };
        if let Some((before, earlier)) = last.filter(|(before, _)| *before >= sequence) {
            violations.push(format!(
                "{} sent {:?} before {:?}, but their sequences are {before} and {sequence}",
                member.name, earlier.text, sent.text
            ));
        }
        last = Some((sequence, sent));
    }
}

/// Checks that a message that was accepted before another was sent has the lower sequence.
fn check_real_time(room: u64, members: &[MemberHistory], violations: &mut Vec<String>) {
    let mut messages: Vec<(u64, Instant, Instant, &str)> = members
        .iter()
        .flat_map(|member| &member.sent)
        .filter_map(|sent| {
            let accepted = sent.accepted.filter(|accepted| accepted.room == room)?;
            Some((accepted.sequence, sent.at, accepted.at, sent.text.as_str()))
        })
        .collect();
    messages.sort_unstable();
    // Of the messages with lower sequences, the one that was sent last. It is enough to compare with this
    // one.
    let mut latest: Option<(u64, Instant, &str)> = None;
    for (sequence, sent, accepted, text) in messages {
        if let Some((lower, at, other)) = latest.filter(|(_, at, _)| *at > accepted) {
            violations.push(format!(
                "{text:?} ({sequence}) was accepted {:?} before {other:?} ({lower}) was sent",
                at - accepted
            ));
        }
        if latest.is_none_or(|(_, at, _)| sent > at) {
            latest = Some((sequence, sent, text));
        }
    }
}

/// Checks that a session received every event after its join. Its own messages, private messages to others,
/// and what the server reported as missed may be absent.
fn check_complete(
    member: &MemberHistory,
    session: &SessionHistory,
    log: &RoomLog<'_>,
    (all_sent, notices_for_all): (&HashMap<MessageKey<'_>, &Sent>, &HashSet<u64>),
    violations: &mut Vec<String>,
) {
    let received: BTreeSet<u64> = session.deliveries.iter().map(|delivery| delivery.event.sequence).collect();
    let missed: Vec<RangeInclusive<u64>> = session
        .deliveries
        .iter()
        .filter_map(|delivery| match delivery.event.kind {
            EventKind::Missed { first, .. } => Some(first..=delivery.event.sequence),
            _ => None,
        })
        .collect();
    let end = if session.stayed { u64::MAX } else { session.last_sequence() };
    for (sequence, entry) in log {
        if *sequence <= session.join_sequence || *sequence > end || received.contains(sequence) {
            continue;
        }
        if missed.iter().any(|range| range.contains(sequence)) {
            continue;
        }
        let expected = match &entry.kind {
            EventKind::Message { author, .. } => !member.is_called(author),
            EventKind::Private { author, message_id, text, .. } => all_sent
                .get(&(author.as_str(), *message_id, text.as_str()))
                .and_then(|sent| sent.recipient.as_ref())
                .is_some_and(|recipient| member.is_called(recipient)),
            EventKind::Joined { name } | EventKind::Left { name, .. } | EventKind::Back { name } => {
                !member.is_called(name)
            }
            EventKind::Renamed { from, to } => !member.is_called(from) && !member.is_called(to),
            EventKind::Notice { .. } => notices_for_all.contains(sequence),
            _ => true,
        };
        if expected {
            violations.push(format!("{} never received sequence {sequence}, {:?}", member.name, entry.kind));
        }
    }
}
