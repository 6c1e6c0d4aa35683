//! The verdicts: each plays one scene with a server of its own, and convicts it with one sentence, or does
//! not.

use crate::{
    once::once,
    panics::panic,
    room::{shortened, Conviction, Room},
    stop::stop,
    trickle::trickle,
};
use std::{
    panic::{catch_unwind, AssertUnwindSafe},
    process::Command,
};

/// One of the questions that the judge puts to a server.
pub struct Verdict {
    /// As it is printed.
    pub name: &'static str,
    scene: fn(&mut Command) -> Result<(), Conviction>,
}

/// All verdicts, in the order of the ladder: a later step is asked more of them.
pub const VERDICTS: &[Verdict] = &[
    Verdict { name: "order", scene: order },
    Verdict { name: "nobody waits", scene: nobody_waits },
    Verdict { name: "memory", scene: memory },
    Verdict { name: "panic", scene: panic },
    Verdict { name: "trickle", scene: trickle },
    Verdict { name: "stop", scene: stop },
    Verdict { name: "once", scene: once },
];

impl Verdict {
    /// Plays the scene with the server that this command starts.
    ///
    /// # Errors
    /// When the server is convicted. A panic of the harness is a sentence, too, and never a stack.
    pub fn of(&self, command: &mut Command) -> Result<(), Conviction> {
        catch_unwind(AssertUnwindSafe(|| (self.scene)(command))).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied());
            Err(shortened(text.unwrap_or("the judge failed")))
        })
    }
}

/// In how large pieces ann speaks: first small ones, so that a frequent fault is found early.
const PIECES: [usize; 14] = [10, 10, 10, 10, 10, 50, 50, 50, 50, 50, 50, 50, 50, 50];

/// Bob and cid hear all that ann says, in the order in which it was accepted.
fn order(command: &mut Command) -> Result<(), Conviction> {
    let mut room = Room::open(command, &["bob", "cid"])?;
    let mut texts = (1..).map(|number| format!("{number}"));
    PIECES.iter().try_for_each(|piece| {
        room.say(&texts.by_ref().take(*piece).collect::<Vec<_>>())?;
        room.check()
    })
}

/// More than a channel holds in the course, so a room that stops when a channel is full stops here.
const BESIDE_STOPPED: usize = 64;

/// Cid stops reading, and bob hears all the same.
fn nobody_waits(command: &mut Command) -> Result<(), Conviction> {
    let mut room = Room::open(command, &["bob"])?;
    room.cid_joins_and_stops()?;
    let texts = (1..=BESIDE_STOPPED + 1).map(|number| format!("{number}")).collect::<Vec<_>>();
    // The first text may reach bob before the server calls cid. So may all of them on a busy machine.
    room.say(&texts[..1])?;
    room.cid_is_called();
    // Order has its own verdict.
    room.say(&texts[1..])
}

/// The most that a server may hold of what a stopped member has not read: what its log may hold, and what the
/// system and the language hold on to in a program at work.
const MAY_HOLD_KIB: u64 = LOG_BYTES / 1024 + 2 * 1024;
/// What a log may hold in the course.
pub(crate) const LOG_BYTES: u64 = 256 * 1024;
/// How much ann says, in bytes, and in how many messages. Each is as long as a message may be.
const SAID_BYTES: usize = 4 * 1024 * 1024;
const SAID_MESSAGES: usize = 1024;
/// Ann goes on when bob has heard so many, so nothing but cid's part can pile up.
const AHEAD: usize = 32;

/// Cid stops reading, and the server does not hold all that cid does not read.
///
/// Ann says as much beforehand, to bob alone. What a program takes once and keeps is not counted then.
fn memory(command: &mut Command) -> Result<(), Conviction> {
    let mut room = Room::open(command, &["bob"])?;
    speak_long(&mut room, "before")?;
    room.cid_joins_and_stops()?;
    let before = room.server.usage_at_rest();
    speak_long(&mut room, "beside")?;
    let after = room.server.usage_at_rest();
    let (memory, threads) =
        (after.memory.saturating_sub(before.memory), after.threads.saturating_sub(before.threads));
    if memory <= MAY_HOLD_KIB {
        return Ok(());
    }
    let mib = |kib: u64| format!("{:.1} MiB", kib as f64 / 1024.0);
    Err(format!(
        "cid has stopped, and the server holds {} and {threads} threads more; {} are allowed",
        mib(memory),
        mib(MAY_HOLD_KIB)
    ))
}

fn speak_long(room: &mut Room, word: &str) -> Result<(), Conviction> {
    // A text must be shorter than the longest that the real server accepts.
    let length = SAID_BYTES / SAID_MESSAGES - 1;
    let texts: Vec<String> = (0..SAID_MESSAGES)
        .map(|number| format!("{word} {number:0>width$}", width = length - word.len() - 1))
        .collect();
    texts.chunks(AHEAD).try_for_each(|texts| room.say(texts))
}
