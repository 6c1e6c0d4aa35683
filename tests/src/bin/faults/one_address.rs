//! What all connections of one address can do together: how long they need to push out what the room
//! remembers, and what people behind the same address notice of it.

use crate::{abuse, divisor, milliseconds, Measurement};
use chat_common::wire::protocol::{Join, Reply, Request};
use chat_tests::raw::{random_token, RawPeer};
use std::{
    iter,
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

/// What the server remembers by default: so many messages, in so many bytes.
const REMEMBERED: usize = 8192;
const REMEMBERED_BYTES: usize = 8 << 20;
/// The length of a short message, and the longest, in bytes.
const LENGTHS: [usize; 2] = [100, 4096];
/// The connections that an address may have.
const CONNECTIONS: usize = 64;
/// The least time in which one address may push all of it out: a newcomer still reads what was said before.
const PROMISED: Duration = Duration::from_secs(30);
/// The slowest reply that a person does not notice.
const UNNOTICED: Duration = Duration::from_millis(500);

/// Measures both.
pub(crate) fn rows() -> impl Iterator<Item = Measurement> {
    LENGTHS.into_iter().map(push_out).chain(iter::once_with(pupils_beside_a_flood))
}

/// Comes to speak only, and says one line after the other. Returns when the room has enough of them.
fn talk(server: SocketAddr, number: usize, length: usize, enough: impl Fn() -> bool) {
    let mut call = RawPeer::connect_from([127, 0, 0, 1].into(), server).expect("the server accepts");
    call.say_hello().expect("the server accepts");
    let join = Join { send_only: true, ..Join::new(format!("m{number}"), random_token(), 0) };
    let joined = call.ask(&Request::Join(join)).expect("the server replies");
    assert!(matches!(joined, Reply::Joined(_)), "{joined:?}");
    for message_id in 1.. {
        if enough() {
            return;
        }
        let text = format!("{message_id:0>length$}");
        let said = call.ask(&Request::Broadcast { message_id, repeated: false, text });
        assert!(said.is_ok(), "{said:?}");
    }
}

fn push_out(length: usize) -> Measurement {
    let messages = REMEMBERED.min(REMEMBERED_BYTES / length);
    let run = |flags: &[&str]| {
        let (_server, address) = abuse::server(flags);
        let (said, began) = (AtomicUsize::new(0), Instant::now());
        let enough = || said.fetch_add(1, Relaxed) >= messages / divisor();
        thread::scope(|scope| {
            for number in 0..CONNECTIONS {
                let enough = &enough;
                scope.spawn(move || talk(address, number, length, enough));
            }
        });
        began.elapsed()
    };
    let burst = (1000 / divisor()).to_string();
    let (without, with) = (run(&["--address-burst", "0"]), run(&["--address-burst", &burst]));
    Measurement {
        title: format!(
            "one address: 64 send-only members say {length} bytes each time: until all that is remembered \
             ({messages} messages) is pushed out"
        ),
        without: format!("{:.1} s (--address-burst 0)", without.as_secs_f64()),
        with: format!("{:.1} s", with.as_secs_f64()),
        wanted: "at least 30 s",
        reached: with >= PROMISED / divisor() as u32,
    }
}

fn pupils_beside_a_flood() -> Measurement {
    const PUPILS: usize = 30;
    /// Each of them says something every three seconds.
    const PER_SECOND: usize = 10;
    const SECONDS: usize = 20;
    let run = |flooders: usize| {
        let (_server, address) = abuse::server(&[]);
        let mut pupils = crate::members(address, "pupil", PUPILS);
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            for number in 0..flooders {
                let is_over = &is_over;
                scope.spawn(move || talk(address, number, LENGTHS[0], || is_over.load(Relaxed)));
            }
            let began = Instant::now();
            let mut slowest = Duration::ZERO;
            for number in 0..SECONDS * PER_SECOND / divisor() {
                let due = began + Duration::from_secs_f64(number as f64 / PER_SECOND as f64);
                thread::sleep(due.saturating_duration_since(Instant::now()));
                let asked = Instant::now();
                pupils[number % PUPILS].say(&format!("message {number}"));
                slowest = slowest.max(asked.elapsed());
            }
            is_over.store(true, Relaxed);
            slowest
        })
    };
    let (without, with) = (run(0), run(CONNECTIONS - PUPILS));
    Measurement {
        title: "thirty members beside 34 of the same address that talk: the slowest reply to one of thirty"
            .to_owned(),
        without: milliseconds(without),
        with: milliseconds(with),
        wanted: "at most 500 ms",
        reached: with <= UNNOTICED,
    }
}
