//! For each message a scope, and in it a thread per recipient: the literal translation of the Go original.
//!
//! It has two faults. A thread costs tens of microseconds to start and join, and a goroutine less than one.
//! The scope ends with its slowest recipient, so a recipient that stops reading freezes the room.
//!
//! Go:
//! ```go
//! var deliveries sync.WaitGroup
//! for _, recipient := range registry.others(message.User) {
//!     deliveries.Add(1)
//!     go func(recipient *Member) { defer deliveries.Done(); deliver(recipient, message) }(recipient)
//! }
//! deliveries.Wait() // without this line nothing freezes, and nothing is in order
//! ```

use super::{thread_builder, Member, RoomEvent};
use crossbeam_channel::Receiver;
use std::thread;

/// Delivers each message, and waits for its slowest recipient.
///
/// # Blocking
/// On every recipient, for each message.
pub(super) fn broadcaster_loop(events_rx: &Receiver<RoomEvent>) {
    let mut members: Vec<Member> = Vec::new();
    for event in events_rx {
        match event {
            RoomEvent::Joined(member) => members.push(member),
            RoomEvent::Left(id) => members.retain(|member| member.id != id),
            RoomEvent::Event { author, event } => {
                let mut received = vec![true; members.len()];
                thread::scope(|scope| {
                    for (member, received) in members.iter_mut().zip(&mut received) {
                        if member.id == author {
                            continue;
                        }
                        let events = vec![event.clone()];
                        thread_builder(format!("deliver-{}", member.id))
                            .spawn_scoped(scope, move || *received = member.receive(events).is_ok())
                            .expect("a benchmark stays below the system's limit on threads");
                    }
                });
                let mut received = received.iter();
                members.retain(|_| received.next() == Some(&true));
            }
        }
    }
}
