//! `make faults`: measures what a faulty client costs the others, and prints one table.
//!
//! Each measurement runs with the fault and without it. It needs some 4,000 descriptors (`ulimit -n`).
//! `CHAT_FAULTS_SHORT=1` shortens everything to a tenth, to see that it works. An argument chooses a part:
//! `abuse` is what one address that misbehaves costs, `address` what all connections of an address can do
//! together, `read` what one address costs that reads old history, and `guesses` what somebody who guesses
//! costs a closed room.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "the output is the result")]

mod abuse;
#[cfg(feature = "closed")]
mod guesses;
mod one_address;
mod readers;

use chat_common::{
    terminal::progress::{self, Progress},
    wire::protocol::Join,
};
use chat_tests::{
    checker::check,
    history::MemberHistory,
    member::{Callbacks, Member},
    process::{binary, Program},
    raw::{self, caller_hello, RawPeer},
    watchdog::poll,
};
use std::{
    collections::{HashMap, VecDeque},
    env,
    net::{SocketAddr, TcpStream},
    process::{Command, ExitCode},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// One line of the table.
struct Measurement {
    title: String,
    without: String,
    with: String,
    wanted: &'static str,
    reached: bool,
}

/// The factor by which everything is shortened.
fn divisor() -> usize {
    if env::var_os("CHAT_FAULTS_SHORT").is_some() {
        10
    } else {
        1
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let faults: [fn() -> Measurement; 6] = [
        many_clients,
        stuck_recipients,
        memory_of_the_stuck,
        newcomers_that_do_not_read,
        slow_writers,
        flood_of_connections,
    ];
    let faults = faults.into_iter().map(|measure| measure());
    let mut rows: Box<dyn Iterator<Item = Measurement>> = match arguments.first().map(String::as_str) {
        None => Box::new(faults.chain(abuse::rows()).chain(one_address::rows()).chain(readers::rows())),
        Some("abuse") => Box::new(abuse::rows()),
        Some("read") => Box::new(readers::rows()),
        Some("address") => Box::new(one_address::rows()),
        #[cfg(feature = "closed")]
        Some("guesses") => Box::new(std::iter::once_with(guesses::honest_joins)),
        Some("attack") => return abuse::attack(&arguments[1..]),
        Some(other) => panic!("faults measures abuse, address, read, guesses or all, and not {other}"),
    };
    println!("| what is done | without | with | wanted | reached |\n|---|---|---|---|---|");
    progress::show_on_stderr();
    let (mut progress, count) = (Progress::begin("measuring"), rows.size_hint().1.unwrap_or_default());
    let mut all = true;
    for done in 0.. {
        progress.at(done, count);
        let Some(measurement) = rows.next() else { break };
        progress.hide();
        let Measurement { title, without, with, wanted, reached } = measurement;
        println!("| {title} | {without} | {with} | {wanted} | {} |", if reached { "yes" } else { "NO" });
        all &= reached;
    }
    if all {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A server without a rate limit.
fn server(more: &[&str]) -> (Program, SocketAddr) {
    let mut command = Command::new(binary("chat-server"));
    // The members of these runs send no pings, so the server must not take their silence for death.
    command.args(["--listen", "127.0.0.1:0", "--rate-burst", "0", "--dead-after", "3600s"]).args(more);
    Program::start_server(&mut command)
}

/// Says `count` messages in turns, `per_second` of them in a second. Returns the sequence of the last.
fn speak(speakers: &mut [Member], count: usize, per_second: usize) -> u64 {
    let began = Instant::now();
    let mut last = 0;
    for number in 0..count {
        // Each message is due at its own time, so a server that is slow once does not lower the load that
        // follows.
        let due = began + Duration::from_secs_f64(number as f64 / per_second as f64);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let speaker = number % speakers.len();
        last = speakers[speaker].say(&format!("message {number}"));
    }
    last
}

fn members(server: SocketAddr, prefix: &str, count: usize) -> Vec<Member> {
    (0..count).map(|number| Member::join_without_listener(server, &format!("{prefix}{number}"))).collect()
}

/// Waits until every listener has received the sequence `last`, and returns all histories.
fn collect(listeners: Vec<Member>, speakers: Vec<Member>, last: u64) -> Vec<MemberHistory> {
    listeners.iter().for_each(|listener| listener.hear_up_to(last));
    listeners.into_iter().chain(speakers).map(Member::crash).collect()
}

/// The time from sending a message to receiving it, at the 99th percentile of all deliveries.
fn p99(members: &[MemberHistory]) -> Duration {
    let sent_at: HashMap<&str, Instant> =
        members.iter().flat_map(|member| &member.sent).map(|sent| (sent.text.as_str(), sent.at)).collect();
    let mut delays: Vec<Duration> = members
        .iter()
        .flat_map(|member| &member.sessions)
        .flat_map(|session| &session.deliveries)
        .filter_map(|delivery| {
            let text = chat_tests::history::text_of(&delivery.event.kind)?;
            Some(delivery.at - *sent_at.get(text)?)
        })
        .collect();
    delays.sort_unstable();
    delays.get(delays.len() * 99 / 100).copied().unwrap_or_default()
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

fn many_clients() -> Measurement {
    const PER_SECOND: usize = 100;
    let (_server, address) = server(&[]);
    let listeners = members(address, "listener", 490 / divisor());
    let mut speakers = members(address, "speaker", 10);
    let last = speak(&mut speakers, 60 * PER_SECOND / divisor(), PER_SECOND);
    let histories = collect(listeners, speakers, last);
    let deliveries: usize = histories.iter().map(|member| member.events().count()).sum();
    let violations = check(&histories);
    violations.iter().take(5).for_each(|violation| println!("{violation}"));
    Measurement {
        title: "500 clients, 100 messages/s, 60 s: lost, doubled or out of order".to_owned(),
        without: "-".to_owned(),
        with: format!("{} of {deliveries} deliveries", violations.len()),
        wanted: "0",
        reached: violations.is_empty(),
    }
}

/// Both connections of a member that never serves its callback.
fn stuck(server: SocketAddr, name: &str) -> (RawPeer, RawPeer) {
    let mut call = RawPeer::connect_call(server).expect("the server accepts");
    let token = raw::random_token();
    call.join(name, token).expect("the server accepts the Join");
    let callback = call.connect_callback(server, token).expect("the server accepts the callback connection");
    (call, callback)
}

/// The server does not remove a stuck member during a measurement.
const KEEP_STUCK_MEMBERS: [&str; 2] = ["--receive-timeout", "3600s"];

fn stuck_recipients() -> Measurement {
    const PER_SECOND: usize = 100;
    let run = |stuck_count: usize| {
        let (_server, address) = server(&KEEP_STUCK_MEMBERS);
        let _stuck: Vec<_> =
            (0..stuck_count).map(|number| stuck(address, &format!("stuck{number}"))).collect();
        let _idle = members(address, "idle", 30 - stuck_count);
        let listeners = members(address, "listener", 69);
        let mut speakers = members(address, "speaker", 1);
        let last = speak(&mut speakers, 20 * PER_SECOND / divisor(), PER_SECOND);
        p99(&collect(listeners, speakers, last))
    };
    let (without, with) = (run(0), run(30));
    let limit = (without.mul_f64(1.25)).max(without + Duration::from_millis(10));
    Measurement {
        title: "100 clients, of which 30 are stuck: p99 of the other 70".to_owned(),
        without: milliseconds(without),
        with: format!("{} ({:.2} x)", milliseconds(with), with.as_secs_f64() / without.as_secs_f64()),
        wanted: "at most 1.25 x, or 10 ms more",
        reached: with <= limit,
    }
}

fn memory_of_the_stuck() -> Measurement {
    let messages = 100_000 / divisor();
    let (program, address) = server(&KEEP_STUCK_MEMBERS);
    let mut speaker = Member::join_without_listener(address, "speaker");
    let mut memory_beside = |stuck_members: &mut Vec<(RawPeer, RawPeer)>, count: usize| {
        while stuck_members.len() < count {
            stuck_members.push(stuck(address, &format!("stuck{}", stuck_members.len())));
        }
        for number in 0..messages {
            speaker.say(&format!("message {number} {}", "x".repeat(80)));
        }
        program.memory_bytes()
    };
    let mut stuck_members = Vec::new();
    let ten = memory_beside(&mut stuck_members, 10);
    let fifty = memory_beside(&mut stuck_members, 50);
    let grown = fifty.saturating_sub(ten);
    Measurement {
        title: "stuck clients from 10 to 50, 100,000 messages: memory of the server".to_owned(),
        without: format!("{} KiB", ten / 1024),
        with: format!("{} KiB more", grown / 1024),
        wanted: "at most 8 MiB more",
        reached: grown <= 8 << 20,
    }
}

/// Joins with all history, opens the callback connection and reads nothing; then the same again. The last
/// sessions stay open for a while, so that the server fills their buffers.
fn join_without_reading(server: SocketAddr, prefix: &str, stop: &AtomicBool) {
    const KEPT_SESSIONS: usize = 16;
    let mut kept = VecDeque::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let name = format!("{prefix}x{number}");
        let mut call = RawPeer::connect_call(server).expect("the server accepts");
        let token = raw::random_token();
        let join = Join { history: u32::MAX, ..Join::new(name, token, 0) };
        call.join_with(join).expect("the server accepts the Join");
        let callback = call.connect_callback(server, token);
        kept.push_back((call, callback));
        if kept.len() > KEPT_SESSIONS {
            kept.pop_front();
        }
    }
}

fn newcomers_that_do_not_read() -> Measurement {
    const PER_SECOND: usize = 100;
    let run = |newcomers: usize| {
        let (_server, address) = server(&[]);
        let mut speakers = members(address, "speaker", 1);
        for number in 0..8000 / divisor() {
            speakers[0].say(&format!("earlier {number} {}", "x".repeat(800)));
        }
        let listeners = members(address, "listener", 10);
        let stop = AtomicBool::new(false);
        let last = thread::scope(|scope| {
            for number in 0..newcomers {
                let stop = &stop;
                scope.spawn(move || join_without_reading(address, &format!("newcomer{number}"), stop));
            }
            let last = speak(&mut speakers, 10 * PER_SECOND / divisor(), PER_SECOND);
            listeners.iter().for_each(|listener| listener.hear_up_to(last));
            stop.store(true, Ordering::Relaxed);
            last
        });
        p99(&collect(listeners, speakers, last))
    };
    let (without, with) = (run(0), run(4));
    Measurement {
        title: "4 newcomers at a time that ask for all history and read nothing: p99 of the others"
            .to_owned(),
        without: milliseconds(without),
        with: format!("{} ({:.2} x)", milliseconds(with), with.as_secs_f64() / without.as_secs_f64()),
        wanted: "at most 10 ms more",
        reached: with <= without + Duration::from_millis(10),
    }
}

/// How long a join takes, with all attempts: the server may give a free connection to another client.
fn join_time(server: SocketAddr, name: &str) -> Duration {
    let began = Instant::now();
    let member = poll("a join", || Member::try_join(server, name, Callbacks::Listen).ok());
    let time = began.elapsed();
    member.leave();
    time
}

fn slow_writers() -> Measurement {
    let (_server, address) = server(&[]);
    let without = join_time(address, "before");
    let stop = AtomicBool::new(false);
    let with = thread::scope(|scope| {
        scope.spawn(|| {
            let mut crowd: Vec<RawPeer> = (0..200).map(|_| RawPeer::connect(address)).collect();
            for byte in caller_hello().iter().cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                // One closed connection is replaced in each round.
                let mut closed = None;
                for (index, peer) in crowd.iter().enumerate() {
                    if peer.write(&[*byte]).is_err() {
                        closed = Some(index);
                    }
                }
                if let Some(index) = closed {
                    crowd[index] = RawPeer::connect(address);
                }
                thread::sleep(Duration::from_millis(10));
            }
        });
        // The measurement begins when the crowd has written for a while. Nothing depends on the exact time.
        thread::sleep(Duration::from_secs(1));
        let slowest = (0..10).map(|number| join_time(address, &format!("honest{number}"))).max();
        stop.store(true, Ordering::Relaxed);
        slowest.unwrap_or_default()
    });
    Measurement {
        title: "200 dribbling connections: the slowest of ten honest joins".to_owned(),
        without: milliseconds(without),
        with: format!("{} ({:.1} x)", milliseconds(with), with.as_secs_f64() / without.as_secs_f64()),
        wanted: "within 1 s",
        reached: with <= Duration::from_secs(1),
    }
}

fn flood_of_connections() -> Measurement {
    const ATTEMPTS: usize = 5000;
    let seconds = 10_usize.div_ceil(divisor());
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
        let histories = collect(listeners, speakers, last);
        (p99(&histories), after, check(&histories).len())
    };
    let (without, _, _) = run(0);
    let (with, after, violations) = run(ATTEMPTS / divisor());
    let limit = (without.mul_f64(1.25)).max(without + Duration::from_millis(10));
    Measurement {
        title: "5,000 connection attempts in 10 s: p99 of the members; a join after it; violations"
            .to_owned(),
        without: milliseconds(without),
        with: format!(
            "{} ({:.2} x); {}; {violations}",
            milliseconds(with),
            with.as_secs_f64() / without.as_secs_f64(),
            milliseconds(after)
        ),
        wanted: "1.25 x, or 10 ms more; 1 s; 0",
        reached: with <= limit && after <= Duration::from_secs(1) && violations == 0,
    }
}
