//! The verdict *trickle*: one peer pauses once, and two send a byte at a time.
//!
//! A server that ends the first has no deadline for a frame, but a short one for each byte.
//!
//! A server has to end both within a time, although each byte comes soon after the one before it. The bytes
//! never stop, so the room never rests. A server is convicted when the time is over and all of its threads
//! sleep: then no deadline has woken any of them.

use crate::{
    room::{join, reason, Conviction, NO_REPLY},
    server::Server,
    target::impatient,
};
use chat_tests::{member::Callbacks, raw::caller_hello};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// The pause between two bytes. A hello of 29 bytes then takes longer than the second that a frame may take.
/// So no peer begins a second frame, which would have a second of its own.
const PAUSE: Duration = Duration::from_millis(50);

/// On a busy machine a pause may become longer. Then a server may have lost patience for another
/// reason, and the scene is played again.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
const SCENES: usize = 10;

/// How long a peer may pause in its hello: longer than [`PAUSE`], and much shorter than a frame may take.
const MAY_PAUSE: Duration = Duration::from_millis(150);

/// How long the peers may hold a thread. The deadlines of the course are half as long.
const MAY_HOLD: Duration = Duration::from_secs(2);

/// A frame that no peer finishes: its header, which announces this many bytes, and bytes.
const ANNOUNCED_BYTES: u32 = 1000;

/// A peer that sends a byte at a time.
struct Trickler {
    /// What is said of it.
    name: &'static str,
    stream: TcpStream,
    rest: std::vec::IntoIter<u8>,
    ended: bool,
}

/// Neither a peer that has not joined nor one that has may hold a thread with single bytes. And ann, who says
/// nothing meanwhile, may stay.
pub(crate) fn trickle(command: &mut Command) -> Result<(), Conviction> {
    let mut verdict = Ok(());
    for _ in 0..SCENES {
        let longest_pause;
        (longest_pause, verdict) = scene(&mut impatient(command))?;
        if longest_pause < LONGEST_PAUSE {
            break;
        }
    }
    verdict
}

/// Sends a hello in two parts. Returns the pause between them, and whether the server answers.
fn pauses(server: &Server) -> io::Result<(Duration, bool)> {
    let (hello, mut stream) = (caller_hello(), TcpStream::connect(server.address())?);
    let (first, rest) = hello.split_at(hello.len() / 2);
    stream.write_all(first)?;
    let begun = Instant::now();
    thread::sleep(MAY_PAUSE);
    let sent = stream.write_all(rest);
    let pause = begun.elapsed();
    let answered = sent.is_ok() && server.lets(|| stream.read_exact(&mut [0]).is_ok(), || 0) == Some(true);
    Ok((pause, answered))
}

/// Plays the scene. Returns the longest pause between two bytes, and the verdict.
fn scene(command: &mut Command) -> Result<(Duration, Result<(), Conviction>), Conviction> {
    let mut server = Server::start(command);
    let (pause, answered) = pauses(&server).map_err(|error| error.to_string())?;
    if !answered {
        let time = MAY_PAUSE.as_millis();
        let why = format!("a peer who pauses for {time} ms in its hello gets no answer");
        return Ok((pause, Err(why)));
    }
    let mut ann = join(&mut server, "ann", Callbacks::Listen)?;
    let dan = join(&mut server, "dan", Callbacks::Listen)?;
    let stranger = TcpStream::connect(server.address()).map_err(|error| error.to_string())?;
    let socket = dan.call_socket().map_err(|error| error.to_string())?;
    let mut tricklers = [
        Trickler::new("who has not joined", stranger, &caller_hello())?,
        Trickler::new("who is in a call", socket, &[])?,
    ];
    let (mut longest_pause, mut last, mut first_rest) = (pause, Instant::now(), None);
    loop {
        tricklers.iter_mut().for_each(Trickler::send_byte);
        longest_pause = longest_pause.max(last.elapsed());
        last = Instant::now();
        thread::sleep(PAUSE);
        let holding: Vec<&str> = tricklers.iter_mut().filter_map(Trickler::holds).collect();
        let Some(name) = holding.first() else { break };
        if server.sleeps() {
            // The server has read the first bytes, and its deadlines run.
            let begun: Instant = *first_rest.get_or_insert_with(Instant::now);
            if begun.elapsed() >= MAY_HOLD {
                let time = MAY_HOLD.as_secs();
                let why = format!(
                    "a peer {name} sends a byte at a time, and holds a thread for more than {time} s"
                );
                return Ok((longest_pause, Err(why)));
            }
        }
    }
    // Where ann's time is over as well, her thread has ended by then.
    server.comes_to_rest();
    let said = server.lets(|| ann.try_say("hello").map(drop), || 0).ok_or(NO_REPLY)?;
    let stays = said.map_err(|error| format!("ann has said nothing for a while, and {}", reason(error)));
    Ok((longest_pause, stays))
}

impl Trickler {
    /// A peer that sends these bytes, and then a frame without end.
    fn new(name: &'static str, stream: TcpStream, first: &[u8]) -> Result<Trickler, Conviction> {
        stream
            .set_nonblocking(true)
            .and_then(|()| stream.set_nodelay(true))
            .map_err(|error| error.to_string())?;
        let frame = [&ANNOUNCED_BYTES.to_le_bytes()[..], &[0; ANNOUNCED_BYTES as usize - 1]].concat();
        Ok(Trickler { name, stream, rest: [first, &frame].concat().into_iter(), ended: false })
    }

    /// Sends the next byte, if there is one and the server has not ended the connection.
    fn send_byte(&mut self) {
        if let Some(byte) = self.rest.next().filter(|_| !self.ended) {
            self.ended = self.stream.write_all(&[byte]).is_err();
        }
    }

    /// Returns its name, unless the server has ended the connection.
    fn holds(&mut self) -> Option<&'static str> {
        self.ended = self.ended
            || match self.stream.read(&mut [0; 64]) {
                Ok(count) => count == 0,
                Err(error) => error.kind() != ErrorKind::WouldBlock,
            };
        (!self.ended).then_some(self.name)
    }
}
