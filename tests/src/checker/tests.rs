//! Each test breaks a good history in one way, and the checker must find it.

use super::*;
use crate::history::{Accepted, Delivery};
use chat_common::wire::protocol::Event;
use std::time::Duration;

/// Ann joins (sequence 1), then Bob (2), then Cid (3). Ann says "one" (4), Bob says "two" (5), Ann says
/// "three" (6). A message is sent, accepted and received at three successive steps of the clock.
fn good() -> Vec<MemberHistory> {
    let start = Instant::now();
    let at = |step: u64| start + Duration::from_secs(step);
    let sent = |message_id, text: &str, step, sequence| Sent {
        message_id,
        text: text.to_owned(),
        recipient: None,
        at: at(step),
        accepted: Some(Accepted { room: 7, sequence, at: at(step + 1) }),
    };
    let delivery = |step, sequence, kind| Delivery { at: at(step), event: Event { sequence, time: 0, kind } };
    let message = |author: &str, message_id, text: &str| EventKind::Message {
        author: author.to_owned(),
        message_id,
        repeated: false,
        text: text.to_owned(),
    };
    let joined = |name: &str| EventKind::Joined { name: name.to_owned() };
    let session =
        |join_sequence, deliveries| vec![SessionHistory { room: 7, join_sequence, deliveries, stayed: true }];
    let one = |step| delivery(step, 4, message("ann", 1, "one"));
    let two = |step| delivery(step, 5, message("bob", 1, "two"));
    let three = |step| delivery(step, 6, message("ann", 2, "three"));
    vec![
        MemberHistory {
            name: "ann".to_owned(),
            sent: vec![sent(1, "one", 10, 4), sent(2, "three", 30, 6)],
            sessions: session(1, vec![delivery(1, 2, joined("bob")), delivery(2, 3, joined("cid")), two(22)]),
        },
        MemberHistory {
            name: "bob".to_owned(),
            sent: vec![sent(1, "two", 20, 5)],
            sessions: session(2, vec![delivery(2, 3, joined("cid")), one(12), three(32)]),
        },
        MemberHistory {
            name: "cid".to_owned(),
            sent: vec![],
            sessions: session(3, vec![one(12), two(22), three(32)]),
        },
    ]
}

/// The indices of the members in the list that `good` returns.
const ANN: usize = 0;
const BOB: usize = 1;
const CID: usize = 2;

/// Breaks the good history, and checks that a violation contains `expected`.
fn finds(expected: &str, break_history: impl FnOnce(&mut [MemberHistory])) {
    let mut members = good();
    break_history(&mut members);
    let violations = check(&members);
    assert!(
        violations.iter().any(|violation| violation.contains(expected)),
        "{expected:?} is not in {violations:#?}"
    );
}

fn deliveries(members: &mut [MemberHistory], member: usize) -> &mut Vec<Delivery> {
    &mut members[member].sessions[0].deliveries
}

fn set_text(delivery: &mut Delivery, new: &str) {
    if let EventKind::Message { text, .. } = &mut delivery.event.kind {
        *text = new.to_owned();
    }
}

#[test]
fn a_good_history_has_no_violations() {
    assert_eq!(check(&good()), Vec::<String>::new());
}

#[test]
fn a_message_that_one_recipient_does_not_receive_is_found() {
    finds("cid never received sequence 5", |members| drop(deliveries(members, CID).remove(1)));
}

#[test]
fn a_message_that_no_recipient_receives_is_found() {
    finds("cid never received sequence 4", |members| {
        deliveries(members, BOB).remove(1);
        deliveries(members, CID).remove(0);
    });
}

#[test]
fn a_join_that_one_recipient_does_not_receive_is_found() {
    finds("ann never received sequence 3", |members| drop(deliveries(members, ANN).remove(1)));
}

#[test]
fn a_join_that_no_recipient_receives_is_found() {
    finds("ann never received sequence 3", |members| {
        deliveries(members, ANN).remove(1);
        deliveries(members, BOB).remove(0);
    });
}

#[test]
fn a_message_that_is_delivered_twice_is_found() {
    finds("\"three\" } twice", |members| {
        let again = deliveries(members, CID)[2].clone();
        deliveries(members, CID).push(again);
    });
}

#[test]
fn a_message_with_two_sequences_is_found() {
    finds("has two sequences, 6 and 7", |members| {
        let mut again = deliveries(members, CID)[2].clone();
        again.event.sequence = 7;
        deliveries(members, CID).push(again);
    });
}

#[test]
fn a_message_that_is_delivered_again_after_a_restart_is_found() {
    finds("\"three\" } twice", |members| {
        let mut again = deliveries(members, CID)[2].clone();
        again.event.sequence = 2;
        members[CID].sessions.push(SessionHistory { deliveries: vec![again], ..SessionHistory::new(8, 1) });
    });
}

#[test]
fn a_message_that_nobody_sent_is_found() {
    finds("which nobody sent", |members| set_text(&mut deliveries(members, CID)[2], "four"));
}

#[test]
fn a_message_under_the_name_of_another_author_is_found() {
    finds("which nobody sent", |members| {
        if let EventKind::Message { author, .. } = &mut deliveries(members, CID)[1].event.kind {
            *author = "ann".to_owned();
        }
    });
}

#[test]
fn two_events_with_one_sequence_are_found() {
    finds("sequence 5 is", |members| {
        deliveries(members, CID)[1].event.kind = EventKind::Joined { name: "dan".to_owned() }
    });
}

#[test]
fn two_messages_that_are_accepted_with_one_sequence_are_found() {
    finds("sequence 5 is", |members| members[ANN].sent[1].accepted.as_mut().unwrap().sequence = 5);
}

#[test]
fn sequences_that_fall_are_found() {
    finds("cid received sequence 4", |members| deliveries(members, CID).swap(0, 1));
}

#[test]
fn a_recipient_that_sees_another_order_is_found() {
    finds("sequence 4 is", |members| {
        let deliveries = deliveries(members, CID);
        deliveries.swap(0, 1);
        deliveries[0].event.sequence = 4;
        deliveries[1].event.sequence = 5;
    });
}

#[test]
fn messages_of_one_author_in_the_wrong_order_are_found() {
    finds("ann sent \"three\" before \"one\"", |members| members[ANN].sent.swap(0, 1));
}

#[test]
fn an_order_against_real_time_is_found() {
    // Bob's "two" is accepted before Ann begins to send "one", so it must have the lower sequence.
    finds("\"two\" (5) was accepted", |members| {
        let early = members[ANN].sent[0].at - Duration::from_secs(5);
        members[BOB].sent[0].at = early;
        members[BOB].sent[0].accepted.as_mut().unwrap().at = early;
    });
}

#[test]
fn a_message_that_arrives_before_it_is_sent_is_found() {
    finds("before it was sent", |members| {
        let early = members[ANN].sent[0].at - Duration::from_secs(5);
        deliveries(members, CID)[0].at = early;
    });
}

#[test]
fn an_author_that_receives_its_own_message_is_found() {
    finds("ann received its own message", |members| {
        let own = deliveries(members, CID)[2].clone();
        deliveries(members, ANN).push(own);
    });
}

#[test]
fn a_member_that_receives_its_own_join_is_found() {
    finds("cid received its own join", |members| {
        let mut own = deliveries(members, ANN)[1].clone();
        own.event.sequence = 3;
        deliveries(members, CID).insert(0, own);
    });
}

#[test]
fn a_private_message_to_the_wrong_recipient_is_found() {
    finds("which is for bob alone", |members| members[ANN].sent[0].recipient = Some("bob".to_owned()));
}

#[test]
fn a_private_message_that_its_recipient_does_not_receive_is_found() {
    finds("ann never received sequence 5", |members| {
        members[BOB].sent[0].recipient = Some("ann".to_owned());
        deliveries(members, ANN).remove(2);
        deliveries(members, CID).remove(1);
    });
}

#[test]
fn an_event_after_the_end_of_the_room_is_found() {
    finds("after the end of the room", |members| {
        let end = Event { sequence: 0, time: 0, kind: EventKind::Ended { reason: String::new() } };
        let at = deliveries(members, CID)[0].at;
        deliveries(members, CID).insert(1, Delivery { at, event: end });
    });
}

#[test]
fn events_that_the_server_reports_as_missed_may_be_absent() {
    let mut members = good();
    let missed = Event { sequence: 5, time: 0, kind: EventKind::Missed { first: 4, messages: true } };
    let at = deliveries(&mut members, CID)[1].at;
    deliveries(&mut members, CID).splice(0..2, [Delivery { at, event: missed }]);
    assert_eq!(check(&members), Vec::<String>::new());
}

#[test]
fn a_member_that_leaves_early_may_lack_what_follows() {
    let mut members = good();
    deliveries(&mut members, CID).truncate(1);
    assert_eq!(check(&members).len(), 2);
    members[CID].sessions[0].stayed = false;
    assert_eq!(check(&members), Vec::<String>::new());
}
