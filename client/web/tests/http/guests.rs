//! What guests see of the room and of each other, over streams that end and begin again.

use crate::harness::{Events, Gateway, Page};
use chat_tests::{
    member::Member,
    process::Program,
    server::{without_rate_limit, TestServer},
};
use serde_json::{json, Value};

#[test]
fn guests_and_a_member_talk_in_one_order() {
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let (mut ann, mut bob) = (Page::join(&gateway, "Ann"), Page::join(&gateway, "Bob"));
    let mut tom = Member::join(server.address(), "Tom");
    ann.sees("Tom", |line| line["event"] == "joined" && line["name"] == "Tom");
    tom.say("hello, guests");
    assert_eq!(
        (&ann.hears("hello, guests")["author"], &bob.hears("hello, guests")["author"]),
        (&json!("Tom"), &json!("Tom"))
    );
    assert_eq!(ann.say(&gateway, "hello, Tom", 5).status, 202);
    let accepted = ann.sees("accepted", |line| line["event"] == "accepted");
    assert_eq!((&accepted["message_id"], &accepted["text"]), (&json!(5), &json!("hello, Tom")));
    assert_eq!(bob.hears("hello, Tom")["sequence"], accepted["sequence"]);
    let body = json!({ "to": "Bob", "text": "psst", "message_id": 6 });
    assert_eq!(gateway.post("/say", &ann.secret, &body).status, 202);
    assert_eq!(bob.hears("psst")["event"], "private");
    assert_eq!(gateway.post("/say", &bob.secret, &json!({ "name": "Rob" })).status, 202);
    ann.sees("Rob", |line| line["event"] == "renamed" && line["to"] == "Rob");
    assert_eq!(gateway.post("/say", &ann.secret, &json!({ "who": true })).status, 202);
    let people = ann.sees("people", |line| line["event"] == "people");
    assert_eq!(people["names"], json!(["Ann", "Rob", "Tom"]));
    assert_eq!(gateway.post("/bye", &bob.secret, &json!({})).status, 200);
    ann.sees("Rob leaves", |line| line["event"] == "left" && line["name"] == "Rob");
    // The lines are counted for each guest, without a gap.
    let numbers: Vec<u64> = ann.stream.lines.iter().map(|line| line["line"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}

/// The lines are what `chat-client --json` prints, with one field more.
#[test]
fn a_guest_reads_what_json_prints() {
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let cid = Program::client(server.address(), "Cid", &["--json"]);
    cid.sees("\"state\":\"connected\"");
    let mut ann = Page::join(&gateway, "Ann");
    let mut tom = Member::join(server.address(), "Tom");
    for text in ["\"quoted\" \\ and <b>é🦀\u{202e}\u{1b}[2J", "two\nlines", "end"] {
        tom.say(text);
    }
    ann.hears("end");
    cid.sees("\"text\":\"end\"");
    let of_tom = |line: &&str| line.contains("\"Tom\"");
    let printed = cid.output();
    let printed: Vec<&str> = printed.lines().filter(of_tom).collect();
    let numbered = |(line, text): (&Value, &String)| {
        let number = format!(",\"line\":{}}}", line["line"]);
        format!("{}}}", text.strip_suffix(&number).unwrap())
    };
    let lines: Vec<String> = ann.stream.lines.iter().zip(&ann.stream.texts).map(numbered).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).filter(of_tom).collect();
    assert_eq!(lines, printed);
    assert_eq!(lines.len(), 4, "a join and three messages: {lines:?}");
}

#[test]
fn a_stream_that_breaks_goes_on_behind_its_last_line_and_nobody_sees_it() {
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let (mut ann, mut tom) = (Page::join(&gateway, "Ann"), Member::join(server.address(), "Tom"));
    tom.say("one");
    let last = ann.hears("one")["line"].as_u64().unwrap();
    ann.stream.close();
    tom.say("two");
    tom.say("three");
    ann.stream = Events::open(&gateway, &ann.secret, last);
    let next = ann.stream.next().unwrap();
    assert_eq!((&next["text"], next["line"].as_u64()), (&json!("two"), Some(last + 1)));
    ann.hears("three");
    let history = tom.leave();
    assert!(!format!("{history:?}").contains("Left { name: \"Ann\""), "{history:?}");
}

#[test]
fn a_page_that_was_away_for_more_lines_than_are_kept_resumes_from_its_place_and_nobody_sees_it() {
    let server = TestServer::with_limits(without_rate_limit());
    let gateway = Gateway::start(server.address(), &[]);
    let (mut ann, mut bob) = (Page::join(&gateway, "Ann"), Page::join(&gateway, "Bob"));
    let mut tom = Member::join(server.address(), "Tom");
    tom.say("before");
    ann.hears("before");
    ann.stream.close();
    for number in 0..200 {
        tom.say(&number.to_string());
    }
    bob.hears("199");
    let mut again = ann.resume(&gateway);
    let mut heard = Vec::new();
    while heard.last().map(String::as_str) != Some("199") {
        let line = again.sees("a number", |line| line["event"] == "message");
        heard.push(line["text"].as_str().unwrap().to_owned());
    }
    assert_eq!(heard, (0..200).map(|number| number.to_string()).collect::<Vec<_>>());
    tom.say("after");
    bob.hears("after");
    let seen = &bob.stream.lines;
    assert!(!seen.iter().any(|line| line["event"] == "left" || line["event"] == "back"), "{seen:?}");
}

#[test]
fn a_message_that_is_sent_again_is_said_once_also_after_the_gateway_was_killed() {
    let server = TestServer::start();
    let mut gateway = Gateway::start(server.address(), &[]);
    let (mut ann, mut bob) = (Page::join(&gateway, "Ann"), Page::join(&gateway, "Bob"));
    let tom = Member::join(server.address(), "Tom");
    for _ in 0..3 {
        assert_eq!(ann.say(&gateway, "once", 7).status, 202);
    }
    ann.sees("accepted", |line| line["event"] == "accepted");
    bob.hears("once");
    gateway.program.signal("KILL");
    assert_eq!(gateway.program.exits(), None);
    let gateway = gateway.start_again(server.address());
    assert_eq!(ann.say(&gateway, "once", 7).status, 401);
    let mut ann = ann.resume(&gateway);
    let mut bob = bob.resume(&gateway);
    assert_eq!(ann.say(&gateway, "once", 7).status, 202);
    ann.sees("accepted again", |line| line["event"] == "accepted" && line["message_id"] == 7);
    assert_eq!(ann.say(&gateway, "twice", 8).status, 202);
    bob.hears("twice");
    // An id that is older than the last one.
    assert_eq!(ann.say(&gateway, "once", 7).status, 202);
    ann.sees("refused", |line| line["event"] == "refused");
    assert!(!bob.stream.lines.iter().any(|line| line["text"] == "once"), "{:?}", bob.stream.lines);
    let history = format!("{:?}", tom.leave());
    assert_eq!(history.matches("once").count(), 1, "{history}");
}

#[test]
fn the_newest_page_has_the_guest_and_the_older_one_is_told_so() {
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let mut old = Page::join(&gateway, "Ann");
    let new = old.resume(&gateway);
    assert!(std::iter::from_fn(|| old.stream.next()).count() < 10, "its stream ends");
    assert_eq!(Events::try_open(&gateway, &old.secret, 0).err(), Some(409));
    assert_eq!(old.say(&gateway, "from the old page", 1).status, 409);
    // It closes, and that changes nothing for the page that has the guest.
    assert_eq!(gateway.post("/bye", &old.secret, &json!({})).status, 409);
    assert_eq!(new.say(&gateway, "from the new page", 2).status, 202);
}

#[test]
fn a_page_that_closes_leaves_after_ten_seconds_unless_it_comes_back() {
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let (mut ann, bob) = (Page::join(&gateway, "Ann"), Page::join(&gateway, "Bob"));
    let cid = Page::join(&gateway, "Cid");
    for page in [&bob, &cid] {
        assert_eq!(gateway.post("/bye", &page.secret, &json!({ "closing": true })).status, 200);
    }
    let mut cid = cid.resume(&gateway);
    ann.sees("Bob leaves", |line| line["event"] == "left" && line["name"] == "Bob");
    cid.sees("Bob leaves", |line| line["event"] == "left" && line["name"] == "Bob");
    assert!(!ann.stream.lines.iter().any(|line| line["event"] == "left" && line["name"] == "Cid"));
}

#[test]
fn the_server_says_why_a_guest_does_not_get_in_and_the_cause_is_named() {
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let _tom = Member::join(server.address(), "Tom");
    for (name, cause) in [("Tom", "NameTaken"), ("SYSTEM", "InvalidName"), (&"x".repeat(40), "InvalidName")] {
        let reply = gateway.post("/join", "", &json!({ "name": name }));
        let body = reply.json();
        assert_eq!((reply.status, body["cause"].as_str()), (403, Some(cause)), "{reply:?}");
        assert!(!body["refused"].as_str().unwrap().is_empty());
    }
}

#[test]
fn without_a_server_a_page_is_told_to_try_again_and_a_guest_comes_back_with_the_server() {
    let server = TestServer::start();
    let address = server.address();
    let gateway = Gateway::start(address, &[]);
    let mut ann = Page::join(&gateway, "Ann");
    server.stop();
    ann.sees("the loss", |line| line["state"] == "lost");
    let _server = TestServer::bind(&address.to_string(), without_rate_limit());
    ann.sees("the restart", |line| line["state"] == "restarted");
}

#[test]
fn a_member_hears_a_repeated_message_once_also_in_a_new_session_of_the_guest() {
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let (mut ann, mut bob) = (Page::join(&gateway, "Ann"), Page::join(&gateway, "Bob"));
    assert_eq!(ann.say(&gateway, "once", 7).status, 202);
    ann.sees("accepted", |line| line["event"] == "accepted");
    bob.hears("once");
    assert_eq!(gateway.post("/bye", &ann.secret, &json!({})).status, 200);
    bob.sees("Ann leaves", |line| line["event"] == "left");
    // The server has forgotten the session; the page does not know whether the message was said.
    let ann = ann.resume(&gateway);
    assert_eq!(ann.say(&gateway, "once", 7).status, 202);
    assert_eq!(ann.say(&gateway, "twice", 8).status, 202);
    bob.hears("twice");
    let lines = &bob.stream.lines;
    assert_eq!(lines.iter().filter(|line| line["text"] == "once").count(), 1, "{lines:?}");
}
