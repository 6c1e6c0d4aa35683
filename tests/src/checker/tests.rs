//! Each way of breaking the promise, done once to a good history: the checker must find it.

use super::*;
use crate::history::{Accepted, Seen};
use chat_common::protocol::Event;
use std::time::Duration;

/// Ann (joined at 1), Bob (at 2) and Cid (at 3). Ann says "one" (4), Bob says "two" (5), Ann says "three" (6).
/// Each message is sent, then accepted, then heard, one step of the clock apart.
fn good() -> Vec<Person> {
    let start = Instant::now();
    let at = |step: u64| start + Duration::from_secs(step);
    let sent = |message_id, text: &str, step, sequence| Sent {
        message_id,
        text: text.to_owned(),
        to: None,
        at: at(step),
        accepted: Some(Accepted { room: 7, sequence, at: at(step + 1) }),
    };
    let seen = |step, sequence, kind| Seen { at: at(step), event: Event { sequence, time: 0, kind } };
    let message = |author: &str, message_id, text: &str| EventKind::Message {
        author: author.to_owned(),
        message_id,
        text: text.to_owned(),
    };
    let joined = |name: &str| EventKind::Joined { name: name.to_owned() };
    let visit = |sequence, seen| vec![Visit { room: 7, joined: sequence, seen, stayed: true }];
    let one = |step| seen(step, 4, message("ann", 1, "one"));
    let two = |step| seen(step, 5, message("bob", 1, "two"));
    let three = |step| seen(step, 6, message("ann", 2, "three"));
    vec![
        Person {
            name: "ann".to_owned(),
            sent: vec![sent(1, "one", 10, 4), sent(2, "three", 30, 6)],
            visits: visit(1, vec![seen(1, 2, joined("bob")), seen(2, 3, joined("cid")), two(22)]),
        },
        Person {
            name: "bob".to_owned(),
            sent: vec![sent(1, "two", 20, 5)],
            visits: visit(2, vec![seen(2, 3, joined("cid")), one(12), three(32)]),
        },
        Person { name: "cid".to_owned(), sent: vec![], visits: visit(3, vec![one(12), two(22), three(32)]) },
    ]
}

/// The good history, broken, is found out with these words.
fn caught(expected: &str, breaking: impl FnOnce(&mut [Person])) {
    let mut people = good();
    breaking(&mut people);
    let violations = check(&people);
    assert!(
        violations.iter().any(|violation| violation.contains(expected)),
        "{expected:?} not in {violations:#?}"
    );
}

fn seen(people: &mut [Person], who: usize) -> &mut Vec<Seen> {
    &mut people[who].visits[0].seen
}

fn set_text(seen: &mut Seen, new: &str) {
    if let EventKind::Message { text, .. } = &mut seen.event.kind {
        *text = new.to_owned();
    }
}

#[test]
fn a_good_history_is_clean() {
    assert_eq!(check(&good()), Vec::<String>::new());
}

#[test]
fn a_lost_message() {
    caught("cid never got place 5", |people| drop(seen(people, 2).remove(1)));
}

#[test]
fn a_message_that_nobody_at_all_received() {
    caught("cid never got place 4", |people| {
        seen(people, 1).remove(1);
        seen(people, 2).remove(0);
    });
}

#[test]
fn a_lost_join() {
    caught("ann never got place 3", |people| drop(seen(people, 0).remove(1)));
}

#[test]
fn a_join_lost_to_all() {
    caught("ann never got place 3", |people| {
        seen(people, 0).remove(1);
        seen(people, 1).remove(0);
    });
}

#[test]
fn a_repeated_delivery() {
    caught("cid heard", |people| {
        let again = seen(people, 2)[2].clone();
        seen(people, 2).push(again);
    });
}

#[test]
fn a_message_with_two_places() {
    caught("has two places, 6 and 7", |people| {
        let mut again = seen(people, 2)[2].clone();
        again.event.sequence = 7;
        seen(people, 2).push(again);
    });
}

#[test]
fn a_message_heard_again_after_a_restart() {
    caught("cid heard Message", |people| {
        let mut again = seen(people, 2)[2].clone();
        again.event.sequence = 2;
        people[2].visits.push(Visit { seen: vec![again], ..Visit::new(8, 1) });
    });
}

#[test]
fn an_invented_message() {
    caught("which nobody has said", |people| set_text(&mut seen(people, 2)[2], "four"));
}

#[test]
fn a_message_under_another_name() {
    caught("which nobody has said", |people| {
        if let EventKind::Message { author, .. } = &mut seen(people, 2)[1].event.kind {
            *author = "ann".to_owned();
        }
    });
}

#[test]
fn two_messages_at_one_place() {
    caught("place 5 holds", |people| {
        seen(people, 2)[1].event.kind = EventKind::Joined { name: "dan".to_owned() }
    });
}

#[test]
fn two_messages_accepted_at_one_place() {
    caught("place 5 holds", |people| people[0].sent[1].accepted.as_mut().unwrap().sequence = 5);
}

#[test]
fn a_recipient_with_an_order_of_her_own() {
    caught("cid got place 4", |people| seen(people, 2).swap(0, 1));
}

#[test]
fn two_orders() {
    caught("place 4 holds", |people| {
        let seen = seen(people, 2);
        seen.swap(0, 1);
        seen[0].event.sequence = 4;
        seen[1].event.sequence = 5;
    });
}

#[test]
fn an_authors_words_swapped() {
    caught("ann sent \"three\" before \"one\"", |people| people[0].sent.swap(0, 1));
}

#[test]
fn real_time_turned_round() {
    // Bob's "two" was accepted before Ann began to send "one": it must have the lower place.
    caught("\"two\" was accepted", |people| {
        let early = people[0].sent[0].at - Duration::from_secs(5);
        people[1].sent[0].at = early;
        people[1].sent[0].accepted.as_mut().unwrap().at = early;
    });
}

#[test]
fn a_message_heard_before_it_was_said() {
    caught("before it was said", |people| {
        let early = people[0].sent[0].at - Duration::from_secs(5);
        seen(people, 2)[0].at = early;
    });
}

#[test]
fn an_echo() {
    caught("ann heard herself", |people| {
        let own = seen(people, 2)[2].clone();
        seen(people, 0).push(own);
    });
}

#[test]
fn a_private_word_in_the_wrong_ear() {
    caught("which was for bob alone", |people| people[0].sent[0].to = Some("bob".to_owned()));
}

#[test]
fn a_private_word_that_is_lost() {
    caught("ann never got place 5", |people| {
        people[1].sent[0].to = Some("ann".to_owned());
        seen(people, 0).remove(2);
        seen(people, 2).remove(1);
    });
}

#[test]
fn words_after_the_end() {
    caught("after the end of the room", |people| {
        let end = Event { sequence: 0, time: 0, kind: EventKind::Ended { reason: String::new() } };
        let at = seen(people, 2)[0].at;
        seen(people, 2).insert(1, Seen { at, event: end });
    });
}

#[test]
fn what_she_was_told_is_missing_may_be_missing() {
    let mut people = good();
    let told = Event { sequence: 5, time: 0, kind: EventKind::Missed { first: 4 } };
    let at = seen(&mut people, 2)[1].at;
    seen(&mut people, 2).splice(0..2, [Seen { at, event: told }]);
    assert_eq!(check(&people), Vec::<String>::new());
}

#[test]
fn who_left_is_owed_nothing_more() {
    let mut people = good();
    seen(&mut people, 2).truncate(1);
    assert_eq!(check(&people).len(), 2);
    people[2].visits[0].stayed = false;
    assert_eq!(check(&people), Vec::<String>::new());
}
