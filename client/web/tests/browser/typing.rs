//! What people type and paste: by an input method, from right to left, with markup, and without a mouse.

use crate::{
    gateway::Gateway,
    webdriver::{Browser, ENTER},
};
use chat_tests::{member::Member, server::TestServer};
use serde_json::json;

/// What would do something if it were more than text.
const MARKUP: &[&str] = &[
    "<script>document.title = 'taken'</script>",
    "<img src=x onerror=\"document.title = 'taken'\">",
    "<svg onload=document.title='taken'>",
    "<iframe srcdoc=\"<script>parent.document.title = 'taken'</script>\"></iframe>",
    "<style>* { display: none }</style>",
    "</bdi></li></ol><h1>taken</h1>",
    "<!-- ",
    "<a href=\"javascript:document.title = 'taken'\">here</a>",
    "javascript:document.title='taken'",
    "data:text/html,<script>alert(1)</script>",
    "&lt;b&gt; &amp; &#60;b&#62;",
    "\"><script>document.title = 'taken'</script>",
    "${document.title = 'taken'} {{document.title}}",
    "http://127.0.0.1/\"onmouseover=\"document.title='taken'",
    "\u{202e}desrever\u{2066}",
];

#[test]
fn markup_in_a_text_is_text_and_goes_into_no_name() {
    let Some(ann) = Browser::start() else { return };
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let mut tom = Member::join(server.address(), "Tom");
    ann.asks_to_join(gateway.address, "<b>Ann</b>");
    ann.sees_in("#why", "'<' does not go into a name");
    ann.value("document.querySelector('#field').value = ''");
    ann.types("#field", &format!("Ann{ENTER}"));
    ann.is_connected();
    for text in MARKUP {
        tom.say(text);
    }
    ann.waits_until("all of it", &format!("document.querySelectorAll('.text').length === {}", MARKUP.len()));
    let shown: Vec<String> = ann.texts();
    // The server has made visible what a terminal would obey.
    assert_eq!(shown[..MARKUP.len() - 1], MARKUP[..MARKUP.len() - 1]);
    assert_eq!(ann.value("document.title"), "rpc-chat");
    let elements = "document.querySelectorAll('#list :is(script, img, svg, iframe, style, h1, b, i)')";
    assert_eq!(ann.value(&format!("{elements}.length")), 0);
    let links = "[...document.querySelectorAll('#list a')].map(one => [one.href, one.rel, one.target])";
    assert_eq!(
        ann.value(links),
        json!([["http://127.0.0.1/", "noopener noreferrer", "_blank"]]),
        "a link has no more than its address"
    );
}

#[test]
fn an_input_method_that_composes_does_not_send() {
    let Some(ann) = Browser::start() else { return };
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let tom = Member::join(server.address(), "Tom");
    ann.joins(gateway.address, "Ann");
    let compose = |text: &str| {
        let length = text.chars().count();
        let composed = json!({ "text": text, "selectionStart": length, "selectionEnd": length });
        ann.commands("Input.imeSetComposition", &composed);
    };
    let enter = |code: u32| {
        for kind in ["rawKeyDown", "keyUp"] {
            let key = json!({
                "type": kind, "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": code
            });
            ann.commands("Input.dispatchKeyEvent", &key);
        }
    };
    compose("にほ");
    compose("にほん");
    // The Enter that chooses a word, as input methods send it while they compose, and after it.
    enter(13);
    enter(229);
    assert_eq!(ann.value("document.querySelector('#text').value"), "にほん");
    ann.commands("Input.insertText", &json!({ "text": "日本" }));
    enter(229);
    assert_eq!(ann.value("document.querySelector('#text').value"), "日本");
    assert_eq!(ann.texts(), [""; 0]);
    enter(13);
    tom.hear_text("日本");
    ann.sees("日本");
    assert_eq!(tom.texts(), ["日本"]);
}

#[test]
fn a_text_from_right_to_left_stays_in_its_line() {
    let Some(ann) = Browser::start() else { return };
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let mut tom = Member::join(server.address(), "דוד");
    ann.joins(gateway.address, "Ann");
    tom.say("שלום לכולם (1) abc");
    tom.say("left to right");
    ann.sees("left to right");
    let directions =
        "[...document.querySelectorAll('#list .text')].map(one => getComputedStyle(one).direction)";
    assert_eq!(ann.value(directions), json!(["rtl", "ltr"]));
    let inside = "[...document.querySelectorAll('#list li')].every(li => {
        const line = li.getBoundingClientRect();
        return [...li.querySelectorAll('*')].every(one => {
          const { left, right } = one.getBoundingClientRect();
          return left >= line.left && right <= line.right;
        });
      })";
    assert_eq!(ann.value(inside), true);
}

#[test]
fn a_guest_needs_no_mouse() {
    let Some(ann) = Browser::start() else { return };
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let tom = Member::join(server.address(), "Tom");
    ann.goes_to(&format!("http://{}/", gateway.address));
    ann.waits_until("the field has the focus", "document.activeElement.id === 'field'");
    ann.presses("Ann");
    ann.presses(ENTER);
    ann.is_connected();
    ann.waits_until("the text has the focus", "document.activeElement.id === 'text'");
    ann.presses("hello");
    ann.presses(ENTER);
    tom.hear_text("hello");
    // Everything that a mouse reaches is on the way of Tab, and has a ring there. Behind the last element the
    // way begins anew.
    let is_begun = || ann.value("document.activeElement === document.body") == true;
    while !is_begun() {
        ann.presses(TAB);
    }
    let mut reached = Vec::new();
    ann.presses(TAB);
    while !is_begun() {
        let focus = ann.value("document.activeElement.id || document.activeElement.textContent");
        let ring = ann.value("getComputedStyle(document.activeElement).outlineStyle");
        assert_eq!(ring, "solid", "{focus}");
        reached.push(focus.as_str().unwrap().to_owned());
        assert!(reached.len() < 20, "{reached:?}");
        ann.presses(TAB);
    }
    for wanted in ["Send", "show", "leave", "log", "text"] {
        assert!(reached.iter().any(|one| one == wanted), "{wanted}: {reached:?}");
    }
    while ann.value("document.activeElement.id") != "show" {
        ann.presses(TAB);
    }
    ann.presses(ENTER);
    ann.sees_in("#side", "Tom");
    ann.presses(ESCAPE);
    ann.waits_until("the list is closed", "document.querySelector('#side').hidden");
    while ann.value("document.activeElement.id") != "leave" {
        ann.presses(TAB);
    }
    ann.presses(ENTER);
    ann.sees_in("#top", "You have left");
}

/// Keys, as WebDriver writes them.
const TAB: &str = "\u{e004}";
const ESCAPE: &str = "\u{e00c}";
