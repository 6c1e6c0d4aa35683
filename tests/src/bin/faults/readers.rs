//! What it costs an honest pair that one address reads old history, in many ways and again and again. Before
//! that, other addresses fill the room with what is read.

use crate::{
    abuse::{attackers, is_promised, talk_of_a_pair, Attacker, Honest, Trick, PROMISED_JOIN},
    milliseconds, Measurement,
};
use chat_common::wire::protocol::{Join, Place, Request};
use chat_tests::{
    folder::Folder,
    process::{binary, Program},
    raw::random_token,
};
use std::{
    io,
    net::SocketAddr,
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// What was said in the room before.
#[derive(Clone, Copy, PartialEq)]
enum Past {
    /// As much as memory holds.
    Memory,
    /// Three times as much, in a journal.
    Files,
    /// The same, to one member alone.
    Private,
}

/// How many connections read at a time.
const READERS: usize = 16;

pub(crate) const TRICKS: [Trick; 5] = [
    Trick {
        title: "16 join with the longest history and close",
        attackers: READERS,
        attack: join_with_history,
    },
    Trick { title: "the same, as send-only clients", attackers: READERS, attack: visit_with_history },
    Trick { title: "16 come back after a long time and close", attackers: READERS, attack: come_back },
    Trick {
        title: "16 ask for the history of a room full of others' private messages",
        attackers: READERS,
        attack: ask_for_history,
    },
    Trick {
        title: "160 a second take all that memory holds, read nothing and reset",
        attackers: 4,
        attack: take_and_reset,
    },
];

/// What the room of each trick has said.
const PASTS: [Past; 5] = [Past::Files, Past::Files, Past::Files, Past::Private, Past::Memory];

/// The number of [`take_and_reset`] in the table.
const RESETS: usize = 4;

/// Does `join` again and again.
fn again_and_again(join: impl Fn(usize) -> io::Result<()>) -> io::Result<()> {
    (0..).try_for_each(join)
}

fn join_with_history(attacker: Attacker) -> io::Result<()> {
    again_and_again(|round| attacker.join(round, 10_000).map(drop))
}

fn visit_with_history(attacker: Attacker) -> io::Result<()> {
    again_and_again(|round| {
        let join = Join::new(attacker.name(round), random_token(), 0);
        attacker.enter(Join { history: 10_000, send_only: true, ..join }).map(drop)
    })
}

fn come_back(attacker: Attacker) -> io::Result<()> {
    let (_, joined) = attacker.enter(Join::new(attacker.name(0), random_token(), 0))?;
    again_and_again(|round| {
        let since = Some(Place { room: joined.room, sequence: 1 });
        let join = Join { since, ..Join::new(attacker.name(round + 1), random_token(), 0) };
        let token = join.token;
        let (call, _) = attacker.enter(join)?;
        attacker.open_callback(&call, token).map(drop)
    })
}

fn ask_for_history(attacker: Attacker) -> io::Result<()> {
    attacker.send_for_ever(|_| Request::History { count: u32::MAX, before: None })
}

fn take_and_reset(attacker: Attacker) -> io::Result<()> {
    const PER_SECOND: f64 = 40.0;
    let began = Instant::now();
    again_and_again(|round| {
        let due = began + Duration::from_secs_f64(round as f64 / PER_SECOND);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        attacker.join(round, u32::MAX).map(drop)
    })
}

/// A server with its default limits, and with a journal if its past needs one.
struct Room {
    address: SocketAddr,
    _server: Program,
    _folder: Folder,
}

impl Room {
    fn with(past: Past) -> Room {
        let folder = Folder::new();
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n \"$(ulimit -Hn)\"; exec \"$0\" \"$@\""]).arg(binary("chat-server"));
        command.args(["--listen", "127.0.0.1:0"]);
        if past != Past::Memory {
            command.args(["--journal", &folder.file("journal")]);
        }
        let (server, address) = Program::start_server(&mut command);
        let room = Room { address, _server: server, _folder: folder };
        room.fill(past);
        room
    }

    /// Lets 45 addresses say what each of them may say at once.
    fn fill(&self, past: Past) {
        const ADDRESSES: u8 = 45;
        const LINES: u64 = 200;
        let (connections, length) = if past == Past::Memory { (1, 800) } else { (3, 200) };
        let reader = Attacker { address: [127, 0, 1, 200].into(), server: self.address, number: 0 };
        let reader_name = reader.name(0);
        let _reader = reader.join_and_listen(0).expect("a member joins");
        let say = |attacker: Attacker| {
            let join = Join::new(attacker.name(0), random_token(), 0);
            let (mut call, _) = attacker.enter(Join { send_only: true, ..join })?;
            for message_id in 1..=LINES {
                let (repeated, text) = (false, format!("{message_id:0>length$}"));
                call.ask(&match past {
                    Past::Private => Request::Private { message_id, repeated, to: reader_name.clone(), text },
                    _ => Request::Broadcast { message_id, repeated, text },
                })
                .map_err(io::Error::other)?;
            }
            io::Result::Ok(())
        };
        thread::scope(|scope| {
            for host in 0..ADDRESSES {
                let (server, say) = (self.address, &say);
                scope.spawn(move || {
                    for number in 0..connections {
                        let address = [127, 0, 1, 10 + host].into();
                        say(Attacker { address, server, number }).expect("the room is filled");
                    }
                });
            }
        });
    }
}

/// Lets an honest pair talk while one address uses a trick on its server, or on another one.
fn honest_pair(past: Past, attack: Option<(usize, bool)>) -> Honest {
    let room = Room::with(past);
    let other = attack.filter(|(_, on_another)| *on_another).map(|_| Room::with(past));
    let attacked = other.as_ref().unwrap_or(&room).address;
    talk_of_a_pair(room.address, || attack.map(|(trick, _)| attackers("read", trick, attacked, 1)))
}

pub(crate) fn rows() -> impl Iterator<Item = Measurement> {
    (0..RESETS).chain(RESETS + 1..TRICKS.len()).map(reading).chain([RESETS].map(resets))
}

fn reading(trick: usize) -> Measurement {
    let quiet = honest_pair(PASTS[trick], None);
    let honest = honest_pair(PASTS[trick], Some((trick, false)));
    Measurement {
        title: format!("one address: {}: p99 of an honest pair; a join", TRICKS[trick].title),
        without: milliseconds(quiet.p99),
        with: format!("{}; {}", milliseconds(honest.p99), milliseconds(honest.join)),
        wanted: "at most 10 ms or 5 x; 2 s; nobody cut off",
        reached: is_promised(&quiet, &honest),
    }
}

/// The attackers use the same two cores, wherever they attack. So the same attack on another server says what
/// a server costs its own room.
fn resets(trick: usize) -> Measurement {
    const MOST: Duration = Duration::from_millis(15);
    let elsewhere = honest_pair(PASTS[trick], Some((trick, true)));
    let here = honest_pair(PASTS[trick], Some((trick, false)));
    Measurement {
        title: format!(
            "one address: {}: p99 of an honest pair; beside the same elsewhere",
            TRICKS[trick].title
        ),
        without: milliseconds(elsewhere.p99),
        with: format!("{}; {}", milliseconds(here.p99), milliseconds(here.join)),
        wanted: "at most 15 ms, and not above the other; 2 s; nobody cut off",
        reached: here.p99 <= MOST.min(elsewhere.p99)
            && here.join <= PROMISED_JOIN
            && here.violations == 0
            && !here.cut_off,
    }
}
