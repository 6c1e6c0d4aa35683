//! A journal that is put back from a copy: what was said after the copy is lost, and nothing that is said
//! later. Real programs.

use crate::journal::{field, Place};
use chat_common::wire::protocol::{Cause, Join, Place as PlaceInRoom, Reply, Request};
use chat_tests::{
    member::Member,
    process::Program,
    raw::{random_token, RawPeer},
};
use std::process::Command;

fn copy(from: &str, to: &str) {
    let _ = std::fs::remove_dir_all(to);
    assert!(Command::new("cp").args(["-a", from, to]).status().unwrap().success());
}

fn kill(mut server: Program) {
    server.signal("KILL");
    server.exits();
}

#[test]
fn a_client_that_is_ahead_of_a_room_that_is_put_back_says_so_and_shows_what_is_new_there() {
    let place = Place::new();
    let saved = format!("{}.saved", place.journal);
    let server = place.start(&[]);
    let mut ann = Program::joined_client(place.address(), "Ann");
    let bob = Program::joined_client(place.address(), "Bob");
    let cem = Program::client(place.address(), "Cem", &["--json", "--stay"]);
    cem.sees("\"connected\"");
    ann.types("before the copy");
    bob.sees("[Ann] before the copy");
    cem.sees("before the copy");
    kill(server);
    copy(&place.journal, &saved);

    let server = place.start(&[]);
    bob.sees("--- connected again ---");
    cem.sees("\"regained\"");
    for number in 0..10 {
        ann.types(&format!("lost {number}"));
    }
    bob.sees("[Ann] lost 9");
    cem.sees("lost 9");
    kill(server);
    copy(&saved, &place.journal);
    let checked = String::from_utf8(place.run("--check").stdout).unwrap();

    let server = place.start(&[]);
    bob.sees("--- connected again: the room was put back from a copy");
    cem.sees("\"put-back\"");
    ann.types("new one");
    bob.sees("[Ann] new one");
    cem.sees("new one");
    let output = bob.output();
    assert_eq!(output.matches("before the copy").count(), 1, "what was shown is not shown again: {output}");
    let last: u64 = checked.trim().rsplit(' ').next().unwrap().parse().unwrap();
    let put_back = cem.lines().into_iter().find(|line| line.contains("\"put-back\"")).unwrap();
    let join: u64 = field(&put_back, "sequence").unwrap().parse().unwrap();
    assert!(last < join && join <= last + 8, "{checked}: {put_back}");
    drop(server);
}

#[test]
fn a_number_from_the_future_is_no_place_in_the_room() {
    let place = Place::new();
    let _server = place.start(&[]);
    let mut ann = Member::join(place.address(), "ann");
    let last = ann.say("hello");
    let mut raw = RawPeer::connect_call(place.address()).unwrap();
    let join = Join { resume: Some(last + 1), ..Join::new("ann", ann.token(), 0) };
    match raw.ask(&Request::Join(join)) {
        Ok(Reply::Refused(refusal)) => assert_eq!(refusal.cause, Cause::UnknownSession),
        other => panic!("{other:?}"),
    }
    // What is said next is heard by who names a place that the room does not have yet.
    let room = ann.history().sessions[0].room;
    let since = Some(PlaceInRoom { room, sequence: last + 1_000 });
    let join = Join { since, history: 10, ..Join::new("bob", random_token(), 0) };
    let joined = match raw.ask(&Request::Join(join)) {
        Ok(Reply::Joined(joined)) => joined,
        other => panic!("{other:?}"),
    };
    assert_eq!(joined.sequence, last + 1);
    assert!(ann.resume().is_ok(), "the place that she has is one");
}
