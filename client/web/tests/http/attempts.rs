//! Sixty attempts to be more than text, through each field that a person or an operator fills.
//!
//! What comes out is one object a line, with the text as it was said. Nothing of it is in the page, or in the
//! head of an answer.

use crate::harness::{Gateway, Page, Reply};
use chat_tests::{folder::Folder, member::Member, process::Program, server::TestServer, watchdog::poll};
use serde_json::{json, Value};
use std::{fs, net::SocketAddr};

/// What has broken out of a text elsewhere: markup, scripts, addresses, JSON, heads of HTTP, terminals, and
/// characters that change how others read.
const ATTEMPTS: [&str; 60] = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><animate onbegin=alert(1) attributeName=x>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<iframe src=javascript:alert(1)>",
    "<object data=javascript:alert(1)>",
    "<embed src=//evil.test/x>",
    "<link rel=stylesheet href=//evil.test/x>",
    "<style>*{display:none}</style>",
    "<base href=//evil.test/>",
    "<meta http-equiv=refresh content=0;url=//evil.test>",
    "<form action=//evil.test><input name=x>",
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<noscript><p title='</noscript><img src onerror=alert(1)>'>",
    "<textarea></textarea><img src onerror=alert(1)>",
    "<template><script>alert(1)</script></template>",
    "<!--<img src='--><img src onerror=alert(1)>'>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]>",
    "<SCRIPT SRC=//evil.test/x></SCRIPT>",
    "<scr<script>ipt>alert(1)</script>",
    "<a href=javascript:alert(1)>x</a>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;",
    "\" autofocus onfocus=alert(1) x=\"",
    "' onmouseover='alert(1)",
    "`${alert(1)}`",
    "{{constructor.constructor('alert(1)')()}}",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)//http://x",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "http://evil.test/\"onclick=alert(1)//",
    "https://127.0.0.1@evil.test/",
    "http://evil.test/%0d%0aSet-Cookie:x=1",
    "//evil.test/x",
    "\"}\n{\"event\":\"message\",\"author\":\"Tom\",\"text\":\"forged",
    "\",\"line\":1,\"x\":\"",
    "\\\",\"author\":\"Tom",
    "\\",
    "\\u0022,\\u000a{}",
    "{\"event\":\"connection\",\"state\":\"left\"}",
    "x\r\nSet-Cookie: x=1\r\n\r\n<script>alert(1)</script>",
    "x\r\n\r\nHTTP/1.1 200 OK",
    "x\u{2028}alert(1)\u{2029}y",
    "\u{1b}[2J\u{1b}]0;owned\u{7}",
    "\u{202e}txt.exe",
    "\u{2066}a\u{2069}\u{2067}b",
    "a\u{200b}\u{200d}\u{feff}b",
    "a\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
    "\u{e0001}\u{e0061}x",
    "\u{0}nul",
    "\u{85}\u{9b}2J\u{7f}",
    "NONCE",
    "__proto__",
    "%00%0a%0d../../etc/passwd",
];

/// The attempts that can stand in a line: what an operator types, and what a file holds.
fn in_one_line() -> impl Iterator<Item = &'static str> {
    ATTEMPTS.into_iter().filter(|attempt| !attempt.contains(char::is_control))
}

/// Checks that an answer is a small object of JSON under a head that nobody has written into.
fn is_plain(reply: &Reply, attempt: &str) {
    let kinds = ["Content-Type: application/json\r\n", "Content-Type: text/plain; charset=utf-8\r\n"];
    assert!(kinds.iter().any(|kind| reply.head.contains(kind)), "{attempt:?}: {reply:?}");
    assert_eq!(reply.head.lines().count(), 8, "{attempt:?}: {reply:?}");
    assert!(reply.head.is_ascii() && !reply.head.contains(['<', '{']), "{attempt:?}: {reply:?}");
    assert!(!reply.body.trim_end().contains(|c: char| c.is_control()), "{attempt:?}: {reply:?}");
}

/// Whether a value is a text with the attempt in it.
fn has(value: &Value, attempt: &str) -> bool {
    value.as_str().is_some_and(|text| text.contains(attempt))
}

/// Checks that the page is as it was before anybody said anything.
fn the_page_is(gateway: &Gateway, before: &str) {
    assert_eq!(page(gateway), before, "nothing that anybody says is in the page");
}

/// Returns the page without its nonce.
fn page(gateway: &Gateway) -> String {
    let reply = gateway.request("GET /", "", "");
    let nonce = reply.head.split("script-src 'nonce-").nth(1).unwrap()[..32].to_owned();
    reply.body.replace(&nonce, "")
}

#[test]
fn what_a_guest_says_comes_out_as_the_text_that_it_was() {
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let before = page(&gateway);
    let (mut ann, mut bob) = (Page::join(&gateway, "Ann"), Page::join(&gateway, "Bob"));
    for (number, attempt) in (0..).zip(ATTEMPTS) {
        for (kind, body) in [
            ("message", json!({ "say": attempt, "message_id": 3 * number + 1 })),
            ("action", json!({ "do": attempt, "message_id": 3 * number + 2 })),
            ("private", json!({ "to": "Bob", "text": attempt, "message_id": 3 * number + 3 })),
        ] {
            let reply = gateway.post("/say", &ann.secret, &body);
            assert_eq!(reply.status, 202, "{body}: {reply:?}");
            let accepted = ann.sees("accepted", |line| line["event"] == "accepted");
            assert_eq!((&accepted["text"], &accepted["message_id"]), (&json!(attempt), &body["message_id"]));
            let heard = bob.sees(attempt, |line| line["event"] == kind);
            assert_eq!((&heard["author"], &heard["text"]), (&json!("Ann"), &json!(attempt)));
        }
    }
    assert_eq!(gateway.post("/say", &bob.secret, &json!({ "history": 100 })).status, 202);
    let old = bob.sees("history", |line| line["event"] == "history" && line["text"] == ATTEMPTS[59]);
    assert_eq!(old["kind"], "message");
    the_page_is(&gateway, &before);
}

#[test]
fn what_a_member_says_comes_out_as_the_text_that_it_was() {
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let mut ann = Page::join(&gateway, "Ann");
    let mut tom = Member::join(server.address(), "Tom");
    for attempt in ATTEMPTS {
        tom.say(attempt);
        tom.say_privately("Ann", attempt);
        for kind in ["message", "private"] {
            let heard = ann.sees(attempt, |line| line["event"] == kind);
            assert_eq!((&heard["author"], &heard["text"]), (&json!("Tom"), &json!(attempt)));
        }
    }
}

#[test]
fn a_name_is_a_name_or_is_refused() {
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let before = page(&gateway);
    let (mut ann, mut bob) = (Page::join(&gateway, "Ann"), Page::join(&gateway, "Bob"));
    for (number, attempt) in (1..).zip(ATTEMPTS) {
        let reply = gateway.post("/join", "", &json!({ "name": attempt }));
        is_plain(&reply, attempt);
        match reply.status {
            200 => {
                assert_eq!(reply.json()["name"], attempt);
                bob.sees(attempt, |line| line["event"] == "joined" && line["name"] == attempt);
                let secret = reply.json()["guest"].as_str().unwrap().to_owned();
                assert_eq!(gateway.post("/bye", &secret, &json!({})).status, 200);
                bob.sees(attempt, |line| line["event"] == "left" && line["name"] == attempt);
            }
            _ => assert_eq!((reply.status, &reply.json()["cause"]), (403, &json!("InvalidName"))),
        }
        // As the name of a recipient, and as another name for Ann.
        let body = json!({ "to": attempt, "text": "psst", "message_id": number });
        let reply = gateway.post("/say", &ann.secret, &body);
        is_plain(&reply, attempt);
        assert!([202, 400].contains(&reply.status), "{attempt:?}: {reply:?}");
        if reply.status == 202 {
            ann.sees(attempt, |line| line["event"] == "refused" || line["event"] == "mistake");
        }
        let reply = gateway.post("/say", &ann.secret, &json!({ "name": attempt }));
        is_plain(&reply, attempt);
        assert!([202, 400].contains(&reply.status), "{attempt:?}: {reply:?}");
        if reply.status == 202 {
            let is_answer =
                |line: &Value| ["you", "refused", "mistake"].iter().any(|event| line["event"] == *event);
            ann.sees(attempt, is_answer);
        }
    }
    the_page_is(&gateway, &before);
}

/// A server with a console, and a message of the day that is all attempts of one line.
fn server_with_console() -> (Program, SocketAddr, Folder, String) {
    let folder = Folder::new();
    let motd = in_one_line().collect::<Vec<_>>().join("\n");
    fs::write(folder.file("motd"), &motd).unwrap();
    let (server, address) = Program::server(&["--console", "--motd", &folder.file("motd")]);
    (server, address, folder, motd)
}

#[test]
fn the_words_of_an_operator_come_out_as_text() {
    let (mut server, address, _folder, motd) = server_with_console();
    let gateway = Gateway::start(address, &[]);
    let before = page(&gateway);
    let mut ann = Page::join(&gateway, "Ann");
    let greeting = ann.stream.lines.iter().find(|line| line["state"] == "connected").unwrap();
    assert_eq!(greeting["motd"].as_str().unwrap().trim_end(), motd);
    for (number, attempt) in (1..).zip(in_one_line()) {
        server.types(&format!("/say {attempt}"));
        // The mute before has told Ann something, too.
        ann.sees(attempt, |line| line["event"] == "notice" && has(&line["text"], attempt));
        server.types(&format!("/mute Ann 1h {attempt}"));
        server.sees_times("muted: Ann", number as usize);
        assert_eq!(ann.say(&gateway, "muted", number).status, 202);
        let refused = ann.sees(attempt, |line| line["event"] == "refused");
        assert!(has(&refused["text"], attempt), "{attempt:?}: {refused}");
    }
    for attempt in in_one_line() {
        let mut bob = Page::join(&gateway, "Bob");
        server.types(&format!("/kick Bob {attempt}"));
        let left = ann.sees(attempt, |line| line["event"] == "left" && line["name"] == "Bob");
        assert!(left.to_string().contains("removed"), "{left}");
        bob.sees(attempt, |line| has(&line["reason"], attempt));
    }
    // The reason of a ban is what a page reads that does not get in.
    for attempt in in_one_line() {
        server.types(&format!("/ban Eve 1h {attempt}"));
        let why = poll("the ban", || {
            let reply = gateway.post("/join", "", &json!({ "name": "Eve" }));
            is_plain(&reply, attempt);
            has(&reply.json()["refused"], attempt).then_some(reply.body)
        });
        assert!(why.contains("banned"), "{why}");
    }
    the_page_is(&gateway, &before);
}
