//! The channel of commands. Many threads send; the broadcaster takes, and parks its thread while nothing is
//! there.
//!
//! It does not wait in `recv`: crossbeam yields the core up to eight times before it blocks. Where other
//! threads want that core, each of these gives a slice of some ms away, and a command that comes meanwhile
//! waits. So an attacker that makes the broadcaster wake often would make it slow.
//!
//! Go: a goroutine that waits for a channel is parked by the runtime, too.

use super::{command::Command, stopping};
use chat_common::{
    trace::{Slice, Wake},
    wire::protocol::Refusal,
};
use crossbeam_channel::{bounded, Receiver, RecvTimeoutError, Sender, TryRecvError, TrySendError};
use std::{
    sync::{Arc, Mutex, PoisonError},
    thread::{self, Thread},
    time::Instant,
};

/// Returns both ends of a channel with this many places.
pub(super) fn channel(places: usize) -> (CommandSender, CommandReceiver) {
    let (commands_tx, commands_rx) = bounded(places);
    let broadcaster = BroadcasterThread::default();
    let receiver = CommandReceiver { commands_rx, broadcaster: broadcaster.clone() };
    (CommandSender { commands_tx, broadcaster }, receiver)
}

/// The end for every thread except the broadcaster.
#[derive(Debug)]
pub(super) struct CommandSender {
    commands_tx: Sender<(Command, Wake)>,
    /// Invariant: dropped after the sender, so the broadcaster wakes and finds that no sender is left.
    broadcaster: BroadcasterThread,
}

/// The broadcaster's end.
#[derive(Debug)]
pub(super) struct CommandReceiver {
    commands_rx: Receiver<(Command, Wake)>,
    broadcaster: BroadcasterThread,
}

/// Wakes the broadcaster's thread, also when it is dropped.
#[derive(Clone, Debug, Default)]
struct BroadcasterThread {
    /// Protects the thread, which the broadcaster sets before it looks for its first command. So a sender
    /// wakes it, or has sent before it looks.
    thread: Arc<Mutex<Option<Thread>>>,
}

impl BroadcasterThread {
    fn wake(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).clone();
        thread.iter().for_each(Thread::unpark);
    }
}

impl Drop for BroadcasterThread {
    fn drop(&mut self) {
        self.wake();
    }
}

impl CommandSender {
    /// Sends a command.
    ///
    /// # Blocking
    /// While the channel is full: on the broadcaster, which waits for no client.
    ///
    /// # Errors
    /// When the room is ending.
    pub(super) fn send(&self, command: Command) -> Result<(), Refusal> {
        let sends = Slice::begin("sends");
        self.commands_tx.send((command, sends.wake())).map_err(|_| stopping())?;
        self.broadcaster.wake();
        Ok(())
    }

    /// Sends a command. Never blocks.
    ///
    /// # Errors
    /// The refusal for the client, when the channel is full or the room is ending.
    pub(super) fn try_send(&self, command: Command) -> Result<(), Refusal> {
        let sends = Slice::begin("sends");
        self.commands_tx.try_send((command, sends.wake())).map_err(|error| match error {
            TrySendError::Full(_) => Refusal::busy(),
            TrySendError::Disconnected(_) => stopping(),
        })?;
        self.broadcaster.wake();
        Ok(())
    }
}

impl CommandReceiver {
    /// Makes this thread the one that senders wake.
    pub(super) fn wake_this_thread(&self) {
        *self.broadcaster.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current());
    }

    /// Takes the next command.
    ///
    /// # Blocking
    /// Until one comes, or `until` at most. The drop of the last sender wakes it as well.
    ///
    /// # Errors
    /// When all senders are dropped, or the time is over.
    pub(super) fn next(&self, until: Option<Instant>) -> Result<Command, RecvTimeoutError> {
        let mut waits = None;
        loop {
            match self.commands_rx.try_recv() {
                Ok(command) => return Ok(taken(command, waits)),
                Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
                Err(TryRecvError::Empty) => {}
            }
            waits.get_or_insert_with(|| Slice::begin("waits for the channel"));
            let Some(until) = until else {
                thread::park();
                continue;
            };
            match until.saturating_duration_since(Instant::now()) {
                left if left.is_zero() => return Err(RecvTimeoutError::Timeout),
                left => thread::park_timeout(left),
            }
        }
    }

    /// Returns the commands that wait now.
    pub(super) fn waiting(&self) -> impl Iterator<Item = Command> + '_ {
        self.commands_rx.try_iter().map(|command| taken(command, None))
    }

    /// Drops all commands, until the last sender is dropped.
    ///
    /// # Blocking
    /// On the senders.
    pub(super) fn drop_all(&self) {
        self.commands_rx.iter().for_each(drop);
    }
}

/// Returns a command, and ends the arrow from who has sent it.
fn taken((command, wake): (Command, Wake), waits: Option<Slice>) -> Command {
    waits.unwrap_or_else(|| Slice::begin("takes")).woken_by(wake);
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_command_and_the_end_of_the_last_sender_wake_the_thread_that_takes() {
        const COMMANDS: usize = 10_000;
        let (sender, receiver) = channel(2);
        let taking = thread::spawn(move || {
            receiver.wake_this_thread();
            let mut taken = 0;
            while receiver.next(None).is_ok() {
                taken += 1 + receiver.waiting().count();
            }
            taken
        });
        (0..COMMANDS).for_each(|_| sender.send(Command::TellLost).unwrap());
        drop(sender);
        assert_eq!(taking.join().unwrap(), COMMANDS);
    }

    #[test]
    fn a_wait_with_an_end_ends_then_and_a_full_channel_is_busy() {
        let (sender, receiver) = channel(1);
        receiver.wake_this_thread();
        let soon = Some(Instant::now() + Duration::from_millis(1));
        assert!(matches!(receiver.next(soon), Err(RecvTimeoutError::Timeout)));
        sender.try_send(Command::TellLost).unwrap();
        assert_eq!(sender.try_send(Command::TellLost).unwrap_err(), Refusal::busy());
        assert!(receiver.next(soon).is_ok());
        drop(receiver);
        assert_eq!(sender.try_send(Command::TellLost).unwrap_err(), stopping());
    }
}
