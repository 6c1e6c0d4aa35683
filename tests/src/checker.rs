//! The judge: given what everybody sent and saw, was the promise kept?
//!
//! Pure: no thread, no socket, no clock. Each violation is a sentence. A clean history proves that nothing accepted is
//! missing and nothing appears twice, nothing was heard that was never said, all saw one total order, which keeps each
//! author's order and real time (accepted before another was sent means earlier), and that messages are missing only
//! where the recipient was told so.

use crate::history::{Person, Sent, Visit};
use chat_common::protocol::EventKind;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    ops::RangeInclusive,
    time::Instant,
};

/// What stands at one place of the one order, and who says so.
struct Entry<'a> {
    kind: EventKind,
    witness: &'a str,
}

/// The one order of one room, put together from all that anybody saw or was told.
type Log<'a> = BTreeMap<u64, Entry<'a>>;

/// A message's identity: author, id, text.
type Key<'a> = (&'a str, u64, &'a str);

/// # Panics
/// With all violations, when there are any.
pub fn assert_clean(people: &[Person]) {
    let violations = check(people);
    assert!(
        violations.is_empty(),
        "{} violations, the first are:\n{}",
        violations.len(),
        violations.iter().take(20).map(|violation| shortened(violation)).collect::<Vec<_>>().join("\n")
    );
}

/// Long texts are sent to fill buffers, not to be read.
fn shortened(violation: &str) -> String {
    const MOST: usize = 300;
    let short: String = violation.chars().take(MOST).collect();
    if short.len() < violation.len() {
        short + " ..."
    } else {
        short
    }
}

/// All violations of the promise in this history.
pub fn check(people: &[Person]) -> Vec<String> {
    let mut violations = Vec::new();
    let mut said: HashMap<Key<'_>, &Sent> = HashMap::new();
    for person in people {
        for sent in &person.sent {
            said.insert((&person.name, sent.message_id, &sent.text), sent);
        }
    }
    let mut logs: BTreeMap<u64, Log<'_>> = BTreeMap::new();
    for person in people {
        enter_accepted(person, &mut logs, &mut violations);
        for visit in &person.visits {
            let log = logs.entry(visit.room).or_default();
            read_visit(person, visit, &said, log, &mut violations);
        }
        heard_once(person, &mut violations);
    }
    for (room, log) in &logs {
        said_once(log, &mut violations);
        real_time(*room, people, &mut violations);
        for person in people {
            authors_order(person, log, &mut violations);
            for visit in person.visits.iter().filter(|visit| visit.room == *room) {
                complete(person, visit, log, &said, &mut violations);
            }
        }
    }
    violations
}

/// What the authors were told goes into the one order.
fn enter_accepted<'a>(person: &'a Person, logs: &mut BTreeMap<u64, Log<'a>>, violations: &mut Vec<String>) {
    for sent in &person.sent {
        let Some(accepted) = sent.accepted else { continue };
        let (author, message_id, text) = (person.name.clone(), sent.message_id, sent.text.clone());
        let kind = match sent.to {
            None => EventKind::Message { author, message_id, text },
            Some(_) => EventKind::Private { author, message_id, text },
        };
        enter(logs.entry(accepted.room).or_default(), accepted.sequence, kind, &person.name, violations);
    }
}

fn enter<'a>(
    log: &mut Log<'a>,
    sequence: u64,
    kind: EventKind,
    witness: &'a str,
    violations: &mut Vec<String>,
) {
    let kind = plain(kind);
    let entry = log.entry(sequence).or_insert_with(|| Entry { kind: kind.clone(), witness });
    if entry.kind != kind {
        violations.push(format!(
            "place {sequence} holds {:?} for {} and {kind:?} for {witness}",
            entry.kind, entry.witness
        ));
    }
}

/// An action is a message to all: the sender's record does not tell them apart.
fn plain(kind: EventKind) -> EventKind {
    match kind {
        EventKind::Action { author, message_id, text } => EventKind::Message { author, message_id, text },
        other => other,
    }
}

/// One recipient's events: rising, consistent with everybody else's, hers to see, and said by somebody.
fn read_visit<'a>(
    person: &'a Person,
    visit: &Visit,
    said: &HashMap<Key<'_>, &Sent>,
    log: &mut Log<'a>,
    violations: &mut Vec<String>,
) {
    let name = person.name.as_str();
    let (mut last, mut ended) = (0, false);
    for seen in &visit.seen {
        let (sequence, kind) = (seen.event.sequence, &seen.event.kind);
        if ended {
            violations.push(format!("{name} got {kind:?} after the end of the room"));
        }
        if let EventKind::Ended { .. } = kind {
            ended = true;
            continue;
        }
        if sequence <= last {
            violations.push(format!("{name} got place {sequence}, {kind:?}, after place {last}"));
        }
        last = last.max(sequence);
        if let EventKind::Missed { .. } = kind {
            continue;
        }
        match kind {
            EventKind::Message { author, message_id, text }
            | EventKind::Action { author, message_id, text }
            | EventKind::Private { author, message_id, text } => {
                match said.get(&(author.as_str(), *message_id, text.as_str())) {
                    None => violations.push(format!("{name} heard {kind:?}, which nobody has said")),
                    Some(sent) if seen.at < sent.at => {
                        violations.push(format!("{name} heard {kind:?} before it was said"));
                    }
                    Some(Sent { to: Some(to), .. }) if to != name => {
                        violations.push(format!("{name} heard {kind:?}, which was for {to} alone"));
                    }
                    Some(_) => {}
                }
                if author == name && sequence > visit.joined {
                    violations.push(format!("{name} heard herself: {kind:?}"));
                }
            }
            EventKind::Joined { name: who } if who == name && sequence >= visit.joined => {
                violations.push(format!("{name} was told of her own join"));
            }
            _ => {}
        }
        enter(log, sequence, kind.clone(), name, violations);
    }
    if visit.joined > 0 {
        let joined = EventKind::Joined { name: name.to_owned() };
        enter(log, visit.joined, joined, name, violations);
    }
}

/// Nothing twice for one recipient, whatever happened to her session or to the server in between.
fn heard_once(person: &Person, violations: &mut Vec<String>) {
    let mut heard = HashSet::new();
    for visit in &person.visits {
        for seen in visit.seen.iter().filter(|seen| seen.event.sequence > visit.joined) {
            if let Some(key) = key(&seen.event.kind) {
                if !heard.insert(key) {
                    violations.push(format!("{} heard {:?} twice", person.name, seen.event.kind));
                }
            }
        }
    }
}

/// No message has two places.
fn said_once(log: &Log<'_>, violations: &mut Vec<String>) {
    let mut places = HashMap::new();
    for (sequence, entry) in log {
        if let Some(key) = key(&entry.kind) {
            if let Some(first) = places.insert(key, sequence) {
                violations.push(format!("{:?} has two places, {first} and {sequence}", entry.kind));
            }
        }
    }
}

fn key(kind: &EventKind) -> Option<Key<'_>> {
    match kind {
        EventKind::Message { author, message_id, text }
        | EventKind::Action { author, message_id, text }
        | EventKind::Private { author, message_id, text } => Some((author, *message_id, text)),
        _ => None,
    }
}

/// What one author sent earlier stands earlier.
fn authors_order(person: &Person, log: &Log<'_>, violations: &mut Vec<String>) {
    let places: HashMap<Key<'_>, u64> =
        log.iter().filter_map(|(sequence, entry)| Some((key(&entry.kind)?, *sequence))).collect();
    let mut last: Option<(u64, &Sent)> = None;
    for sent in &person.sent {
        let Some(&sequence) = places.get(&(person.name.as_str(), sent.message_id, sent.text.as_str())) else {
            continue;
        };
        if let Some((before, earlier)) = last.filter(|(before, _)| *before >= sequence) {
            violations.push(format!(
                "{} sent {:?} before {:?}, but their places are {before} and {sequence}",
                person.name, earlier.text, sent.text
            ));
        }
        last = Some((sequence, sent));
    }
}

/// What was accepted before another message was sent stands before it.
fn real_time(room: u64, people: &[Person], violations: &mut Vec<String>) {
    let mut messages: Vec<(u64, Instant, Instant, &str)> = people
        .iter()
        .flat_map(|person| &person.sent)
        .filter_map(|sent| {
            let accepted = sent.accepted.filter(|accepted| accepted.room == room)?;
            Some((accepted.sequence, sent.at, accepted.at, sent.text.as_str()))
        })
        .collect();
    messages.sort_unstable();
    // The message with a lower place that was sent last: nothing after it may have been accepted before that.
    let mut latest: Option<(u64, Instant, &str)> = None;
    for (sequence, sent, accepted, text) in messages {
        if let Some((place, at, other)) = latest.filter(|(_, at, _)| *at > accepted) {
            violations.push(format!(
                "{text:?} was accepted {:?} before {other:?} was sent, but their places are {sequence} and {place}",
                at - accepted
            ));
        }
        if latest.is_none_or(|(_, at, _)| sent > at) {
            latest = Some((sequence, sent, text));
        }
    }
}

/// Everything after the join is there, except her own, what is private to others, and what she was told is missing.
fn complete(
    person: &Person,
    visit: &Visit,
    log: &Log<'_>,
    said: &HashMap<Key<'_>, &Sent>,
    violations: &mut Vec<String>,
) {
    let seen: BTreeSet<u64> = visit.seen.iter().map(|seen| seen.event.sequence).collect();
    let missed: Vec<RangeInclusive<u64>> = visit
        .seen
        .iter()
        .filter_map(|seen| match seen.event.kind {
            EventKind::Missed { first } => Some(first..=seen.event.sequence),
            _ => None,
        })
        .collect();
    let end = if visit.stayed { u64::MAX } else { visit.position() };
    for (sequence, entry) in log {
        if *sequence <= visit.joined || *sequence > end || seen.contains(sequence) {
            continue;
        }
        if missed.iter().any(|range| range.contains(sequence)) {
            continue;
        }
        let owed = match &entry.kind {
            EventKind::Message { author, .. } => author != &person.name,
            EventKind::Private { author, message_id, text } => said
                .get(&(author.as_str(), *message_id, text.as_str()))
                .is_some_and(|sent| sent.to.as_ref() == Some(&person.name)),
            EventKind::Joined { name } | EventKind::Left { name, .. } | EventKind::Back { name } => {
                name != &person.name
            }
            EventKind::Renamed { from, to } => from != &person.name && to != &person.name,
            _ => true,
        };
        if owed {
            violations.push(format!("{} never got place {sequence}, {:?}", person.name, entry.kind));
        }
    }
}

#[cfg(test)]
mod tests;
