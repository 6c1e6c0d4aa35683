//! Finds a message's way through a server in a trace: who wakes whom, and who waits for what.
//!
//! The way begins at the last mark *accepted* and follows the arrows of the trace. It has no times. What the
//! scheduler decides is left out, such as a wait for a lock. So the way is the same each time.

use crate::trace::{Action, Event};
use std::collections::{BTreeMap, BTreeSet};

/// A message's way.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// The threads that take part, in the order of waking, and then of their names.
    pub lanes: Vec<Lane>,
    /// From the stop at which a thread wakes another one, to the stop at which that one wakes.
    pub arrows: BTreeSet<(Place, Place)>,
}

/// The number of a lane, and that of a stop in it.
pub type Place = (usize, usize);

/// What one thread does on the way.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lane {
    /// The name of the thread.
    pub name: String,
    /// What it does, one after the other.
    pub stops: Vec<Stop>,
}

/// A thing that a thread does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It sleeps. The text says for what.
    Waits(String),
    /// It does something with the message, or begins.
    Does(String),
}

/// The slices in which a thread sleeps. What wakes another thread is a slice, too, and none of these.
const WAITS: [&str; 6] = [
    "waits for the channel",
    "waits for the condition",
    "waits for the scope's threads",
    "waits for the client's reply",
    "reads",
    "accept",
];

/// The slice of a thread that has just been started.
const BEGINS: &str = "begins";

/// A thread's part in the trace.
#[derive(Debug, Default)]
struct Thread<'a> {
    name: &'a str,
    actions: Vec<&'a Action>,
}

impl Thread<'_> {
    /// The slice in which this action lies: the last one that has begun before and has not ended.
    fn slice_at(&self, action: usize) -> Option<(usize, &str)> {
        let mut open = Vec::new();
        for (number, action) in self.actions[..action].iter().enumerate() {
            match action {
                Action::Begins(name) => open.push((number, name.as_str())),
                Action::Ends => drop(open.pop()),
                _ => {}
            }
        }
        open.pop()
    }

    /// Whether this action ends a wait that a picture shows, or is the beginning of the thread.
    fn is_on_the_way(&self, action: usize) -> bool {
        self.slice_at(action).is_some_and(|(_, name)| WAITS.contains(&name) || name == BEGINS)
    }
}

/// An action of a thread: the number of the thread, and of the action in it.
type Moment = (u64, usize);

/// Finds the way of the last message in a trace.
///
/// # Errors
/// When the trace has no message.
pub fn find(trace: &[Event]) -> Result<Way, String> {
    let mut threads = BTreeMap::<u64, Thread<'_>>::new();
    let mut accepted = None;
    let mut wakings = BTreeMap::<u64, Moment>::new();
    for (number, action) in trace {
        let thread = threads.entry(*number).or_default();
        let moment = (*number, thread.actions.len());
        match action {
            Action::Named(name) => thread.name = name,
            Action::Mark(name) if name == "accepted" => accepted = Some(moment),
            Action::Woken(arrow) => drop(wakings.insert(*arrow, moment)),
            _ => {}
        }
        thread.actions.push(action);
    }
    // What is not one of these is a lock. Whether a thread waits for one is a matter of chance.
    wakings.retain(|_, (thread, action)| threads[thread].is_on_the_way(*action));
    let first = accepted.ok_or("this trace has no message")?;
    Ok(follow(&threads, &wakings, first))
}

/// Follows the arrows from the first moment on, wave after wave.
fn follow(threads: &BTreeMap<u64, Thread<'_>>, wakings: &BTreeMap<u64, Moment>, first: Moment) -> Way {
    let mut way = Way::default();
    let mut seen = BTreeSet::new();
    let (mut sources, mut ends) = (Vec::new(), BTreeMap::new());
    let mut wave = vec![first];
    while !wave.is_empty() {
        wave.sort_by_key(|(thread, action)| (threads[thread].name, *action));
        let mut next = Vec::new();
        for (thread, entry) in wave {
            if seen.insert(thread) {
                let (lane, woken, wakes) = lane(&threads[&thread], entry);
                let number = way.lanes.len();
                way.lanes.push(lane);
                ends.extend(woken.into_iter().map(|(arrow, stop)| (arrow, (number, stop))));
                next.extend(wakes.iter().filter_map(|(arrow, _)| wakings.get(arrow)));
                sources.extend(wakes.into_iter().map(|(arrow, stop)| (arrow, (number, stop))));
            }
        }
        wave = next;
    }
    let arrows = sources.into_iter().filter_map(|(arrow, source)| Some((source, *ends.get(&arrow)?)));
    way.arrows = arrows.collect();
    way
}

/// The numbers of arrows, each with the stop at which it begins or ends.
type Arrows = Vec<(u64, usize)>;

/// Returns what a thread does from its entry on, the arrows that end there, and those that begin there.
fn lane(thread: &Thread<'_>, entry: usize) -> (Lane, Arrows, Arrows) {
    // A thread that is woken was waiting before.
    let first = thread.slice_at(entry).map_or(entry, |(begin, _)| begin);
    let mut lane = Lane { name: thread.name.to_owned(), stops: Vec::new() };
    let (mut woken, mut wakes) = (Vec::new(), Vec::new());
    for (number, action) in thread.actions.iter().enumerate().skip(first) {
        let last = lane.stops.len().saturating_sub(1);
        match action {
            Action::Begins(name) if WAITS.contains(&name.as_str()) => {
                lane.stops.push(Stop::Waits(name.clone()));
            }
            Action::Begins(name) if name == BEGINS => lane.stops.push(Stop::Does(name.clone())),
            Action::Mark(name) => lane.stops.push(Stop::Does(name.clone())),
            Action::Wakes(arrow) => wakes.push((*arrow, last)),
            Action::Woken(arrow) if thread.is_on_the_way(number) => woken.push((*arrow, last)),
            _ => {}
        }
    }
    (lane, woken, wakes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(events: &[(u64, Action)]) -> Vec<Event> {
        events.to_vec()
    }

    fn begins(name: &str) -> Action {
        Action::Begins(name.to_owned())
    }

    fn mark(name: &str) -> Action {
        Action::Mark(name.to_owned())
    }

    #[test]
    fn the_way_follows_the_arrows_and_leaves_out_locks_and_other_messages() {
        let trace = trace(&[
            (1, Action::Named("from ann".to_owned())),
            (2, Action::Named("broadcaster".to_owned())),
            (3, Action::Named("from bob".to_owned())),
            (3, mark("accepted")),
            (2, begins("waits for the channel")),
            (1, mark("accepted")),
            (1, begins("sends")),
            (1, Action::Wakes(7)),
            (1, Action::Ends),
            (2, Action::Woken(7)),
            (2, Action::Ends),
            (1, begins("reads")),
            (2, begins("waits for the lock")),
            (1, Action::Wakes(8)),
            (2, Action::Woken(8)),
            (2, Action::Ends),
            (2, mark("passed on")),
        ]);
        let does = |text: &str| Stop::Does(text.to_owned());
        let waits = |text: &str| Stop::Waits(text.to_owned());
        let way = find(&trace).unwrap();
        let lanes: Vec<_> =
            way.lanes.iter().map(|lane| (lane.name.as_str(), lane.stops.as_slice())).collect();
        assert_eq!(
            lanes,
            [
                ("from ann", &[does("accepted"), waits("reads")][..]),
                ("broadcaster", &[waits("waits for the channel"), does("passed on")][..]),
            ]
        );
        assert_eq!(way.arrows, BTreeSet::from([((0, 0), (1, 0))]));
    }

    #[test]
    fn a_trace_without_a_message_has_no_way() {
        assert!(find(&trace(&[(1, begins("accept"))])).is_err());
    }
}
