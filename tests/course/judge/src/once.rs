//! The verdict *once*: connections are cut, and the clients come back.

use crate::{
    room::{compare, join, join_at, reason, shortened, Conviction, NO_REPLY},
    server::Server,
};
use chat_tests::{
    member::{Callbacks, Member},
    proxy::{Fault, Faults, Proxy},
};
use std::process::Command;

/// Which bytes of ann's connection arrive before it is cut.
#[derive(Clone, Copy)]
enum Cut {
    /// So many bytes of her call.
    Call(u64),
    /// Her call, and so many bytes of the reply.
    Reply(u64),
}

/// The bytes of one call of the scene, and of its reply, as they are on the wire.
const CALL_BYTES: u64 = 46;
const REPLY_BYTES: u64 = 16;

/// Nothing, half of the length, the length, a half, and all but one byte of the call; all of the call and
/// nothing, a half, and all but one byte of the reply.
const CUTS: [Cut; 8] = [
    Cut::Call(0),
    Cut::Call(2),
    Cut::Call(4),
    Cut::Call(CALL_BYTES / 2),
    Cut::Call(CALL_BYTES - 1),
    Cut::Reply(0),
    Cut::Reply(REPLY_BYTES / 2),
    Cut::Reply(REPLY_BYTES - 1),
];

impl Cut {
    /// What ann says while it is done. All texts have the same length.
    fn text(self) -> String {
        match self {
            Cut::Call(bytes) => format!("call,  cut at byte {bytes:02}"),
            Cut::Reply(bytes) => format!("reply, cut at byte {bytes:02}"),
        }
    }
}

/// How much ann says while bob is away.
const MEANWHILE: usize = 3;

/// Whoever loses a connection comes back, and then everybody has heard each message once.
pub(crate) fn once(command: &mut Command) -> Result<(), Conviction> {
    let mut server = Server::start(command);
    let network = Proxy::start(server.address());
    network.record();
    let mut bob = join(&mut server, "bob", Callbacks::Listen)?;
    // Cid's connection holds what the server has sent, and cid has not read it.
    let mut cid = join(&mut server, "cid", Callbacks::Unread)?;
    let mut ann = join_at(&mut server, network.address(), "ann", Callbacks::Listen)?;
    let mut said = Vec::new();
    for cut in CUTS {
        said.push(cut.text());
        cut_next(&network, cut);
        says_until_accepted(&server, &mut ann, &cut.text())?;
    }
    hears(&server, &bob, &said)?;
    bob.disconnect();
    for number in 1..=MEANWHILE {
        said.push(format!("{number} while bob is away"));
        says_until_accepted(&server, &mut ann, &said[said.len() - 1])?;
    }
    comes_back(&server, &mut bob)?;
    hears(&server, &bob, &said)?;
    cid.disconnect();
    cid.goes_on();
    comes_back(&server, &mut cid)?;
    hears(&server, &cid, &said)?;
    // The order, and what is no message.
    compare([&ann, &bob, &cid])
}

/// Lets the connection that was opened last be cut there. Those that follow are not cut.
fn cut_next(network: &Proxy, cut: Cut) {
    let carried = network.recordings().pop().unwrap_or_default();
    let after = |carried: Vec<u8>, bytes| Fault::CutAfter(carried.len() as u64 + bytes);
    network.set_faults(match cut {
        Cut::Call(bytes) => Faults { up: after(carried.up, bytes), down: Fault::Pass },
        Cut::Reply(bytes) => Faults { up: Fault::Pass, down: after(carried.down, bytes) },
    });
    network.plan_faults(|_| Faults::default());
}

/// Ann says this. When her connection is cut, she comes back and says it again, under the same number.
fn says_until_accepted(server: &Server, ann: &mut Member, text: &str) -> Result<(), Conviction> {
    let no_reply = || NO_REPLY.to_owned();
    if server.lets(|| ann.try_say(text), || 0).ok_or_else(no_reply)?.is_err() {
        comes_back(server, ann)?;
        let said = server.lets(|| ann.try_say_again(text), || 0).ok_or_else(no_reply)?;
        said.map_err(|error| format!("ann says {text:?} again: {}", reason(error)))?;
    }
    Ok(())
}

/// Resumes the session, or joins anew where the server does not know it. It may refuse that before it has
/// found out that the old connection is lost.
fn comes_back(server: &Server, member: &mut Member) -> Result<(), Conviction> {
    let mut comes = || server.lets(|| member.resume(), || 0);
    let back = match comes() {
        Some(Err(_)) => {
            server.comes_to_rest();
            comes()
        }
        back => back,
    };
    let why = match back {
        Some(Ok(())) => return Ok(()),
        Some(Err(error)) => reason(error),
        None => "the server does not reply".to_owned(),
    };
    Err(format!("{} cannot come back: {why}", member.name()))
}

/// Compares what a member has heard with what ann has said, when all of it has arrived.
fn hears(server: &Server, member: &Member, said: &[String]) -> Result<(), Conviction> {
    server.happens_before_rest(|| member.texts_received() >= said.len(), || member.texts_received());
    // What arrives twice may come later.
    server.comes_to_rest();
    let (name, heard) = (member.name(), member.texts());
    for text in said {
        match heard.iter().filter(|other| *other == text).count() {
            0 => return Err(shortened(&format!("{name} never heard {text:?}"))),
            1 => {}
            _ => return Err(shortened(&format!("{name} heard {text:?} twice"))),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_common::wire::{
        frame::encode_frame,
        protocol::{Reply, Request},
    };

    #[test]
    fn a_call_and_its_reply_are_as_long_as_the_cuts_say() {
        let (mut call, mut reply) = (Vec::new(), Vec::new());
        for cut in CUTS {
            let request = Request::Broadcast { message_id: 1, repeated: false, text: cut.text() };
            encode_frame(&request, &mut call).unwrap();
            assert_eq!(call.len() as u64, CALL_BYTES, "{request:?}");
        }
        encode_frame(&Reply::Accepted { sequence: 1 }, &mut reply).unwrap();
        assert_eq!(reply.len() as u64, REPLY_BYTES);
    }
}
