//! For each batch a scope, and in it a thread per recipient. A batch is all messages that wait in the
//! channel.
//!
//! Under load this is fast, because a batch shares the cost of a thread. With one message at a time it is as
//! slow as [`scope_per_message`](super::scope_per_message). It freezes in the same way.

use super::{thread_builder, Member, RoomEvent, BATCH_EVENTS};
use chat_common::wire::protocol::Event;
use crossbeam_channel::Receiver;
use std::{iter, thread};

/// Delivers each batch, and waits for its slowest recipient.
///
/// # Blocking
/// On every recipient, for each batch.
pub(super) fn broadcaster_loop(events_rx: &Receiver<RoomEvent>) {
    let mut members: Vec<Member> = Vec::new();
    let mut batch = Vec::new();
    for first in events_rx {
        for event in iter::once(first).chain(events_rx.try_iter().take(BATCH_EVENTS - 1)) {
            match event {
                RoomEvent::Event { author, event } => batch.push((author, event)),
                RoomEvent::Joined(member) => {
                    // A member receives only what follows its join, so deliver what came before it first.
                    deliver(&mut members, &mut batch);
                    members.push(member);
                }
                RoomEvent::Left(id) => members.retain(|member| member.id != id),
            }
        }
        deliver(&mut members, &mut batch);
    }
}

fn deliver(members: &mut Vec<Member>, batch: &mut Vec<(usize, Event)>) {
    let mut received = vec![true; members.len()];
    thread::scope(|scope| {
        for (member, received) in members.iter_mut().zip(&mut received) {
            let others = batch.iter().filter(|(author, _)| *author != member.id);
            let events: Vec<Event> = others.map(|(_, event)| event.clone()).collect();
            if events.is_empty() {
                continue;
            }
            thread_builder(format!("deliver-{}", member.id))
                .spawn_scoped(scope, move || *received = member.receive(events).is_ok())
                .expect("a benchmark stays below the system's limit on threads");
        }
    });
    let mut received = received.iter();
    members.retain(|_| received.next() == Some(&true));
    batch.clear();
}
