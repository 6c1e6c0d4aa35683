//! What one address that misbehaves costs an honest pair in the same room: each trick in turn, from another
//! address, against a server with its default limits.
//!
//! The attackers run in a process of their own at the lowest priority, because they stand for other machines:
//! here they share two cores with the server and with the pair that is measured.

use crate::{divisor, milliseconds, p99, readers, Measurement};
use chat_common::wire::{
    protocol::{EventKind, Join, Joined, Reply, Request},
    token::Token,
};
use chat_tests::{
    checker::check,
    history::MemberHistory,
    member::{Callbacks, Member},
    process::{binary, Program},
    proxy::{Fault, Faults, Proxy},
    raw::{caller_hello, random_token, RawPeer},
    watchdog::poll,
};
use std::{
    collections::VecDeque,
    env, io,
    net::{IpAddr, SocketAddr},
    process::{Command, ExitCode},
    thread,
    time::{Duration, Instant},
};

/// How many members one address has in most tricks.
const MEMBERS: usize = 20;
/// How often the honest member speaks. It is below its own rate limit.
const PER_SECOND: usize = 40;
/// How long each trick is measured.
const SECONDS: usize = 6;
/// The slowest that 99 of 100 messages may be: the promise of the README.
const PROMISED: Duration = Duration::from_millis(10);
/// How many times slower than in a quiet room.
const PROMISED_FACTOR: f64 = 5.0;
/// The slowest honest join.
pub(crate) const PROMISED_JOIN: Duration = Duration::from_secs(2);

/// One attacker: its address, and the server.
#[derive(Clone, Copy)]
pub(crate) struct Attacker {
    pub(crate) address: IpAddr,
    pub(crate) server: SocketAddr,
    /// Which of the attackers at this address it is.
    pub(crate) number: usize,
}

/// A trick: its title, how many attackers take part, and what each of them does for ever.
pub(crate) struct Trick {
    pub(crate) title: &'static str,
    pub(crate) attackers: usize,
    pub(crate) attack: fn(Attacker) -> io::Result<()>,
}

const TRICKS: [Trick; 11] = [
    Trick { title: "20 members talk at their rate", attackers: MEMBERS, attack: talk },
    Trick {
        title: "20 join, say 200 lines, leave, and join again",
        attackers: MEMBERS,
        attack: talk_and_leave,
    },
    Trick {
        title: "the same, and they are lost instead of leaving",
        attackers: MEMBERS,
        attack: talk_and_vanish,
    },
    Trick { title: "20 join and leave", attackers: MEMBERS, attack: join_and_leave },
    Trick { title: "20 rename themselves", attackers: MEMBERS, attack: rename },
    Trick {
        title: "20 send private messages with a recipient of 60 KB",
        attackers: MEMBERS,
        attack: long_recipient,
    },
    Trick { title: "20 ask for all history", attackers: MEMBERS, attack: ask_for_history },
    Trick { title: "20 ask who is here", attackers: MEMBERS, attack: ask_who },
    Trick {
        title: "newcomers ask for all history and read nothing",
        attackers: 4,
        attack: join_without_reading,
    },
    Trick { title: "60 sockets say hello, 12,000 a second", attackers: 6, attack: say_hello },
    Trick { title: "60 sockets say nothing, 12,000 a second", attackers: 6, attack: connect },
];

impl Attacker {
    pub(crate) fn name(self, round: usize) -> String {
        let IpAddr::V4(address) = self.address else { panic!("the attackers use IPv4") };
        format!("m{}x{}x{round}", address.octets()[3], self.number)
    }

    /// Joins with the call connection alone.
    pub(crate) fn enter(self, join: Join) -> io::Result<(RawPeer, Joined)> {
        let mut call = RawPeer::connect_from(self.address, self.server)?;
        call.say_hello().map_err(io::Error::other)?;
        match call.connection.call(&Request::Join(join), PATIENCE).map_err(io::Error::other)? {
            Reply::Joined(joined) => Ok((call, joined)),
            refused => Err(io::Error::other(format!("{refused:?}"))),
        }
    }

    pub(crate) fn open_callback(self, call: &RawPeer, token: Token) -> io::Result<RawPeer> {
        let mut callback = RawPeer::connect_from(self.address, self.server)?;
        callback.open_callback(call, token).map_err(io::Error::other)?;
        Ok(callback)
    }

    /// Joins with both connections.
    pub(crate) fn join(self, round: usize, history: u32) -> io::Result<(RawPeer, RawPeer)> {
        let join = Join { history, ..Join::new(self.name(round), random_token(), 0) };
        let token = join.token;
        let (call, _) = self.enter(join)?;
        let callback = self.open_callback(&call, token)?;
        Ok((call, callback))
    }

    /// Joins, and answers every call of the server. Returns the call connection.
    pub(crate) fn join_and_listen(self, round: usize) -> io::Result<RawPeer> {
        let (call, mut callback) = self.join(round, 0)?;
        thread::Builder::new().spawn(move || while let Ok(Some(_)) = callback.serve_receive() {})?;
        Ok(call)
    }

    /// Joins once, and sends the requests that `next` returns, each after the reply to the one before.
    pub(crate) fn send_for_ever(self, mut next: impl FnMut(u64) -> Request) -> io::Result<()> {
        let mut call = self.join_and_listen(0)?;
        for number in 1.. {
            call.ask(&next(number)).map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// Opens 2,000 connections a second, sends these bytes on each, and keeps the last ten open.
    fn connect_for_ever(self, bytes: &[u8]) -> io::Result<()> {
        const KEPT_SOCKETS: usize = 10;
        const PER_SECOND: f64 = 2000.0;
        let (began, mut kept) = (Instant::now(), VecDeque::new());
        for number in 0.. {
            let due = began + Duration::from_secs_f64(f64::from(number) / PER_SECOND);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let peer = RawPeer::connect_from(self.address, self.server)?;
            let _ = peer.write(bytes);
            kept.push_back(peer);
            if kept.len() > KEPT_SOCKETS {
                kept.pop_front();
            }
        }
        Ok(())
    }

    /// Joins, says 200 lines, and hands the connection to `end`; then the same again.
    fn talk_again_and_again(self, end: impl Fn(RawPeer)) -> io::Result<()> {
        const LINES: u64 = 200;
        for round in 0.. {
            let mut call = self.join_and_listen(round)?;
            for number in 1..=LINES {
                call.ask(&line(number)).map_err(io::Error::other)?;
            }
            end(call);
        }
        Ok(())
    }
}

/// No reply takes longer, whatever the server is busy with.
const PATIENCE: Duration = Duration::from_secs(60);

/// A message of 100 bytes.
fn line(message_id: u64) -> Request {
    Request::Broadcast { message_id, repeated: false, text: format!("{message_id:0>100}") }
}

fn talk(attacker: Attacker) -> io::Result<()> {
    attacker.send_for_ever(line)
}

fn talk_and_leave(attacker: Attacker) -> io::Result<()> {
    attacker.talk_again_and_again(|mut call| drop(call.ask(&Request::Leave)))
}

fn talk_and_vanish(attacker: Attacker) -> io::Result<()> {
    attacker.talk_again_and_again(drop)
}

fn join_and_leave(attacker: Attacker) -> io::Result<()> {
    for round in 0.. {
        attacker.join_and_listen(round)?.ask(&Request::Leave).map_err(io::Error::other)?;
    }
    Ok(())
}

fn rename(attacker: Attacker) -> io::Result<()> {
    attacker.send_for_ever(|number| Request::Rename { name: attacker.name(number as usize) })
}

fn long_recipient(attacker: Attacker) -> io::Result<()> {
    let to = "é".repeat(30_000);
    attacker.send_for_ever(|message_id| Request::Private {
        message_id,
        repeated: false,
        to: to.clone(),
        text: "hi".to_owned(),
    })
}

fn ask_for_history(attacker: Attacker) -> io::Result<()> {
    attacker.send_for_ever(|_| Request::History { count: u32::MAX, before: None })
}

fn ask_who(attacker: Attacker) -> io::Result<()> {
    attacker.send_for_ever(|_| Request::Who)
}

fn join_without_reading(attacker: Attacker) -> io::Result<()> {
    const KEPT_SESSIONS: usize = 8;
    let mut kept = VecDeque::new();
    for round in 0.. {
        kept.push_back(attacker.join(round, u32::MAX)?);
        if kept.len() > KEPT_SESSIONS {
            kept.pop_front();
        }
    }
    Ok(())
}

fn say_hello(attacker: Attacker) -> io::Result<()> {
    attacker.connect_for_ever(&caller_hello())
}

fn connect(attacker: Attacker) -> io::Result<()> {
    attacker.connect_for_ever(&[])
}

/// The program of the attackers: `faults attack TABLE TRICK SERVER ADDRESSES`. It goes on until it is killed.
pub(crate) fn attack(arguments: &[String]) -> ExitCode {
    let [table, trick, server, addresses] = arguments else { panic!("attack TABLE TRICK SERVER ADDRESSES") };
    let tricks: &[Trick] = if table == "read" { &readers::TRICKS } else { &TRICKS };
    let trick = &tricks[trick.parse::<usize>().expect("the number of a trick")];
    let server: SocketAddr = server.parse().expect("the address of a server");
    let addresses: u8 = addresses.parse().expect("how many addresses attack");
    thread::scope(|scope| {
        for host in 0..addresses {
            for number in 0..trick.attackers {
                let attacker = Attacker { address: [127, 0, 0, 10 + host].into(), server, number };
                scope.spawn(move || loop {
                    // The server refuses much of this, and then the attacker begins again.
                    if (trick.attack)(attacker).is_err() {
                        thread::sleep(Duration::from_millis(10));
                    }
                });
            }
        }
    });
    ExitCode::SUCCESS
}

/// What an honest pair sees of an attack.
pub(crate) struct Honest {
    pub(crate) p99: Duration,
    pub(crate) violations: usize,
    /// Whether a member of the pair was cut off.
    pub(crate) cut_off: bool,
    pub(crate) join: Duration,
}

/// Lets an honest pair talk while `addresses` addresses use a trick.
fn honest_pair(trick: Option<usize>, addresses: usize) -> Honest {
    let (_server, address) = server(&[]);
    talk_of_a_pair(address, || trick.map(|trick| attackers("abuse", trick, address, addresses)))
}

/// Lets an honest pair talk while the attackers attack.
pub(crate) fn talk_of_a_pair(address: SocketAddr, attackers: impl FnOnce() -> Option<Program>) -> Honest {
    let mut ann = Member::join_without_listener(address, "ann");
    let bob = Member::join_without_listener(address, "bob");
    let _attackers = attackers();
    let began = Instant::now();
    let mut last = 0;
    for number in 0..SECONDS * PER_SECOND / divisor() {
        let due = began + Duration::from_secs_f64(number as f64 / PER_SECOND as f64);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        last = ann.say(&format!("message {number}"));
    }
    let began = Instant::now();
    let cid = poll("an honest join", || Member::try_join(address, "cid", Callbacks::Open).ok());
    let join = began.elapsed();
    bob.hear_up_to(last);
    // The next measurement in this room has the same names, and the name of a lost session is held.
    let leave = |mut member: Member| {
        let _ = member.ask(&Request::Leave);
        member.crash()
    };
    leave(cid);
    let histories: Vec<MemberHistory> = [ann, bob].map(leave).into();
    let missed = |history: &MemberHistory| {
        history.events().any(|event| matches!(event.kind, EventKind::Missed { .. }))
    };
    // The pair sees what the attackers say, whose histories nobody keeps.
    let own = histories.iter().map(without_strangers).collect::<Vec<_>>();
    Honest {
        p99: p99(&histories),
        violations: check(&own).len(),
        cut_off: histories.iter().any(|history| history.sessions.len() > 1 || missed(history)),
        join,
    }
}

/// Starts the attackers, and returns when the attack is under way. Nothing depends on the exact time.
pub(crate) fn attackers(table: &str, trick: usize, server: SocketAddr, addresses: usize) -> Program {
    let mut command = Command::new("nice");
    command.args(["-n", "19"]).arg(env::current_exe().unwrap());
    command.args(["attack", table, &trick.to_string(), &server.to_string(), &addresses.to_string()]);
    let attackers = Program::start("attackers", &mut command);
    thread::sleep(Duration::from_secs(1));
    attackers
}

/// A server with its default limits, but for these flags.
pub(crate) fn server(flags: &[&str]) -> (Program, SocketAddr) {
    let mut command = Command::new(binary("chat-server"));
    Program::start_server(command.args(["--listen", "127.0.0.1:0"]).args(flags))
}

/// How long joins over a network with this delay in each direction take. `None` stands for one that failed.
fn joins_over(server: SocketAddr, delay: Duration, prefix: &str) -> Vec<Option<Duration>> {
    const JOINS: usize = 10;
    let proxy = Proxy::start(server);
    proxy.set_faults(Faults::both(Fault::Delay(delay)));
    let join = |number| {
        let began = Instant::now();
        Member::try_join(proxy.address(), &format!("{prefix}{number}"), Callbacks::Open).ok().map(|member| {
            let time = began.elapsed();
            member.leave();
            time
        })
    };
    (0..JOINS).map(join).collect()
}

/// The history without what the attackers said.
fn without_strangers(history: &MemberHistory) -> MemberHistory {
    let mut own = history.clone();
    for session in &mut own.sessions {
        session.deliveries.retain(|delivery| match &delivery.event.kind {
            EventKind::Message { author, .. } => !author.starts_with('m'),
            _ => true,
        });
    }
    own
}

/// Measures every trick beside a quiet room, one after the other.
pub(crate) fn rows() -> impl Iterator<Item = Measurement> {
    let others = [eight_addresses, joins_during_a_flood];
    (0..TRICKS.len()).map(one_address).chain(others.into_iter().map(|measure| measure()))
}

fn one_address(trick: usize) -> Measurement {
    let (quiet, honest) = (honest_pair(None, 0), honest_pair(Some(trick), 1));
    let factor = honest.p99.as_secs_f64() / quiet.p99.as_secs_f64();
    Measurement {
        title: format!("one address: {}: p99 of an honest pair; a join", TRICKS[trick].title),
        without: milliseconds(quiet.p99),
        with: format!("{} ({factor:.1} x); {}", milliseconds(honest.p99), milliseconds(honest.join)),
        wanted: "at most 10 ms or 5 x; 2 s; nobody cut off",
        reached: is_promised(&quiet, &honest),
    }
}

/// Whether an attack costs an honest pair no more than the README promises.
pub(crate) fn is_promised(quiet: &Honest, honest: &Honest) -> bool {
    honest.p99 <= PROMISED.max(quiet.p99.mul_f64(PROMISED_FACTOR))
        && honest.join <= PROMISED_JOIN
        && honest.violations == 0
        && !honest.cut_off
}

fn eight_addresses() -> Measurement {
    let (quiet, honest) = (honest_pair(None, 0), honest_pair(Some(0), 8));
    Measurement {
        title: "eight addresses: 20 members of each talk at their rate: the same".to_owned(),
        without: milliseconds(quiet.p99),
        with: format!("{}; {}", milliseconds(honest.p99), milliseconds(honest.join)),
        wanted: "nobody cut off",
        reached: honest.violations == 0 && !honest.cut_off,
    }
}

/// The number of [`say_hello`] in the table.
const HELLO_FLOOD: usize = 9;

fn joins_during_a_flood() -> Measurement {
    /// In each direction; the round trips are twice as long.
    const DELAYS_US: [u64; 4] = [250, 5_000, 25_000, 50_000];
    let (_server, address) = server(&[]);
    let joins = |prefix: &str| -> Vec<Option<Duration>> {
        let number = |(number, delay): (usize, &u64)| {
            joins_over(address, Duration::from_micros(*delay), &format!("{prefix}{number}x"))
        };
        DELAYS_US.iter().enumerate().flat_map(number).collect()
    };
    let usual = joins("quiet").into_iter().flatten().max().unwrap_or_default();
    let _attackers = attackers("abuse", HELLO_FLOOD, address, 1);
    let joins = joins("flood");
    let slowest = joins.iter().flatten().max().copied().unwrap_or_default();
    let failed = joins.iter().filter(|join| join.is_none()).count();
    Measurement {
        title: "12,000 hellos a second: honest joins at round trips of 0.5 to 100 ms: the slowest; failed"
            .to_owned(),
        without: milliseconds(usual),
        with: format!("{}; {failed} of {}", milliseconds(slowest), joins.len()),
        wanted: "2 s more; 0",
        reached: failed == 0 && slowest <= usual + PROMISED_JOIN,
    }
}
