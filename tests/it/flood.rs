//! A flood of connections from one address keeps nobody from another address out.

use chat_common::wire::{error::RpcError, status::Status};
use chat_server::Limits;
use chat_tests::{
    folder::Folder,
    member::{Callbacks, Member},
    process::{binary, Program},
    proxy::{Fault, Faults, Proxy},
    raw::{caller_hello, RawPeer},
    server::TestServer,
    watchdog::Shared,
};
use std::{
    collections::VecDeque,
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::Command,
    sync::{
        atomic::{AtomicBool, Ordering},
        Barrier,
    },
    thread,
    time::Duration,
};

/// An attacker's address. Honest members come from 127.0.0.1.
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Connections that say hello and nothing more, as fast as the machine opens them.
struct Flood {
    server: SocketAddr,
    /// How many there were so far.
    opened: Shared<usize>,
    stopped: AtomicBool,
}

impl Flood {
    /// Opens connections until the flood stops. Each closes when `at_once` later ones are open.
    fn run(&self, at_once: usize) {
        let mut open = VecDeque::new();
        while !self.stopped.load(Ordering::SeqCst) {
            // The system may run out of ports for a moment.
            let Ok(peer) = RawPeer::connect_from(ELSEWHERE, self.server) else { continue };
            let _ = peer.write(&caller_hello());
            open.push_back(peer);
            if open.len() > at_once {
                open.pop_front();
            }
            self.opened.update(|opened| *opened += 1);
        }
    }

    /// Opens connections from this host until the flood stops. Each closes when the server ends it, and the
    /// next one comes at once.
    fn run_one_at_a_time(&self, host: IpAddr) {
        while !self.stopped.load(Ordering::SeqCst) {
            let Ok(peer) = RawPeer::connect_from(host, self.server) else { continue };
            let _ = peer.write(&caller_hello());
            self.opened.update(|opened| *opened += 1);
            peer.read_until_closed();
        }
    }

    /// Waits until the flood has opened so many more connections.
    fn goes_on(&self, more: usize) {
        let enough = self.opened.read_with(|opened| opened + more);
        self.opened.wait("the flood to go on", |opened| (*opened >= enough).then_some(()));
    }
}

/// Ends the flood also when the test fails.
impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.stopped.store(true, Ordering::SeqCst);
    }
}

struct StopOnDrop<'a>(&'a Flood);

#[test]
fn during_a_flood_from_one_address_every_join_from_another_succeeds_at_the_first_attempt() {
    const THREADS: usize = 4;
    /// The connections that the attacker keeps open: as many as all places.
    const AT_ONCE: usize = 64;
    let server = TestServer::with_limits(Limits::default());
    let proxy = Proxy::start(server.address());
    // A round trip takes 40 ms. Meanwhile the flood opens more connections than there are places.
    proxy.set_faults(Faults::both(Fault::Delay(Duration::from_millis(20))));
    let flood = Flood { server: server.address(), opened: Shared::new(0), stopped: AtomicBool::new(false) };
    thread::scope(|scope| {
        let _stop = StopOnDrop(&flood);
        for _ in 0..THREADS {
            scope.spawn(|| flood.run(AT_ONCE / THREADS));
        }
        flood.goes_on(2 * AT_ONCE);
        for number in 0..5 {
            let member = Member::try_join(proxy.address(), &format!("honest{number}"), Callbacks::Open);
            member.unwrap_or_else(|error| panic!("join {number}: {error:?}")).leave();
            flood.goes_on(AT_ONCE);
        }
    });
}

#[test]
fn an_address_that_connects_too_fast_is_refused_and_others_are_not() {
    let server = TestServer::with_limits(Limits { connect_burst: 10, connect_rate: 1, ..Limits::default() });
    let mut refused = None;
    // Each of these takes far less than a second.
    for _ in 0..100 {
        let mut peer = RawPeer::connect_from(ELSEWHERE, server.address()).unwrap();
        refused = peer.say_hello().err();
        if refused.is_some() {
            break;
        }
    }
    assert!(matches!(refused, Some(RpcError::Refused { status: Status::Busy, .. })), "{refused:?}");
    Member::join(server.address(), "ann").say("hello");
}

#[test]
fn thirty_people_behind_one_address_join_at_the_same_moment() {
    const PEOPLE: usize = 30;
    let server = TestServer::with_limits(Limits::default());
    let proxy = Proxy::start(server.address());
    // All of them have said hello before the first can join.
    proxy.set_faults(Faults::both(Fault::Delay(Duration::from_millis(20))));
    let start = Barrier::new(PEOPLE);
    let join = &|number: usize| {
        start.wait();
        Member::try_join(proxy.address(), &format!("pupil{number}"), Callbacks::Open)
    };
    thread::scope(|scope| {
        let joins: Vec<_> = (0..PEOPLE).map(|number| scope.spawn(move || join(number))).collect();
        let failed: Vec<_> = joins.into_iter().filter_map(|join| join.join().unwrap().err()).collect();
        assert!(failed.is_empty(), "{} of {PEOPLE} could not join: {failed:?}", failed.len());
    });
}

#[test]
fn hosts_that_come_again_and_again_keep_no_operator_out_of_a_full_room() {
    const TRIES: usize = 5;
    const WORDS: &str = "lamp river stone cloud";
    let folder = Folder::new();
    let file = folder.file("operators");
    fs::write(&file, WORDS).unwrap();
    for hosts in [8, 64] {
        let (_server, address) = Program::server(&["--operators", &file, "--max-connections", "1"]);
        let _tom = Program::joined_client(address, "Tom");
        let proxy = Proxy::start(address);
        // A round trip takes 40 ms. Meanwhile each place for operators is taken many times.
        proxy.set_faults(Faults::both(Fault::Delay(Duration::from_millis(20))));
        let flood = Flood { server: address, opened: Shared::new(0), stopped: AtomicBool::new(false) };
        thread::scope(|scope| {
            let flood = &flood;
            let _stop = StopOnDrop(flood);
            for host in 1..=hosts {
                scope.spawn(move || flood.run_one_at_a_time([127, 0, 1, host].into()));
            }
            flood.goes_on(10 * usize::from(hosts));
            let operates = |_: &usize| {
                let mut command = Command::new(binary("chat-client"));
                command.args(["--server", &proxy.address().to_string(), "--operator-file", &file]);
                Program::start("operate", command.args(["--operate", "/bans"])).exits() == Some(0)
            };
            let count = (0..TRIES).filter(operates).count();
            // One that nobody lets run for 5 s is no longer known as one that came again.
            assert!(count >= TRIES - 1, "{hosts} hosts: {count} of {TRIES}");
        });
    }
}
