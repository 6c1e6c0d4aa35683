//! Each test breaks a good history in one way, and the checker must find it.

use super::*;
use crate::{
    history::{Accepted, Delivery, OperatorHistory, Refused},
    moderation::{CommandReply, Given, Moderation, EVERYBODY},
};
use chat_common::wire::protocol::{Cause, Event};
use std::time::Duration;

/// Ann joins (sequence 1), then Bob (2), then Cid (3). Ann says "one" (4), Bob says "two" (5), Ann says
/// "three" (6). A message is sent, accepted and received at three successive steps of the clock.
fn good() -> Vec<MemberHistory> {
    let start = Instant::now();
    let at = |step: u64| start + Duration::from_secs(step);
    let sent = |author: &str, message_id, text: &str, step, sequence| Sent {
        author: author.to_owned(),
        message_id,
        text: text.to_owned(),
        recipient: None,
        at: at(step),
        accepted: Some(Accepted { room: 7, sequence, at: at(step + 1) }),
        refused: None,
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
            sent: vec![sent("ann", 1, "one", 10, 4), sent("ann", 2, "three", 30, 6)],
            sessions: session(1, vec![delivery(1, 2, joined("bob")), delivery(2, 3, joined("cid")), two(22)]),
            ..MemberHistory::default()
        },
        MemberHistory {
            name: "bob".to_owned(),
            sent: vec![sent("bob", 1, "two", 20, 5)],
            sessions: session(2, vec![delivery(2, 3, joined("cid")), one(12), three(32)]),
            ..MemberHistory::default()
        },
        MemberHistory {
            name: "cid".to_owned(),
            sent: vec![],
            sessions: session(3, vec![one(12), two(22), three(32)]),
            ..MemberHistory::default()
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

/// As the good history, and a teacher is there who mutes Bob after "two", and ends that. Meanwhile Bob is
/// refused "four", which he sends at step 42.
fn moderated() -> Vec<MemberHistory> {
    let mut members = good();
    let start = members[ANN].sent[0].at - Duration::from_secs(10);
    let at = |step: u64| start + Duration::from_secs(step);
    let given = |command, step, words: &str| Given {
        command,
        at: at(step),
        reply: Some(CommandReply { at: at(step + 1), words: Ok(words.to_owned()) }),
    };
    let (name, reason) = ("bob".to_owned(), "too loud".to_owned());
    let commands = vec![
        given(Moderation::Mute { name: name.clone(), reason }, 40, "muted: bob"),
        given(Moderation::Unmute { name }, 50, "no longer muted: bob"),
        given(Moderation::Say { text: "a break".to_owned() }, 60, "said"),
    ];
    members.push(MemberHistory {
        operator: Some(OperatorHistory { since: start, commands }),
        ..MemberHistory::new("teacher")
    });
    members[BOB].sent.push(Sent {
        author: "bob".to_owned(),
        message_id: 2,
        text: "four".to_owned(),
        recipient: None,
        at: at(42),
        accepted: None,
        refused: Some(Refused { cause: Cause::Muted, at: at(43) }),
    });
    for (member, step, sequence, text) in [
        (BOB, 41, 7, "the operator has muted you for 24h: too loud; you can read on, and leave"),
        (BOB, 51, 8, "you are no longer muted"),
        (ANN, 61, 9, "a break"),
        (BOB, 61, 9, "a break"),
        (CID, 61, 9, "a break"),
    ] {
        let kind = EventKind::Notice { text: text.to_owned() };
        deliveries(&mut members, member)
            .push(Delivery { at: at(step), event: Event { sequence, time: 0, kind } });
    }
    members
}

/// Breaks the moderated history, and checks that a violation contains `expected`.
fn finds_in_a_class(expected: &str, break_history: impl FnOnce(&mut [MemberHistory])) {
    assert_eq!(check(&moderated()), Vec::<String>::new());
    let mut members = moderated();
    break_history(&mut members);
    let violations = check(&members);
    assert!(
        violations.iter().any(|violation| violation.contains(expected)),
        "{expected:?} is not in {violations:#?}"
    );
}

/// Lets Bob's last message be accepted.
fn accept_four(members: &mut [MemberHistory]) {
    let four = members[BOB].sent.last_mut().unwrap();
    let at = four.refused.take().unwrap().at;
    four.accepted = Some(Accepted { room: 7, sequence: 10, at });
}

fn commands(members: &mut [MemberHistory]) -> &mut Vec<Given> {
    &mut members[3].operator.as_mut().unwrap().commands
}

#[test]
fn a_message_of_a_muted_member_that_is_accepted_is_found() {
    finds_in_a_class("bob was muted or banned, and said \"four\"", accept_four);
}

#[test]
fn the_mute_of_everybody_and_a_ban_bind_as_well() {
    let reason = || "too loud".to_owned();
    let (everybody, whom) = (EVERYBODY.to_owned(), "127.0.0.9".to_owned());
    for (begins, ends) in [
        (
            Moderation::Mute { name: everybody.clone(), reason: reason() },
            Moderation::Unmute { name: everybody },
        ),
        (Moderation::Ban { whom: whom.clone(), reason: reason() }, Moderation::Unban { whom }),
    ] {
        finds_in_a_class("bob was muted or banned", |members| {
            commands(members)[0].command = begins;
            commands(members)[1].command = ends;
            members[BOB].address = Some("127.0.0.9".parse().unwrap());
            accept_four(members);
        });
    }
}

#[test]
fn a_message_that_is_refused_and_delivered_is_found() {
    finds_in_a_class("bob was refused \"four\", which was delivered", |members| {
        let mut four = deliveries(members, CID)[2].clone();
        four.event.sequence = 10;
        four.at += Duration::from_secs(60);
        if let EventKind::Message { author, message_id, text, .. } = &mut four.event.kind {
            (*author, *message_id, *text) = ("bob".to_owned(), 2, "four".to_owned());
        }
        deliveries(members, CID).push(four);
    });
}

#[test]
fn a_member_that_is_refused_and_not_muted_is_found() {
    finds_in_a_class("bob was not muted, and was refused \"four\"", |members| {
        let four = members[BOB].sent.last_mut().unwrap();
        four.at += Duration::from_secs(60);
        four.refused.as_mut().unwrap().at += Duration::from_secs(60);
    });
}

#[test]
fn a_reply_that_somebody_else_reads_is_found() {
    finds_in_a_class("cid was told \"muted: bob\", which no command says", |members| {
        let mut reply = deliveries(members, CID).last().unwrap().clone();
        reply.event =
            Event { sequence: 10, time: 0, kind: EventKind::Notice { text: "muted: bob".to_owned() } };
        deliveries(members, CID).push(reply);
    });
}

#[test]
fn a_mute_that_another_member_reads_and_one_that_is_told_twice_are_found() {
    finds_in_a_class("cid was told \"the operator has muted you", |members| {
        let notice = deliveries(members, BOB)[3].clone();
        deliveries(members, CID).insert(3, notice);
    });
    finds_in_a_class("bob was told of /mute bob 24h too loud 2 times", |members| {
        let mut again = deliveries(members, BOB)[3].clone();
        again.event.sequence = 10;
        again.at += Duration::from_secs(60);
        deliveries(members, BOB).push(again);
    });
}

#[test]
fn a_notice_that_one_or_all_do_not_receive_is_found() {
    finds_in_a_class("cid never received sequence 9", |members| drop(deliveries(members, CID).pop()));
    finds_in_a_class("/say a break was given 1 times, and said 0 times", |members| {
        for member in [ANN, BOB, CID] {
            deliveries(members, member).pop();
        }
    });
}

#[test]
fn a_wrong_reply_and_a_refusal_without_a_cause_are_found() {
    finds_in_a_class("the reply to /mute bob 24h too loud is Ok(\"muted: cid\")", |members| {
        commands(members)[0].reply.as_mut().unwrap().words = Ok("muted: cid".to_owned());
    });
    finds_in_a_class("the reply to /unmute bob is Err(\"not muted\")", |members| {
        commands(members)[1].reply.as_mut().unwrap().words = Err("not muted".to_owned());
    });
}

/// Cid is removed after everything else, and Ann and Bob read it.
fn remove_cid(members: &mut [MemberHistory], words: &str) {
    let mut left = deliveries(members, BOB).last().unwrap().clone();
    let kick = Moderation::Kick { name: "cid".to_owned(), reason: "enough".to_owned() };
    let reply = CommandReply { at: left.at, words: Ok("removed: cid".to_owned()) };
    commands(members).push(Given { command: kick, at: left.at, reply: Some(reply) });
    let reason = Some("removed: enough".to_owned());
    left.event = Event { sequence: 10, time: 0, kind: EventKind::Left { name: "cid".to_owned(), reason } };
    for member in [ANN, BOB] {
        deliveries(members, member).push(left.clone());
    }
    members[CID].removals.push(format!("the operator removed you from the room: {words}"));
    members[CID].sessions[0].stayed = false;
}

#[test]
fn a_removed_member_that_goes_on_or_reads_another_reason_is_found() {
    let mut members = moderated();
    remove_cid(&mut members, "enough");
    assert_eq!(check(&members), Vec::<String>::new());
    finds_in_a_class("cid was removed with the words", |members| remove_cid(members, "nothing"));
    finds_in_a_class("cid was removed at 10, and went on to 11", |members| {
        remove_cid(members, "enough");
        let mut late = deliveries(members, CID).last().unwrap().clone();
        late.event.sequence = 11;
        late.event.kind = EventKind::Joined { name: "dan".to_owned() };
        deliveries(members, CID).push(late);
    });
}

#[test]
fn a_departure_that_is_read_twice_is_found() {
    finds_in_a_class("of cid, who was not here", |members| {
        remove_cid(members, "enough");
        let mut again = deliveries(members, ANN).last().unwrap().clone();
        again.event.sequence = 11;
        deliveries(members, ANN).push(again);
    });
}

#[test]
fn a_member_with_another_name_is_still_itself() {
    let mut members = good();
    let start = members[ANN].sent[1].at;
    members[BOB].later_names.push("rob".to_owned());
    let (from, to) = ("bob".to_owned(), "rob".to_owned());
    let renamed = Event { sequence: 7, time: 0, kind: EventKind::Renamed { from, to } };
    let message = EventKind::Message {
        author: "rob".to_owned(),
        message_id: 2,
        repeated: false,
        text: "four".to_owned(),
    };
    let four = Event { sequence: 8, time: 0, kind: message };
    let at = start + Duration::from_secs(12);
    for member in [ANN, CID] {
        deliveries(&mut members, member)
            .extend([renamed.clone(), four.clone()].map(|event| Delivery { at, event }));
    }
    members[BOB].sent.push(Sent {
        author: "rob".to_owned(),
        message_id: 2,
        text: "four".to_owned(),
        recipient: None,
        at: start + Duration::from_secs(10),
        accepted: Some(Accepted { room: 7, sequence: 8, at }),
        refused: None,
    });
    assert_eq!(check(&members), Vec::<String>::new());
    deliveries(&mut members, CID).remove(3);
    assert_eq!(check(&members).len(), 1);
}
