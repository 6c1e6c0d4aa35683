//! The verdict *stop*: SIGTERM comes while messages are on their way.

use crate::{
    room::{compare, join, Conviction, NO_REPLY},
    server::{Server, RESTS_BEFORE_END},
};
use chat_tests::member::Callbacks;
use std::{
    net::TcpStream,
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// How much ann says before the signal, and how much at most after it. A log of the course holds both.
const BEFORE_SIGNAL: usize = 10;
const AFTER_SIGNAL: usize = 100;

/// A server may give up a client that has not read for some seconds, and bob reads on sooner. Where a busy
/// machine makes it later, the scene is played again.
const READS_ON_WITHIN: Duration = Duration::from_secs(2);
const SCENES: usize = 5;

/// For how many rests bob does not read after the signal: in one scene that is short, and in the other it is
/// longer than a server may take that bob does not hold up. So no server is right that only waits for a time.
const RESTS_OF_BOB: [usize; 2] = [1, RESTS_BEFORE_END * 3 / 2];

/// The server ends by itself, with exit code 0, and what it has accepted reaches bob first.
pub(crate) fn stop(command: &mut Command) -> Result<(), Conviction> {
    RESTS_OF_BOB.into_iter().try_for_each(|rests| stop_while_bob_rests(rests, command))
}

fn stop_while_bob_rests(rests: usize, command: &mut Command) -> Result<(), Conviction> {
    let mut verdict = Ok(());
    for _ in 0..SCENES {
        let not_read_for;
        (not_read_for, verdict) = scene(rests, command)?;
        if not_read_for < READS_ON_WITHIN {
            break;
        }
    }
    verdict
}

/// Plays the scene. Returns for how long bob has not read, and the verdict.
fn scene(rests: usize, command: &mut Command) -> Result<(Duration, Result<(), Conviction>), Conviction> {
    let mut server = Server::start(command);
    let mut ann = join(&mut server, "ann", Callbacks::Listen)?;
    let mut bob = join(&mut server, "bob", Callbacks::Unread)?;
    // Its thread waits for a hello, and must end as well.
    let _silent = TcpStream::connect(server.address()).map_err(|error| error.to_string())?;
    let stops_reading = Instant::now();
    let texts: Vec<String> = (1..=BEFORE_SIGNAL + AFTER_SIGNAL).map(|number| number.to_string()).collect();
    let (before, after) = texts.split_at(BEFORE_SIGNAL);
    let said = server.lets(|| before.iter().all(|text| ann.try_say(text).is_ok()), || 0);
    said.filter(|said| *said).ok_or(NO_REPLY)?;
    let mut not_read_for = Duration::ZERO;
    let ended = thread::scope(|scope| {
        server.is_told_to_stop();
        // From now on the server may refuse, not reply, or be gone.
        scope.spawn(|| after.iter().all(|text| ann.try_say(text).is_ok()));
        (0..rests).for_each(|_| server.comes_to_rest());
        bob.goes_on();
        not_read_for = stops_reading.elapsed();
        let ended = server.ends();
        // Ann may still wait for it.
        server.kill();
        ended
    });
    let Some(status) = ended else {
        return Ok((
            not_read_for,
            Err("after SIGTERM all threads sleep, and the server does not end".into()),
        ));
    };
    // What the server has sent may be on its way to bob.
    server.comes_to_rest();
    let as_it_must = status.success().then_some(());
    let ended = as_it_must.ok_or_else(|| format!("after SIGTERM the server ended with {status}"));
    Ok((not_read_for, compare([&bob, &ann]).and(ended)))
}
