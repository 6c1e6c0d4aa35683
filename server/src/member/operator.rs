//! What an operator asks over a call connection: to be one, and the commands of the console. Runs on the
//! connection's thread.
//!
//! The passphrase makes the connection an operator's, and not the session. Whoever has the token of a session
//! has nothing by that.

use super::Service;
#[cfg(feature = "seeded-bugs")]
use crate::settings::seeded::Bug;
use crate::{delivery::ConnectionPair, door::Slot, identity::Origin, room::Command};
use chat_common::wire::{
    error::RpcError,
    protocol::{Cause, Refusal, Reply, Request},
    rpc::Connection,
};
use log::{info, Level};
use std::{cmp::Ordering, sync::Arc};

/// After so many wrong passphrases the connection closes.
const MAX_WRONG: usize = 3;
/// What a frame holds besides the text of a reply, at most. In bytes.
const AROUND_TEXT: usize = 64;
/// The longest refusal of a command, in bytes. It may repeat what was typed.
const MAX_REFUSAL: usize = 4096;

/// A call connection, as far as operators are concerned.
#[derive(Debug)]
pub(super) struct OperatorCalls<'a> {
    pub(super) origin: Origin,
    slot: &'a Slot,
    pub(super) is_operator: bool,
    /// How many passphrases were wrong.
    wrong: usize,
}

impl OperatorCalls<'_> {
    pub(super) fn new(origin: Origin, slot: &Slot) -> OperatorCalls<'_> {
        OperatorCalls { origin, slot, is_operator: false, wrong: 0 }
    }

    /// Carries out one of the two requests of operators, and replies. `pair` is that of a member. Returns
    /// whether the connection goes on.
    ///
    /// # Blocking
    /// On the client's reading. On the command: on the broadcaster, which waits for no client, and on the
    /// file system.
    pub(super) fn serve(
        &mut self,
        service: &Service<'_>,
        connection: &mut Connection,
        pair: Option<&Arc<ConnectionPair>>,
        request: &Request,
    ) -> Result<bool, RpcError> {
        let done = match request {
            Request::Operate { passphrase } => self.operate(service, connection, passphrase, pair),
            Request::Command { line } if self.is_operator => (service.run_command)(line).map_err(refused),
            _ => Err(refused("only an operator may do that; /op asks for the operators' passphrase")),
        };
        let timeout = service.limits.frame_timeout;
        match done {
            Err(refusal) => connection.reply(&Reply::Refused(refusal), timeout)?,
            Ok(text) => {
                #[cfg(feature = "seeded-bugs")]
                if service.limits.seeded.has(Bug::ReplyToAll) && !text.is_empty() {
                    let text = text.clone();
                    let _ = service.room.ask(|said_tx| Command::Notice { text, said_tx });
                }
                let limit = service.limits.max_frame.0.saturating_sub(AROUND_TEXT);
                let mut rest = &*text;
                loop {
                    let (part, behind) = rest.split_at(prefix(rest, limit));
                    let more = !behind.is_empty();
                    connection.reply(&Reply::Lines { text: part.to_owned(), more }, timeout)?;
                    if !more {
                        break;
                    }
                    rest = behind;
                }
            }
        }
        Ok(self.wrong < MAX_WRONG)
    }

    /// Makes the connection one of an operator. An empty passphrase changes nothing.
    ///
    /// # Errors
    /// Why it is not taken, for the client.
    fn operate(
        &mut self,
        service: &Service<'_>,
        connection: &Connection,
        words: &str,
        pair: Option<&Arc<ConnectionPair>>,
    ) -> Result<String, Refusal> {
        let (door, origin) = (service.door, self.origin);
        let Some(operators) = &door.operators else {
            return Err(refused("this room has no operators; --operators FILE of the server lets some in"));
        };
        let is_readable = !connection.stream().is_sealed() && !operators.in_clear;
        if is_readable && !origin.is_of_this_machine(connection.stream().local_addr().ok()) {
            return Err(refused(
                "in an open room others could read the operators' passphrase, so it is taken on the \
                 server's machine alone; a server with --closed takes it from everywhere",
            ));
        }
        if words.is_empty() {
            return Ok(String::new());
        }
        let is_right = operators.is_right(words);
        if !door.charge_guess(origin.address, is_right) {
            // It may be the right one, so the client may show it again.
            let why = "too many wrong passphrases from this address; try again in a minute";
            return Err(Refusal::new(Cause::Busy, why));
        }
        if !is_right {
            self.wrong += 1;
            let line = format!("{origin}: a wrong passphrase of the operators");
            door.log(origin.address, Level::Warn, line);
            return Err(refused(match self.wrong.cmp(&MAX_WRONG) {
                Ordering::Less => "that is not the operators' passphrase",
                _ => "that is not the operators' passphrase; the server closes the connection now",
            }));
        }
        // This comes before the reply: nobody who has read that it is an operator loses the place.
        if !self.slot.mark_operator() {
            return Err(Refusal::busy());
        }
        if let Some(pair) = pair {
            self.tell_room(service, pair)?;
        } else if !self.is_operator {
            info!("an operator is here, from {origin}");
        }
        self.is_operator = true;
        Ok(String::new())
    }

    /// Tells the room that a member is an operator.
    ///
    /// # Errors
    /// When the room is ending.
    pub(super) fn tell_room(&self, service: &Service<'_>, pair: &Arc<ConnectionPair>) -> Result<(), Refusal> {
        let pair = Arc::clone(pair);
        service.room.ask(|operates_tx| Command::Operate { pair, operates_tx })
    }
}

fn refused(why: impl Into<String>) -> Refusal {
    let mut why = why.into();
    why.truncate(prefix(&why, MAX_REFUSAL));
    Refusal::new(Cause::Unsupported, why)
}

/// Returns the length of the longest beginning of a text that has at most `limit` bytes, and ends where a
/// character does.
fn prefix(text: &str, limit: usize) -> usize {
    (0..=limit.min(text.len())).rfind(|end| text.is_char_boundary(*end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        for (text, limit, length) in [("", 3, 0), ("abc", 9, 3), ("abc", 2, 2), ("aé", 2, 1), ("é", 1, 0)] {
            assert_eq!(prefix(text, limit), length, "{text} {limit}");
        }
    }
}
