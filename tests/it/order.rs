//! All members see one order of events, even when many speak, join and leave at the same time.

use chat_tests::{checker::assert_clean, history::MemberHistory, member::Member, server::TestServer};
use std::thread;

#[test]
fn all_members_see_one_order_when_all_speak_at_once() {
    const EACH: usize = 200;
    let server = TestServer::start();
    let names = ["ann", "bob", "cid", "dan", "eve", "fay"];
    let mut members = names.map(|name| Member::join(server.address(), name));
    thread::scope(|scope| {
        for member in &mut members {
            scope.spawn(move || {
                for number in 0..EACH {
                    member.say(&format!("{} {number}", member.name()));
                }
            });
        }
    });
    members[0].say("ann is done");
    let end = members[1].say("bob is done");
    members[0].hear_up_to(end);
    for member in &members[2..] {
        member.hear_up_to(end);
    }
    members[1].hear_text("ann is done");
    let histories: Vec<MemberHistory> = members.iter().map(Member::history).collect();
    assert_clean(|| &histories);
    assert_eq!(members[2].texts().len(), (names.len() - 1) * EACH + 2);
}

#[test]
fn joins_and_leaves_are_part_of_the_one_order() {
    const ROUNDS: usize = 20;
    let server = TestServer::start();
    let mut ann = Member::join(server.address(), "ann");
    let bob = Member::join(server.address(), "bob");
    let address = server.address();
    let (ann, newcomers) = thread::scope(|scope| {
        let speaker = scope.spawn(move || {
            for number in 0..ROUNDS * 10 {
                ann.say(&format!("ann {number}"));
            }
            ann
        });
        let newcomers = ["x", "y", "z"].map(|name| {
            scope.spawn(move || {
                (0..ROUNDS)
                    .map(|round| {
                        let mut newcomer = Member::join(address, &format!("{name}{round}"));
                        newcomer.say(&format!("{name}{round} is here"));
                        if round % 2 == 0 {
                            newcomer.leave()
                        } else {
                            newcomer.crash()
                        }
                    })
                    .collect::<Vec<MemberHistory>>()
            })
        });
        let newcomers: Vec<MemberHistory> =
            newcomers.into_iter().flat_map(|newcomer| newcomer.join().unwrap()).collect();
        (speaker.join().unwrap(), newcomers)
    });
    let mut ann = ann;
    let end = ann.say("the end");
    bob.hear_up_to(end);
    let mut histories = newcomers;
    histories.push(bob.history());
    // Some leaves may still be on their way to ann.
    histories.push(ann.history().left_early());
    assert_clean(|| &histories);
}

#[test]
fn in_a_large_quiet_room_each_member_receives_only_what_is_meant_for_it() {
    const EACH: usize = 300;
    const LISTENERS: usize = 48;
    let server = TestServer::start();
    // With so many listeners the broadcaster uses its helper thread. With so few speakers the messages mostly
    // come one at a time, which is the case that the helper is for.
    let listeners: Vec<Member> =
        (0..LISTENERS).map(|number| Member::join(server.address(), &format!("listener{number}"))).collect();
    let mut speakers = ["ann", "bob", "cid"].map(|name| Member::join(server.address(), name));
    thread::scope(|scope| {
        for speaker in &mut speakers {
            scope.spawn(move || {
                for number in 0..EACH {
                    let text = format!("{} {number}", speaker.name());
                    match number % 3 {
                        0 => speaker.say_privately("listener7", &text),
                        _ => speaker.say(&text),
                    };
                }
            });
        }
    });
    let end = speakers[0].say("the end");
    for member in listeners.iter().chain(&speakers[1..]) {
        member.hear_up_to(end);
    }
    assert_eq!(listeners[7].texts().len(), speakers.len() * EACH + 1);
    assert_eq!(listeners[8].texts().len(), speakers.len() * EACH / 3 * 2 + 1);
    assert_clean(|| -> Vec<MemberHistory> {
        let spoken = speakers.iter().map(|speaker| speaker.history().left_early());
        listeners.iter().map(Member::history).chain(spoken).collect()
    });
}
