//! People at browsers and a person at a terminal talk.

use crate::{gateway::Gateway, webdriver::Browser};
use chat_tests::{member::Member, server::TestServer};

#[test]
fn two_browsers_and_a_terminal_talk() {
    let Some(ann) = Browser::start() else { return };
    let Some(bob) = Browser::start() else { return };
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let mut tom = Member::join(server.address(), "Tom");
    ann.joins(gateway.address, "Ann");
    bob.joins(gateway.address, "Bob");
    ann.sees("Bob joined");
    tom.say("hello, browsers");
    ann.sees("hello, browsers");
    bob.sees("hello, browsers");
    ann.says("hello, Tom");
    tom.hear_text("hello, Tom");
    bob.sees("hello, Tom");
    ann.sees("hello, Tom");
    bob.says("/msg Ann psst");
    ann.sees("Bob privately:");
    bob.sees("to Ann:");
    bob.says("/me waves");
    tom.hear_text("waves");
    ann.sees("waves");
    bob.says("/nick Rob");
    ann.sees("Bob is now Rob");
    ann.says("/who");
    ann.sees_in("#side", "Rob");
    assert_eq!(ann.value("document.querySelector('#show').textContent"), "3 here");
    assert_eq!(ann.texts(), ["hello, browsers", "hello, Tom", "psst", "waves"]);
    assert_eq!(bob.texts(), ann.texts());
    bob.clicks("#leave");
    bob.sees_in("#top", "You have left");
    ann.sees("Rob left");
    assert!(!tom.texts().contains(&"psst".to_owned()));
}
