//! The thread `guest`: one run of a guest's session.

use crate::guests::{
    guest::{Guest, MAX_WAITING},
    list::Guests,
};
use chat_client::{Channels, JoinOptions};
use chat_common::{program::tasks::Task, wire::protocol::Place};
use crossbeam_channel::bounded;
use std::{io, sync::Arc, thread};

/// The stack of the thread: enough for the handshake with a closed room. In bytes.
const STACK_BYTES: usize = 512 * 1024;
/// How many requests to stop can wait. One is enough.
const STOP_CAPACITY: usize = 4;

/// Starts a run of the guest's session. It goes on from `place`, or the session is new. The guest goes when
/// the run ends, unless another one has begun. `task` ends with the thread.
///
/// # Errors
/// When the system gives no thread. The guest then has gone.
pub(crate) fn start_run(
    guests: &Arc<Guests>,
    guest: &Arc<Guest>,
    place: Option<Place>,
    mut options: JoinOptions,
    task: Task,
) -> io::Result<()> {
    let ((input_tx, input_rx), (stop_tx, stop_rx)) = (bounded(MAX_WAITING), bounded(STOP_CAPACITY));
    options.member.session = Some((guest.token, place));
    let name = options.member.name.as_deref().unwrap_or_default();
    let number = guest.begin_run(place, name, input_tx, stop_tx);
    let (in_thread, list) = (Arc::clone(guest), Arc::clone(guests));
    let run = move || {
        let _held_to_the_end = task;
        let channels = Channels { input_rx, stop_rx };
        let outcome = chat_client::run(&options, &channels, &|event| in_thread.hear(number, &event));
        if in_thread.end_run(number, outcome) {
            list.remove(&in_thread);
        }
    };
    let started = thread::Builder::new().name("guest".into()).stack_size(STACK_BYTES).spawn(run);
    started.map(drop).inspect_err(|_| guests.remove(guest))
}
