//! A thread per recipient per message, and the broadcaster waits for none of them, as in the Go original.
//!
//! Nothing freezes here, but the order of the channel is lost, because the system chooses which thread
//! reaches a recipient's connection first. A recipient that stops reading collects a thread for each message.
//! Only the experiments run this strategy.
//!
//! Go: `deliver` in `tests/go-twin/delivery.go`.

use super::{thread_builder, Member, RoomEvent};
use crossbeam_channel::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

/// Starts the threads. It never waits for one.
pub(super) fn broadcaster_loop(events_rx: &Receiver<RoomEvent>) {
    let mut members: Vec<(usize, Arc<Mutex<Member>>)> = Vec::new();
    for event in events_rx {
        match event {
            RoomEvent::Joined(member) => members.push((member.id, Arc::new(Mutex::new(member)))),
            RoomEvent::Left(id) => members.retain(|(other, _)| *other != id),
            RoomEvent::Event { author, event } => {
                for (id, member) in members.iter().filter(|(id, _)| *id != author) {
                    let (member, events) = (Arc::clone(member), vec![event.clone()]);
                    thread_builder(format!("deliver-{id}"))
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
