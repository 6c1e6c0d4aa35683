//! The people of a judgement, in a room of their own: ann speaks, the others listen, and cid may have stopped
//! reading.
//!
//! Those who read keep their histories, which the checker of the scenarios compares.

use crate::server::Server;
use chat_tests::{
    checker::check,
    member::{Callbacks, Member, MemberError},
};
use std::{net::SocketAddr, process::Command};

/// The most of a sentence that is shown: the messages of the judge may be long.
const SHOWN_CHARACTERS: usize = 160;

/// What ann is told when a server does not reply to her.
pub(crate) const NO_REPLY: &str = "ann speaks, and the server does not reply";

/// Why a server is convicted: one sentence.
pub type Conviction = String;

/// A server with its people.
#[derive(Debug)]
pub struct Room {
    // Before the server in this list: a member's threads end when its connections do.
    ann: Member,
    listeners: Vec<Member>,
    stopped: Option<Member>,
    /// How many messages ann has said.
    said: usize,
    /// The server under judgement.
    pub server: Server,
}

impl Room {
    /// Starts a server. Ann joins, and then these listeners.
    ///
    /// # Errors
    /// When one of them cannot join.
    pub fn open(command: &mut Command, listeners: &[&str]) -> Result<Room, Conviction> {
        let mut server = Server::start(command);
        let ann = join(&mut server, "ann", Callbacks::Listen)?;
        let listeners = listeners.iter().map(|name| join(&mut server, name, Callbacks::Listen));
        let listeners = listeners.collect::<Result<_, _>>()?;
        Ok(Room { ann, listeners, stopped: None, said: 0, server })
    }

    /// Cid joins, and reads nothing.
    ///
    /// # Errors
    /// When cid cannot join.
    pub fn cid_joins_and_stops(&mut self) -> Result<(), Conviction> {
        self.stopped = Some(join(&mut self.server, "cid", Callbacks::Unread)?);
        Ok(())
    }

    /// Waits until the server calls cid, who does not reply; or until the room is at rest.
    pub fn cid_is_called(&mut self) {
        if let Some(cid) = &mut self.stopped {
            self.server.happens_before_rest(|| cid.is_called(), || 0);
        }
    }

    /// Ann says each of these texts, and all listeners hear them.
    ///
    /// # Errors
    /// When the room comes to rest too early: the checker's sentence, if it has one.
    pub fn say(&mut self, texts: &[String]) -> Result<(), Conviction> {
        let Room { ann, listeners, said, server, .. } = self;
        *said += texts.len();
        let heard = || listeners.iter().map(Member::texts_received).sum::<usize>();
        let accepted = server.lets(|| texts.iter().try_for_each(|text| ann.try_say(text).map(drop)), heard);
        let all = *said * listeners.len();
        let reached = server.happens_before_rest(|| heard() >= all, heard);
        let heard = heard();
        if !reached {
            // The room is at rest. What is lost counts, where a room may change the order as well, and not
            // each time.
            let violations = violations(self.people());
            let lost = violations.iter().find(|violation| violation.contains(" never received "));
            lost.or(violations.first()).map_or(Ok(()), |violation| Err(shortened(violation)))?;
        }
        match accepted {
            None => Err(NO_REPLY.to_owned()),
            Some(Err(error)) => Err(self.server.has_ended().unwrap_or_else(|| reason(error))),
            Some(Ok(())) if reached => Ok(()),
            Some(Ok(())) => Err(format!("the room stands still, and {heard} of {all} texts were heard")),
        }
    }

    /// Compares what all have sent and received so far. Nobody is convicted for what is still on its way.
    ///
    /// # Errors
    /// The checker's first sentence, when a promise is broken.
    pub fn check(&self) -> Result<(), Conviction> {
        self.compare().or_else(|_| {
            self.server.comes_to_rest();
            self.compare()
        })
    }

    fn compare(&self) -> Result<(), Conviction> {
        compare(self.people())
    }

    /// Those who read, and ann last: she hears only who comes.
    fn people(&self) -> impl Iterator<Item = &Member> {
        self.listeners.iter().chain([&self.ann])
    }
}

/// Compares what these people have sent and received so far.
///
/// # Errors
/// The checker's first sentence, when a promise is broken.
pub(crate) fn compare<'a>(people: impl IntoIterator<Item = &'a Member>) -> Result<(), Conviction> {
    violations(people).first().map_or(Ok(()), |first| Err(shortened(first)))
}

fn violations<'a>(people: impl IntoIterator<Item = &'a Member>) -> Vec<String> {
    check(&people.into_iter().map(Member::history).collect::<Vec<_>>())
}

/// Joins under this name.
///
/// # Errors
/// When that is not possible.
pub(crate) fn join(server: &mut Server, name: &str, callbacks: Callbacks) -> Result<Member, Conviction> {
    join_at(server, server.address(), name, callbacks)
}

/// Joins at this address, which may be that of a proxy.
///
/// # Errors
/// As [`join`].
pub(crate) fn join_at(
    server: &mut Server,
    address: SocketAddr,
    name: &str,
    callbacks: Callbacks,
) -> Result<Member, Conviction> {
    let why = match server.lets(|| Member::try_join(address, name, callbacks), || 0) {
        Some(Ok(member)) => return Ok(member),
        Some(Err(error)) => reason(error),
        None => "the server does not reply".to_owned(),
    };
    Err(format!("{name} cannot join: {}", server.has_ended().unwrap_or(why)))
}

pub(crate) fn reason(error: MemberError) -> String {
    match error {
        MemberError::Refused(refusal) => format!("the server refused: {refusal}"),
        MemberError::Lost(error) => format!("the connection is lost: {error}"),
    }
}

/// The first line of a sentence, and not too much of it.
pub(crate) fn shortened(sentence: &str) -> String {
    let line = sentence.lines().next().unwrap_or_default();
    match line.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line.to_owned(),
    }
}
