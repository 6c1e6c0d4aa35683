//! `make faults`: what faults cost those who have none, measured, in one table. Each time is set beside the same run without the fault.
//!
//! It needs some 4,000 descriptors (`ulimit -n`). `CHAT_FAULTS_SHORT=1` plays everything a tenth as long, to see that it works.
#![allow(clippy::print_stdout, reason = "what it prints is the result")]

use chat_tests::{
    checker::check,
    history::Person,
    member::{Callbacks, Member},
    process::{binary, Program},
    raw::{self, caller_hello, RawPeer},
    watchdog::poll,
};
use std::{
    collections::HashMap,
    env,
    net::{SocketAddr, TcpStream},
    process::{Command, ExitCode},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// One line of the table.
struct Figure {
    what: &'static str,
    without: String,
    with: String,
    wanted: &'static str,
    reached: bool,
}

/// How much shorter than promised everything is played.
fn shorter() -> usize {
    if env::var_os("CHAT_FAULTS_SHORT").is_some() {
        10
    } else {
        1
    }
}

fn main() -> ExitCode {
    let measurements: [fn() -> Figure; 5] =
        [many_clients, stuck_recipients, memory_of_the_stuck, dribblers, flood_of_connections];
    println!("| what is done | without | with | wanted | reached |\n|---|---|---|---|---|");
    let mut all = true;
    for measure in measurements {
        let Figure { what, without, with, wanted, reached } = measure();
        println!("| {what} | {without} | {with} | {wanted} | {} |", if reached { "yes" } else { "NO" });
        all &= reached;
    }
    if all {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A server with as many descriptors as the system allows.
fn server(more: &[&str]) -> (Program, SocketAddr) {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n \"$(ulimit -Hn)\"; exec \"$0\" \"$@\""]).arg(binary("chat-server"));
    // The members of these runs send no pings: a test's thread is theirs only while they speak.
    command.args(["--listen", "127.0.0.1:0", "--rate-burst", "0", "--dead-after", "3600s"]).args(more);
    Program::serve(&mut command)
}

/// These members speak by turns, so many times in all and so often in a second. Answers the place of the last.
fn speak(speakers: &mut [Member], times: usize, per_second: usize) -> u64 {
    let began = Instant::now();
    let mut last = 0;
    for number in 0..times {
        // The pace is the clock's and not the server's: whoever is held up is late for all that follows.
        let due = began + Duration::from_secs_f64(number as f64 / per_second as f64);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let place = number % speakers.len();
        last = speakers[place].say(&format!("message {number}"));
    }
    last
}

fn members(server: SocketAddr, prefix: &str, count: usize) -> Vec<Member> {
    (0..count).map(|number| Member::join_open(server, &format!("{prefix}{number}"))).collect()
}

/// Waits until all have what was said up to this place, and takes what they saw.
fn collect(listeners: Vec<Member>, speakers: Vec<Member>, last: u64) -> Vec<Person> {
    listeners.iter().for_each(|listener| listener.hear_up_to(last));
    listeners.into_iter().chain(speakers).map(Member::into_person).collect()
}

/// How long after it was said a message was heard, at the 99th percentile of all deliveries.
fn p99(people: &[Person]) -> Duration {
    let said: HashMap<&str, Instant> =
        people.iter().flat_map(|person| &person.sent).map(|sent| (sent.text.as_str(), sent.at)).collect();
    let mut delays: Vec<Duration> = people
        .iter()
        .flat_map(|person| &person.visits)
        .flat_map(|visit| &visit.seen)
        .filter_map(|seen| {
            let text = chat_tests::history::text_of(&seen.event.kind)?;
            Some(seen.at - *said.get(text)?)
        })
        .collect();
    delays.sort_unstable();
    delays.get(delays.len() * 99 / 100).copied().unwrap_or_default()
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

fn many_clients() -> Figure {
    const PER_SECOND: usize = 100;
    let (_server, address) = server(&[]);
    let listeners = members(address, "listener", 490 / shorter());
    let mut speakers = members(address, "speaker", 10);
    let last = speak(&mut speakers, 60 * PER_SECOND / shorter(), PER_SECOND);
    let people = collect(listeners, speakers, last);
    let deliveries: usize = people.iter().map(|person| person.events().count()).sum();
    let violations = check(&people);
    violations.iter().take(5).for_each(|violation| println!("{violation}"));
    Figure {
        what: "500 clients, 100 messages/s, 60 s: lost, doubled or out of order",
        without: "-".to_owned(),
        with: format!("{} of {deliveries} deliveries", violations.len()),
        wanted: "0",
        reached: violations.is_empty(),
    }
}

/// A member that never serves its callback; both of its connections.
fn stuck(server: SocketAddr, name: &str) -> (RawPeer, RawPeer) {
    let mut call = RawPeer::call(server).expect("the server accepts");
    let token = raw::token();
    call.join(name, token).expect("the server takes it in");
    (call, RawPeer::open_callback(server, token).expect("the server takes the callback connection"))
}

/// Never given up, so that they stay stuck as long as it takes.
const PATIENT: [&str; 2] = ["--receive-timeout", "3600s"];

fn stuck_recipients() -> Figure {
    const PER_SECOND: usize = 100;
    let run = |stuck_ones: usize| {
        let (_server, address) = server(&PATIENT);
        let _stuck: Vec<_> =
            (0..stuck_ones).map(|number| stuck(address, &format!("stuck{number}"))).collect();
        let _idle = members(address, "idle", 30 - stuck_ones);
        let listeners = members(address, "listener", 69);
        let mut speakers = members(address, "speaker", 1);
        let last = speak(&mut speakers, 20 * PER_SECOND / shorter(), PER_SECOND);
        p99(&collect(listeners, speakers, last))
    };
    let (without, with) = (run(0), run(30));
    let most = (without.mul_f64(1.25)).max(without + Duration::from_millis(10));
    Figure {
        what: "100 clients, of which 30 are stuck: p99 of the other 70",
        without: milliseconds(without),
        with: format!("{} ({:.2} x)", milliseconds(with), with.as_secs_f64() / without.as_secs_f64()),
        wanted: "at most 1.25 x, or 10 ms more",
        reached: with <= most,
    }
}

fn memory_of_the_stuck() -> Figure {
    let messages = 100_000 / shorter();
    let (program, address) = server(&PATIENT);
    let mut speaker = Member::join_open(address, "speaker");
    let mut talk = |stuck_ones: &mut Vec<(RawPeer, RawPeer)>, count: usize| {
        while stuck_ones.len() < count {
            stuck_ones.push(stuck(address, &format!("stuck{}", stuck_ones.len())));
        }
        for number in 0..messages {
            speaker.say(&format!("message {number} {}", "x".repeat(80)));
        }
        program.memory()
    };
    let mut stuck_ones = Vec::new();
    let ten = talk(&mut stuck_ones, 10);
    let fifty = talk(&mut stuck_ones, 50);
    let grown = fifty.saturating_sub(ten);
    Figure {
        what: "stuck clients from 10 to 50, 100,000 messages: memory of the server",
        without: format!("{} KiB", ten / 1024),
        with: format!("{} KiB more", grown / 1024),
        wanted: "at most 8 MiB more",
        reached: grown <= 8 << 20,
    }
}

/// How long it takes to join, trying again where somebody else was let in instead.
fn join_time(server: SocketAddr, name: &str) -> Duration {
    let began = Instant::now();
    let member = poll("a join", || Member::try_join(server, name, Callbacks::Listen).ok());
    let time = began.elapsed();
    member.leave();
    time
}

fn dribblers() -> Figure {
    let (_server, address) = server(&[]);
    let without = join_time(address, "before");
    let stop = AtomicBool::new(false);
    let with = thread::scope(|scope| {
        scope.spawn(|| {
            let mut crowd: Vec<RawPeer> = (0..200).map(|_| RawPeer::dial(address)).collect();
            for byte in caller_hello().iter().cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                // Whoever has been closed comes again, one in each round.
                let mut closed = None;
                for (place, peer) in crowd.iter().enumerate() {
                    if peer.write(&[*byte]).is_err() {
                        closed = Some(place);
                    }
                }
                if let Some(place) = closed {
                    crowd[place] = RawPeer::dial(address);
                }
                thread::sleep(Duration::from_millis(10));
            }
        });
        thread::sleep(Duration::from_secs(1));
        let slowest = (0..10).map(|number| join_time(address, &format!("honest{number}"))).max();
        stop.store(true, Ordering::Relaxed);
        slowest.unwrap_or_default()
    });
    Figure {
        what: "200 dribbling connections: the slowest of ten honest joins",
        without: milliseconds(without),
        with: format!("{} ({:.1} x)", milliseconds(with), with.as_secs_f64() / without.as_secs_f64()),
        wanted: "within 1 s",
        reached: with <= Duration::from_secs(1),
    }
}

fn flood_of_connections() -> Figure {
    const ATTEMPTS: usize = 5000;
    let seconds = 10_usize.div_ceil(shorter());
    let run = |attempts: usize| {
        let (_server, address) = server(&[]);
        let listeners = members(address, "listener", 19);
        let mut speakers = members(address, "speaker", 1);
        let (last, after) = thread::scope(|scope| {
            let flood = scope.spawn(move || {
                let began = Instant::now();
                let mut open = Vec::new();
                for number in 0..attempts {
                    let due = began + Duration::from_secs(10).mul_f64(number as f64 / ATTEMPTS as f64);
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    open.extend(TcpStream::connect_timeout(&address, Duration::from_secs(1)));
                }
            });
            let last = speak(&mut speakers, seconds * 100, 100);
            flood.join().expect("the flood does not panic");
            (last, join_time(address, "after"))
        });
        let people = collect(listeners, speakers, last);
        (p99(&people), after, check(&people).len())
    };
    let (without, _, _) = run(0);
    let (with, after, violations) = run(ATTEMPTS / shorter());
    let most = (without.mul_f64(1.25)).max(without + Duration::from_millis(10));
    Figure {
        what: "5,000 connection attempts in 10 s: p99 of the members; a join after it; violations",
        without: milliseconds(without),
        with: format!(
            "{} ({:.2} x); {}; {violations}",
            milliseconds(with),
            with.as_secs_f64() / without.as_secs_f64(),
            milliseconds(after)
        ),
        wanted: "1.25 x, or 10 ms more; 1 s; 0",
        reached: with <= most && after <= Duration::from_secs(1) && violations == 0,
    }
}
