//! Folds bursts of membership events on a terminal: `--- 41 people left: Ann, Bob and 39 more ---`. No I/O.
//!
//! A fold takes who joined, left or came back, until [`QUIET_TIME`] has passed without another, until the
//! first is [`MAX_AGE`] old, or until something else is to be shown. Then it becomes lines:
//!
//! - What a person did counts as one: it joined, left, came back after a lost connection, came and went, or
//!   left and returned. A name that comes twice counts once.
//! - People who did the same are one line, in the place of the first of them, with the reasons of those who
//!   did not ask to leave. Few events ([`MAX_SHOWN_SINGLY`]) are a line each, as they are without a fold.

use crate::screen::{people::list_some, styled_line::StyledLine, wording::event_line};
use chat_common::{
    text::escape::escape_line,
    wire::protocol::{Event, EventKind},
};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// A fold ends when no event has come for this long.
const QUIET_TIME: Duration = Duration::from_secs(1);
/// The same for what happened before the join. All of that comes at once.
const EARLIER_QUIET_TIME: Duration = Duration::from_millis(200);
/// A fold ends this long after its first event, even if more events come.
const MAX_AGE: Duration = Duration::from_secs(5);
/// A fold with this many events ends, so that a flood does not fill the memory. It is twice the members that
/// a server takes.
const MAX_EVENTS: usize = 2048;
/// A group of people with at most this many events is not folded.
const MAX_SHOWN_SINGLY: usize = 3;
/// How many names, and how many reasons, the line of a fold has.
const MAX_NAMES_SHOWN: usize = 2;

/// The membership events that are not shown yet.
#[derive(Default)]
pub(crate) struct Fold {
    events: Vec<Event>,
    /// Whether they happened before the join.
    earlier: bool,
    /// When the first and the last of them came.
    times: Option<(Instant, Instant)>,
}

/// The people who did the same.
struct Group<'f> {
    did: &'static str,
    names: Vec<&'f str>,
    events: Vec<&'f Event>,
}

impl Fold {
    /// Whether a fold takes this event.
    pub(crate) fn takes(event: &Event) -> bool {
        name_of(&event.kind).is_some()
    }

    /// Adds an event. Returns the lines of the fold that it ends: one of another time, or one that is full.
    pub(crate) fn push(&mut self, event: Event, earlier: bool, now: Instant) -> Vec<StyledLine> {
        let ends = earlier != self.earlier || self.events.len() >= MAX_EVENTS;
        let lines = if ends { self.end() } else { Vec::new() };
        self.earlier = earlier;
        self.times = Some((self.times.map_or(now, |(first, _)| first), now));
        self.events.push(event);
        lines
    }

    /// When the fold ends by itself. `None` if it has no events.
    pub(crate) fn due(&self) -> Option<Instant> {
        let quiet_time = if self.earlier { EARLIER_QUIET_TIME } else { QUIET_TIME };
        self.times.map(|(first, last)| (last + quiet_time).min(first + MAX_AGE))
    }

    /// Ends the fold and returns its lines.
    pub(crate) fn end(&mut self) -> Vec<StyledLine> {
        let Fold { events, earlier, .. } = std::mem::take(self);
        let single = |event: &&Event| (event.sequence, event_line(event, earlier, ""));
        let lines = groups(&events).into_iter().flat_map(|group| match group.events.len() {
            0..=MAX_SHOWN_SINGLY => group.events.iter().map(single).collect(),
            _ => vec![(group.events[0].sequence, group.line(earlier))],
        });
        let mut lines: Vec<(u64, StyledLine)> = lines.collect();
        lines.sort_by_key(|(sequence, _)| *sequence);
        lines.into_iter().map(|(_, line)| line).collect()
    }
}

impl Group<'_> {
    /// The line of the whole group. It has the time of the last event.
    fn line(&self, earlier: bool) -> StyledLine {
        let count = self.names.len();
        let people = if count == 1 { "person" } else { "people" };
        let names = list_some(&self.names, MAX_NAMES_SHOWN, count);
        let text = format!("{count} {people} {}: {names}{}", self.did, self.reasons());
        let time = self.events.last().map(|event| event.time);
        StyledLine { time, ..StyledLine::notice(text) }.earlier(earlier)
    }

    /// The reasons of those who did not ask to leave, the most frequent first.
    fn reasons(&self) -> String {
        let mut counts: Vec<(&str, usize)> = Vec::new();
        for event in &self.events {
            if let EventKind::Left { reason: Some(reason), .. } = &event.kind {
                match counts.iter_mut().find(|(other, _)| other == reason) {
                    Some((_, count)) => *count += 1,
                    None => counts.push((reason, 1)),
                }
            }
        }
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let shown = |(reason, count): &(&str, usize)| format!("{}: {count}", escape_line(reason));
        let shown: Vec<String> = counts.iter().take(MAX_NAMES_SHOWN).map(shown).collect();
        if shown.is_empty() {
            return String::new();
        }
        format!(" ({})", shown.join(", "))
    }
}

/// Returns the groups, each with its people and its events in order.
fn groups(events: &[Event]) -> Vec<Group<'_>> {
    let mut people: Vec<(&str, Vec<&Event>)> = Vec::new();
    let mut places = HashMap::new();
    for event in events {
        let Some(name) = name_of(&event.kind) else { continue };
        let place = *places.entry(name).or_insert(people.len());
        if place == people.len() {
            people.push((name, Vec::new()));
        }
        people[place].1.push(event);
    }
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (name, events) in people {
        let did = what_was_done(&events);
        match groups.iter_mut().find(|group| group.did == did) {
            Some(group) => {
                group.names.push(name);
                group.events.extend(events);
            }
            None => groups.push(Group { did, names: vec![name], events }),
        }
    }
    groups
}

/// Returns what the events of one person come to. The first one tells whether the person was here, the last
/// one whether it is.
fn what_was_done(events: &[&Event]) -> &'static str {
    let leaves = |event: &&Event| matches!(event.kind, EventKind::Left { .. });
    let joins = |event: &&Event| matches!(event.kind, EventKind::Joined { .. });
    match (events.first().is_some_and(leaves), events.last().is_some_and(leaves)) {
        (true, true) => "left",
        (true, false) => "left and came back",
        (false, true) => "came and went",
        (false, false) if events.iter().any(joins) => "joined",
        (false, false) => "are back",
    }
}

/// The person of a membership event.
fn name_of(kind: &EventKind) -> Option<&str> {
    match kind {
        EventKind::Joined { name } | EventKind::Left { name, .. } | EventKind::Back { name } => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(name: &str) -> EventKind {
        EventKind::Joined { name: name.into() }
    }

    fn left(name: &str, reason: Option<&str>) -> EventKind {
        EventKind::Left { name: name.into(), reason: reason.map(str::to_owned) }
    }

    fn folded(kinds: Vec<EventKind>) -> Vec<String> {
        let mut fold = Fold::default();
        for (sequence, kind) in (1..).zip(kinds) {
            assert!(fold.push(Event { sequence, time: sequence, kind }, false, Instant::now()).is_empty());
        }
        fold.end().iter().map(StyledLine::text).collect()
    }

    #[test]
    fn few_events_are_shown_as_they_are_and_many_fold() {
        let few = folded(vec![joined("Ann"), left("Bob", Some("connection lost")), joined("Eve")]);
        assert_eq!(few, ["User [Ann] joined", "User [Bob] left (connection lost)", "User [Eve] joined"]);
        let pupils = (1..=41).map(|number| left(&format!("pupil_{number}"), None)).collect();
        assert_eq!(folded(pupils), ["--- 41 people left: pupil_1, pupil_2 and 39 more ---"]);
        let back = ["a", "b", "c", "d"].map(|name| EventKind::Back { name: name.into() });
        assert_eq!(folded(back.into()), ["--- 4 people are back: a, b and 2 more ---"]);
    }

    #[test]
    fn each_outcome_has_a_line_in_the_place_of_its_first_person() {
        let mut events: Vec<EventKind> = ["a", "b", "c", "d"].map(joined).into();
        events.push(left("z", Some("removed by the operator")));
        events.extend(["e", "f"].map(joined));
        events.extend(["e", "f"].map(|name| left(name, None)));
        events.extend(["a"].map(|name| left(name, None)));
        events.push(joined("a"));
        assert_eq!(
            folded(events),
            [
                "--- 4 people joined: a, b and 2 more ---",
                "User [z] left (removed by the operator)",
                "--- 2 people came and went: e, f ---"
            ]
        );
    }

    #[test]
    fn a_fold_counts_the_reasons_and_a_person_only_once() {
        let lost = Some("connection lost");
        let mut events: Vec<EventKind> = ["a", "b", "c"].map(|name| left(name, lost)).into();
        events.extend([left("d", None), left("e", Some("kicked")), joined("e"), left("e", Some("kicked"))]);
        assert_eq!(
            folded(events),
            ["--- 5 people left: a, b and 3 more (connection lost: 3, kicked: 2) ---"]
        );
        let mut restless = vec![left("a", None), joined("a")];
        restless.extend([left("a", None), joined("a")]);
        assert_eq!(folded(restless), ["--- 1 person left and came back: a ---"]);
    }

    #[test]
    fn a_fold_ends_a_second_after_its_last_move_or_five_after_its_first() {
        let (mut fold, start) = (Fold::default(), Instant::now());
        assert_eq!(fold.due(), None);
        let mut push = |milliseconds| {
            let now = start + Duration::from_millis(milliseconds);
            fold.push(Event { sequence: 1, time: 0, kind: joined("a") }, false, now);
            fold.due().map(|due| due.duration_since(start).as_millis())
        };
        assert_eq!(push(0), Some(1000));
        assert_eq!(push(900), Some(1900));
        assert_eq!(push(4500), Some(5000));
    }

    #[test]
    fn a_flood_and_another_time_end_the_fold() {
        let mut fold = Fold::default();
        let mut lines = Vec::new();
        for sequence in 0..=MAX_EVENTS as u64 {
            let kind = joined(&format!("a{sequence}"));
            lines.extend(fold.push(Event { sequence, time: 0, kind }, true, Instant::now()));
        }
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].text(), "(earlier) --- 2048 people joined: a0, a1 and 2046 more ---");
        let kind = joined("b");
        let lines = fold.push(Event { sequence: 9, time: 0, kind }, false, Instant::now());
        assert_eq!(lines[0].text(), "(earlier) User [a2048] joined");
    }
}
