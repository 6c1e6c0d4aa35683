//! Guests whose gateway has a key: bans, kicks, mutes and limits meet the guest by its own address.

use crate::harness::{command, page_fields, Events, Gateway, Page, Site};
use chat_tests::{folder::Folder, process::Program, proxy::Proxy, server::TestServer};
use serde_json::{json, Value};
use std::{fs, net::Ipv4Addr, os::unix::fs::PermissionsExt};

/// A server with a console, and a gateway that has its key.
struct Room {
    server: Program,
    gateway: Gateway,
    /// In front of the gateway, each with an address of its own.
    homes: Vec<Proxy>,
    _folder: Folder,
}

impl Room {
    fn start(server: &[&str], gateway: &[&str]) -> Room {
        let folder = Folder::new();
        let key = ["--gateway-key", &folder.file("key")];
        let (server, address) = Program::server(&[&["--console"], &key[..], server].concat());
        let gateway = Gateway::start(address, &[&key[..], gateway].concat());
        Room { server, gateway, homes: Vec::new(), _folder: folder }
    }

    /// The gateway as a browser at 127.0.5.`last` reaches it.
    fn from(&mut self, last: u8) -> Site {
        let home = Proxy::start_from(Ipv4Addr::new(127, 0, 5, last), self.gateway.address);
        let site = self.gateway.through(&home);
        self.homes.push(home);
        site
    }
}

/// Returns the status of a join, and what a page that does not get in is told.
fn join(site: &Site, name: &str) -> (u16, Value) {
    let reply = site.post("/join", "", &json!({ "name": name }));
    (reply.status, reply.json())
}

#[test]
fn the_operator_sees_each_guest_at_its_own_address_and_meets_that_one_alone() {
    let mut room = Room::start(&[], &[]);
    let [one, two, three] = [1, 2, 3].map(|last| room.from(last));
    let (mut ann, mut bob) = (Page::join(&one, "Ann"), Page::join(&two, "Bob"));
    room.server.types("/who");
    room.server.sees("Ann  127.0.5.1 (web)\nBob  127.0.5.2 (web)\n2 here\n");

    room.server.types("/mute Ann 1h be quiet");
    room.server.sees("muted: Ann");
    assert_eq!((ann.say(&one, "hello", 1).status, bob.say(&two, "hi", 1).status), (202, 202));
    let refused = ann.sees("the refusal", |line| line["event"] == "refused");
    assert!(refused["text"].as_str().unwrap().contains("be quiet"), "{refused}");
    bob.sees("accepted", |line| line["event"] == "accepted");

    room.server.types("/kick Bob");
    room.server.sees("removed: Bob (127.0.5.2)");
    ann.sees("Bob leaves", |line| line["event"] == "left" && line["name"] == "Bob");
    room.server.types("/ban 127.0.5.1 too loud");
    room.server.sees("removed: Ann (127.0.5.1)");
    ann.sees("the end", |line| line["state"] == "failed");
    let (status, body) = join(&one, "Eve");
    assert_eq!((status, &body["cause"]), (403, &json!("Banned")));
    assert_eq!(body["refused"], "this address is banned from the room: too loud");
    assert_eq!((join(&two, "Bob").0, join(&three, "Cem").0), (200, 200));
}

#[test]
fn the_limit_of_an_address_meets_the_guests_of_one_address() {
    let room = Room::start(&["--max-per-address", "2"], &["--behind", "127.0.0.1"]);
    let join = |name: &str, address: &str| {
        let fields = format!("{}X-Forwarded-For: 203.0.113.9, {address}\r\n", page_fields(""));
        room.gateway.request("POST /join", &fields, &json!({ "name": name }).to_string())
    };
    // A guest has two connections. It stays while its page reads.
    let ann = join("Ann", "192.0.2.7").json();
    let _stream = Events::open(&room.gateway, ann["guest"].as_str().unwrap(), 0);
    assert_eq!(join("Bob", "192.0.2.7").status, 503);
    assert_eq!(join("Cid", "192.0.2.8").status, 200);
}

#[test]
fn the_gateway_makes_the_key_for_its_owner_alone_and_another_key_ends_it() {
    let folder = Folder::new();
    let (ours, theirs) = (folder.file("ours"), folder.file("theirs"));
    let (_server, address) = Program::server(&["--gateway-key", &theirs]);
    let mut gateway = Program::start("gateway", &mut command(address, &["--gateway-key", &ours]));
    assert_eq!(gateway.exits(), Some(1));
    let error = gateway.error_output();
    assert!(error.contains("the server does not know the gateway's key"), "{error}");
    assert_eq!(fs::metadata(&ours).unwrap().permissions().mode() & 0o777, 0o600);
    let without = TestServer::start();
    let mut gateway = Program::start("gateway", &mut command(without.address(), &["--gateway-key", &ours]));
    assert_eq!(gateway.exits(), Some(1));
    fs::write(&ours, "no key").unwrap();
    let mut gateway = Program::start("gateway", &mut command(address, &["--gateway-key", &ours]));
    assert_eq!(gateway.exits(), Some(1));
}

#[test]
fn without_a_key_the_guests_count_as_the_gateway_and_the_gateway_says_so() {
    let (mut server, address) = Program::server(&["--console"]);
    let gateway = Gateway::start(address, &[]);
    gateway.program.sees("a ban meets all of them, and 32 get into a room on another machine.");
    let home = Proxy::start_from(Ipv4Addr::new(127, 0, 5, 1), gateway.address);
    let _ann = Page::join(&gateway.through(&home), "Ann");
    server.types("/who");
    server.sees("Ann  127.0.0.1\n1 here\n");
}
