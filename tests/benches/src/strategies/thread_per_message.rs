//! A thread per recipient per message, and the broadcaster waits for none of them, as in the Go original.
//!
//! Nothing freezes here, but the order of the channel is lost, because the system chooses which thread
//! reaches a recipient's connection first. A recipient that stops reading collects a thread for each message.
//! Only the experiments run this strategy.
//!
//! Go: `deliver` in `tests/go-twin/delivery.go`.

use super::{builder, Member, Said};
use crossbeam_channel::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

/// Starts the threads. It never waits for one.
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
                            // After a failed call the next calls fail, too. The connection's thread removes
                            // the member.
                            let _ = member.lock().unwrap_or_else(PoisonError::into_inner).receive(events);
                        })
                        .expect("an experiment stays below the system's limit on threads");
                }
            }
        }
    }
}
