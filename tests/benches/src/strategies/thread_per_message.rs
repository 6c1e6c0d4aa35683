//! What the Go original reads like: a thread per recipient per message, and nobody waits for them.
//!
//! Nothing freezes here. But the channel's order is lost, since the system chooses which thread gets to a recipient's
//! connection first; and a recipient that has stopped reading gathers a thread for each message. Only the experiments run this one.
//!
//! Go: `deliver` in `tests/go-twin/delivery.go`.

use super::{builder, Member, Said};
use crossbeam_channel::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

/// Starts threads, and never waits for one.
pub(super) fn broadcaster_loop(said_rx: &Receiver<Said>) {
    let mut members: Vec<(usize, Arc<Mutex<Member>>)> = Vec::new();
    for said in said_rx {
        match said {
            Said::Came(member) => members.push((member.id, Arc::new(Mutex::new(member)))),
            Said::Gone(id) => members.retain(|(other, _)| *other != id),
            Said::Event { author, event } => {
                for (id, member) in members.iter().filter(|(id, _)| *id != author) {
                    let (member, events) = (Arc::clone(member), vec![event.clone()]);
                    builder(format!("deliver-{id}"))
                        .spawn(move || {
                            // A failed call is the next one's failure too, and its connection's thread ends the member.
                            let _ = member.lock().unwrap_or_else(PoisonError::into_inner).receive(events);
                        })
                        .expect("an experiment stays below the system's limit on threads");
                }
            }
        }
    }
}
