//! The verdict *panic*: one client says what a handler was not made for.

use crate::{
    room::{compare, join, reason, shortened, Conviction, NO_REPLY},
    server::Server,
};
use chat_common::wire::{protocol::EventKind, rpc::Wait};
use chat_tests::member::{Callbacks, Member};
use std::process::Command;

/// A handler that takes what stands between two stars finds one.
const TEXT: &str = "*";

/// Dan says the text. The others go on, and dan either stays and is heard, or is gone altogether.
pub(crate) fn panic(command: &mut Command) -> Result<(), Conviction> {
    let mut server = Server::start(command);
    let mut ann = join(&mut server, "ann", Callbacks::Listen)?;
    let bob = join(&mut server, "bob", Callbacks::Listen)?;
    let mut dan = join(&mut server, "dan", Callbacks::Listen)?;
    dan.say_unanswered(TEXT).map_err(reason)?;
    server.comes_to_rest();
    if let Some(ended) = server.has_ended() {
        return Err(format!("dan says {TEXT:?}, and {ended}"));
    }
    let after = "after dan";
    says(&server, &mut ann, after, &bob)
        .map_err(|why| format!("dan says {TEXT:?}, and the process lives, and the room is dead: {why}"))?;
    server.comes_to_rest();
    match dan.answer_to_unanswered() {
        // The server has no such fault.
        Wait::Ready => return compare([&ann, &bob, &dan]),
        Wait::Silence if hears(&dan, after) => {
            return Err(format!(
                "dan says {TEXT:?}, and is a ghost: he hears ann, and nobody serves his calls"
            ))
        }
        Wait::Silence => {
            return Err(format!("dan says {TEXT:?}, and his connection stays open, and nobody serves it"))
        }
        Wait::Ended if !dan.callback_has_ended() => {
            return Err(format!(
                "dan says {TEXT:?}, and is gone, and the server keeps the connection to call him"
            ))
        }
        Wait::Ended => {}
    }
    let is_told = |member: &Member| {
        member
            .history()
            .events()
            .any(|event| matches!(&event.kind, EventKind::Left { name, .. } if name == "dan"))
    };
    if let Some(other) = [&ann, &bob].into_iter().find(|other| !is_told(other)) {
        return Err(format!("dan says {TEXT:?}, and is gone, and {} is not told", other.name()));
    }
    // His name is free.
    let again = join(&mut server, "dan", Callbacks::Listen)?;
    says(&server, &mut ann, "with dan again", &again)?;
    // What else was said may be on its way to the others.
    server.comes_to_rest();
    compare([&ann, &bob])
}

/// Speaks, and one other hears it.
fn says(server: &Server, author: &mut Member, text: &str, listener: &Member) -> Result<(), Conviction> {
    let said = server.lets(|| author.try_say(text).map(drop), || 0).ok_or(NO_REPLY)?;
    said.map_err(reason)?;
    let heard = server.happens_before_rest(|| hears(listener, text), || 0);
    heard.then_some(()).ok_or_else(|| shortened(&format!("{} never heard {text:?}", listener.name())))
}

fn hears(member: &Member, text: &str) -> bool {
    member.texts().iter().any(|heard| heard == text)
}
