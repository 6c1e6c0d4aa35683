//! A page that is away, and comes back: nothing is lost and nothing comes twice.

use crate::{gateway::Gateway, webdriver::Browser};
use chat_tests::{
    folder::Folder,
    history::MemberHistory,
    member::Member,
    process::Program,
    proxy::{Fault, Faults, Proxy},
    server::TestServer,
};
use serde_json::json;

/// Whether a member was told that somebody left.
fn was_told_of_leaves(member: &MemberHistory) -> bool {
    format!("{member:?}").contains("Left {")
}

#[test]
fn a_page_that_is_reloaded_loses_nothing_and_nobody_sees_it_leave() {
    let Some(ann) = Browser::start() else { return };
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let mut tom = Member::join(server.address(), "Tom");
    ann.joins(gateway.address, "Ann");
    for round in 0..3 {
        let (before, during) = (format!("before {round}"), format!("during {round}"));
        ann.says(&before);
        tom.hear_text(&before);
        tom.say(&during);
        ann.reloads();
        ann.is_connected();
        ann.sees(&during);
    }
    ann.says("after");
    tom.hear_text("after");
    ann.sees("after");
    let said = ["before 0", "during 0", "before 1", "during 1", "before 2", "during 2", "after"];
    assert_eq!(ann.texts(), said);
    assert!(!was_told_of_leaves(&tom.leave()));
}

#[test]
fn a_page_whose_network_is_away_is_back_by_itself_and_nobody_sees_it() {
    let Some(ann) = Browser::start() else { return };
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &["--host", "127.0.0.1"]);
    let proxy = Proxy::start(gateway.address);
    let mut tom = Member::join(server.address(), "Tom");
    ann.joins(proxy.address(), "Ann");
    tom.say("before");
    ann.sees("before");
    // Nothing ends, and nothing comes: the page has to notice that by itself.
    proxy.set_faults(Faults::both(Fault::BlackHole));
    tom.say("meanwhile");
    ann.says("typed meanwhile");
    ann.sees_in("#state", "Connection lost, trying again");
    proxy.set_faults(Faults::default());
    proxy.cut();
    ann.sees("meanwhile");
    tom.hear_text("typed meanwhile");
    ann.sees("typed meanwhile");
    ann.is_connected();
    assert_eq!(ann.texts(), ["before", "meanwhile", "typed meanwhile"]);
    let history = tom.leave();
    assert!(!was_told_of_leaves(&history));
}

#[test]
fn a_browser_that_knows_that_it_is_offline_says_what_was_typed_once_it_is_online() {
    let Some(ann) = Browser::start() else { return };
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let mut tom = Member::join(server.address(), "Tom");
    ann.joins(gateway.address, "Ann");
    let network = |offline: bool| {
        let limits = json!({
            "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1
        });
        ann.commands("Network.enable", &json!({}));
        ann.commands("Network.emulateNetworkConditions", &limits);
    };
    network(true);
    ann.says("typed offline");
    ann.sees_in("#waiting", "typed offline");
    tom.say("said meanwhile");
    network(false);
    tom.hear_text("typed offline");
    ann.sees("typed offline");
    ann.sees("said meanwhile");
    assert_eq!(ann.texts().len(), 2, "{:?}", ann.entries());
    assert!(!was_told_of_leaves(&tom.leave()));
}

#[test]
fn the_newest_tab_has_the_room_and_the_older_one_takes_it_back() {
    let Some(ann) = Browser::start() else { return };
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let mut tom = Member::join(server.address(), "Tom");
    ann.joins(gateway.address, "Ann");
    tom.say("one");
    ann.sees("one");
    let first = ann.call("GET", "/window", &json!({}));
    let second = ann.call("POST", "/window/new", &json!({ "type": "tab" }))["handle"].take();
    ann.call("POST", "/window", &json!({ "handle": second }));
    ann.goes_to(&format!("http://{}/", gateway.address));
    ann.is_connected();
    ann.sees("one");
    tom.say("two");
    ann.sees("two");
    ann.call("POST", "/window", &json!({ "handle": first }));
    ann.sees_in("#other", "Open in another tab");
    ann.clicks("#here");
    ann.is_connected();
    ann.sees("two");
    assert_eq!(ann.texts(), ["one", "two"]);
    ann.call("POST", "/window", &json!({ "handle": second }));
    ann.sees_in("#other", "Open in another tab");
    assert!(!was_told_of_leaves(&tom.leave()));
}

#[test]
fn a_server_that_is_killed_comes_back_and_the_page_loses_nothing() {
    let Some(ann) = Browser::start() else { return };
    let journal = Folder::new();
    let flags = ["--journal", &journal.file("room")];
    let (server, address) = Program::server(&flags);
    let gateway = Gateway::start(address, &[]);
    let mut tom = Program::joined_client(address, "Tom");
    ann.joins(gateway.address, "Ann");
    tom.types("before");
    ann.sees("before");
    server.signal("KILL");
    drop(server);
    ann.sees_in("#state", "Connection lost, trying again");
    ann.says("typed meanwhile");
    tom.types("typed meanwhile, too");
    let listen = address.to_string();
    let (_server, _) = Program::server(&[&["--listen", &listen], &flags[..]].concat());
    ann.sees("typed meanwhile, too");
    tom.sees("[Ann] typed meanwhile\n");
    ann.waits_until("nothing waits", "!document.querySelector('#waiting').childElementCount");
    ann.is_connected();
    let mut texts = ann.texts();
    texts.sort();
    assert_eq!(texts, ["before", "typed meanwhile", "typed meanwhile, too"], "{:?}", ann.entries());
}

#[test]
fn a_gateway_that_is_killed_comes_back_and_the_page_keeps_its_name_and_loses_nothing() {
    let Some(ann) = Browser::start() else { return };
    let server = TestServer::start();
    let mut gateway = Gateway::start(server.address(), &[]);
    let mut tom = Member::join(server.address(), "Tom");
    ann.joins(gateway.address, "Ann");
    ann.says("before");
    tom.hear_text("before");
    ann.sees("before");
    gateway.program.signal("KILL");
    assert_eq!(gateway.program.exits(), None);
    tom.say("meanwhile");
    let _gateway = gateway.start_again(server.address());
    ann.sees("meanwhile");
    ann.says("after");
    tom.hear_text("after");
    ann.sees("after");
    assert_eq!(ann.texts(), ["before", "meanwhile", "after"]);
    ann.clicks("#show");
    ann.sees_in("#side", "Ann (you)");
    ann.reloads();
    ann.is_connected();
    ann.sees("after");
    let own = "[...document.querySelectorAll('#list .own .text')].map(one => one.textContent)";
    assert_eq!(ann.value(own), json!(["before", "after"]));
}

#[test]
fn a_hidden_page_counts_what_is_said_and_says_so_in_its_title() {
    let Some(ann) = Browser::start() else { return };
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let mut tom = Member::join(server.address(), "Tom");
    ann.joins(gateway.address, "Ann");
    ann.call("POST", "/window/minimize", &json!({}));
    ann.waits_until("the page is hidden", "document.hidden");
    tom.say("one");
    tom.say("two");
    ann.waits_until("(2) in the title", "document.title === '(2) rpc-chat'");
    ann.call("POST", "/window/rect", &json!({ "width": 900, "height": 700 }));
    ann.waits_until("the page is back", "!document.hidden && document.title === 'rpc-chat'");
    ann.sees("two");
    assert_eq!(ann.texts(), ["one", "two"]);
}
