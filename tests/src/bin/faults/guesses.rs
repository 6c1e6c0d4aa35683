//! `faults guesses`: what somebody with many addresses costs those who join a closed room.

use crate::{divisor, milliseconds, Measurement};
use chat_common::wire::{
    error::RpcError,
    hello::{Hello, Role},
    protocol::{Join, Reply, Request},
    token::Token,
};
use chat_tests::{
    closed,
    folder::Folder,
    process::{binary, Program},
    proxy::{Fault, Faults, Proxy},
    raw::{random_token, RawPeer},
};
use std::{
    fs,
    net::{IpAddr, SocketAddr},
    process::Command,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

const WORDS: &str = "lamp river stone coin";
/// The addresses that hold a connection each.
const HOLDERS: u8 = 100;
/// The wrong passphrases of a minute, each from another address.
const WRONG: u8 = 61;
/// The slowest honest join, beside a quiet room.
const PROMISED: Duration = Duration::from_secs(2);

/// Tries a passphrase over a connection from this address.
fn call(from: IpAddr, server: SocketAddr, words: &str) -> Result<RawPeer, RpcError> {
    let mut peer = RawPeer::connect_from(from, server)?;
    closed::dial_call(&mut peer, words).map(|()| peer)
}

/// Holds a place without ever joining, and comes again when it is lost.
fn hold(from: IpAddr, server: SocketAddr, is_over: &AtomicBool) {
    let hello = Hello::new(Role::Call, Token::NONE).sealed().to_bytes();
    while !is_over.load(Relaxed) {
        let Ok(peer) = RawPeer::connect_from(from, server) else { continue };
        if peer.write(&hello).is_ok() {
            peer.read_until_closed();
        }
    }
}

/// Says wrong passphrases: so many at once, and then one a second.
fn guess(server: SocketAddr, is_over: &AtomicBool) {
    for number in 0_u64.. {
        if is_over.load(Relaxed) {
            return;
        }
        let host = (number % u64::from(WRONG)) as u8;
        let _ = call([127, 0, 2, host].into(), server, "lamp");
        if number >= u64::from(WRONG) {
            thread::sleep(Duration::from_secs(1));
        }
    }
}

/// How long joins over networks with these delays take. `None` stands for one that failed.
fn joins(server: SocketAddr, prefix: &str) -> Vec<Option<Duration>> {
    /// In each direction; the round trips are twice as long.
    const DELAYS_US: [u64; 3] = [250, 5_000, 25_000];
    let mut times = Vec::new();
    for delay in DELAYS_US {
        let proxy = Proxy::start(server);
        proxy.set_faults(Faults::both(Fault::Delay(Duration::from_micros(delay))));
        for number in 0..20 / divisor() {
            let began = Instant::now();
            let name = format!("{prefix}{delay}x{number}");
            let join = Request::Join(Join { send_only: true, ..Join::new(name, random_token(), 0) });
            let joined =
                call([127, 0, 0, 1].into(), proxy.address(), WORDS).and_then(|mut peer| peer.ask(&join));
            times.push(matches!(joined, Ok(Reply::Joined(_))).then(|| began.elapsed()));
        }
    }
    times
}

/// Measures how long an honest join takes while many addresses hold places and guess.
pub(crate) fn honest_joins() -> Measurement {
    let folder = Folder::new();
    let words = folder.file("words");
    fs::write(&words, WORDS).unwrap();
    let mut command = Command::new(binary("chat-server"));
    command.args(["--listen", "127.0.0.1:0", "--passphrase-file", &words]);
    let (_server, address) = Program::start_server(command.env("XDG_STATE_HOME", folder.path()));
    let usual = joins(address, "quiet").into_iter().flatten().max().unwrap_or_default();
    let is_over = AtomicBool::new(false);
    let joins = thread::scope(|scope| {
        scope.spawn(|| guess(address, &is_over));
        for host in 1..=HOLDERS {
            let is_over = &is_over;
            scope.spawn(move || hold([127, 0, 1, host].into(), address, is_over));
        }
        // The attack is under way then. Nothing depends on the exact time.
        thread::sleep(Duration::from_secs(2));
        let joins = joins(address, "attacked");
        is_over.store(true, Relaxed);
        joins
    });
    let slowest = joins.iter().flatten().max().copied().unwrap_or_default();
    let failed = joins.iter().filter(|join| join.is_none()).count();
    Measurement {
        title: "a closed room, 100 addresses that hold a place each, 61 wrong passphrases a minute: honest \
                joins at round trips of 0.5 to 50 ms: the slowest; failed"
            .to_owned(),
        without: milliseconds(usual),
        with: format!("{}; {failed} of {}", milliseconds(slowest), joins.len()),
        wanted: "2 s more; 0",
        reached: failed == 0 && slowest <= usual + PROMISED,
    }
}
