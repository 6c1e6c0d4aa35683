//! What a guest reads when the room does not take it, or what it says.

use crate::{
    gateway::Gateway,
    webdriver::{Browser, ENTER},
};
use chat_tests::{member::Member, process::Program, server::TestServer};

#[test]
fn a_name_that_is_taken_is_asked_for_again_with_the_reason() {
    let Some(ann) = Browser::start() else { return };
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let tom = Member::join(server.address(), "Tom");
    ann.asks_to_join(gateway.address, "Tom");
    ann.sees_in("#why", "Tom");
    assert_eq!(ann.value("document.activeElement.id"), "field");
    ann.value("document.querySelector('#field').value = ''");
    ann.types("#field", &format!("Ann{ENTER}"));
    ann.is_connected();
    ann.says("hello");
    tom.hear_text("hello");
}

#[test]
fn a_guest_that_is_muted_or_removed_reads_the_words_of_the_operator() {
    let Some(ann) = Browser::start() else { return };
    let (mut server, address) = Program::server(&["--console"]);
    let gateway = Gateway::start(address, &[]);
    let tom = Program::joined_client(address, "Tom");
    ann.joins(gateway.address, "Ann");
    server.types("/mute Ann 10m quiet, please");
    ann.sees("quiet, please");
    ann.says("a word");
    ann.sees("Not sent: ");
    server.types("/unmute Ann");
    ann.sees("you are no longer muted");
    ann.says("another word");
    tom.sees("[Ann] another word\n");
    server.types("/kick Ann until tomorrow");
    ann.sees_in("#why", "until tomorrow");
    tom.sees("User [Ann] left (removed");
    assert!(!tom.output().contains("a word\n[Ann] a word"), "{}", tom.output());
    // It may come back, as a new member.
    ann.types("#field", ENTER);
    ann.is_connected();
}
