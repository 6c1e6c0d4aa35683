//! Waits for the end of tasks: Go's `sync.WaitGroup`, with a deadline.
//!
//! A thread with something to do holds a [`Task`], and drops it at the end. A thread that waits for that has
//! the [`Tasks`]. It waits until the last clone of the task is gone, with or without a deadline, alone or
//! beside others, and in a `select!` as well.
//!
//! A scope of std waits for its threads, too, but without a deadline, and for the whole of each thread.
//!
//! Go: a `WaitGroup` is a count that its callers keep. `Add` belongs before the goroutine, or `Wait` may miss
//! it; a forgotten `Done` hangs, and one too many panics; a deadline needs one more goroutine and a channel.
//! Here the count is the number of owners, and the compiler keeps it: a task ends once, on each way out of
//! its thread, also in a panic. Underneath is what Go's `close(done)` is: a channel that never has a value,
//! and whose end is the message.
//!
//! ```go
//! var tasks sync.WaitGroup
//! for _, conn := range conns {
//!     tasks.Add(1)
//!     go func() { defer tasks.Done(); serve(conn) }()
//! }
//! ended := make(chan struct{})
//! go func() { tasks.Wait(); close(ended) }() // stays behind if the time is over first
//! select {
//! case <-ended:
//! case <-time.After(5 * time.Second): log.Print("some did not end in time")
//! }
//! ```
//! ```
//! # use std::{thread, time::Duration};
//! # fn serve(_: u32) {}
//! # let connections = [1, 2];
//! let (task, tasks) = chat_common::program::tasks::begin();
//! for connection in connections {
//!     let task = task.clone();
//!     thread::spawn(move || {
//!         let _held_to_the_end = task;
//!         serve(connection);
//!     });
//! }
//! drop(task);
//! if !tasks.wait_for(Duration::from_secs(5)) {
//!     log::warn!("some did not end in time");
//! }
//! ```

use crossbeam_channel::{bounded, Receiver, RecvTimeoutError, Sender};
use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

/// A task under way. It ends when this is dropped. Each clone is one more task.
#[derive(Clone, Debug)]
pub struct Task(#[expect(dead_code, reason = "its end is all that anybody waits for")] Sender<Infallible>);

/// Waits for a task and all its clones. Clones wait for the same tasks.
#[derive(Clone, Debug)]
pub struct Tasks(Receiver<Infallible>);

/// Begins a task. Returns it, and what waits for it.
pub fn begin() -> (Task, Tasks) {
    let (tx, rx) = bounded(0);
    (Task(tx), Tasks(rx))
}

impl Tasks {
    /// Waits until all tasks have ended.
    ///
    /// # Blocking
    /// On the tasks, without a limit.
    pub fn wait(&self) {
        let Err(_ended) = self.0.recv();
    }

    /// Waits until all tasks have ended, until `deadline` at most. Returns whether they have.
    ///
    /// # Blocking
    /// On the tasks, until `deadline`.
    pub fn wait_until(&self, deadline: Instant) -> bool {
        self.0.recv_deadline(deadline) == Err(RecvTimeoutError::Disconnected)
    }

    /// Waits as [`Tasks::wait_until`] does, for `timeout` at most.
    ///
    /// # Blocking
    /// On the tasks, for `timeout`.
    pub fn wait_for(&self, timeout: Duration) -> bool {
        self.wait_until(Instant::now() + timeout)
    }

    /// Returns a channel for a `select!`. It is disconnected when all tasks have ended.
    pub fn ended_rx(self) -> Receiver<Infallible> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn the_wait_ends_with_the_last_task_also_after_a_panic_and_for_everybody() {
        let (task, tasks) = begin();
        let (go_on_tx, go_on_rx) = bounded::<()>(0);
        let threads: Vec<_> = (0..3)
            .map(|number| {
                let (task, go_on_rx) = (task.clone(), go_on_rx.clone());
                thread::spawn(move || {
                    let _held_to_the_end = task;
                    let _ = go_on_rx.recv();
                    assert_ne!(number, 1, "one of them panics");
                })
            })
            .collect();
        drop(task);
        assert!(!tasks.wait_for(Duration::ZERO));
        let other = tasks.clone();
        let waiting = thread::spawn(move || other.wait());
        drop(go_on_tx);
        assert!(tasks.wait_for(MINUTE));
        waiting.join().unwrap();
        let panics = threads.into_iter().filter_map(|thread| thread.join().err()).count();
        assert_eq!(panics, 1);
    }

    #[test]
    fn a_task_that_goes_on_is_waited_for_until_the_deadline() {
        let (task, tasks) = begin();
        let deadline = Instant::now() + Duration::from_millis(1);
        assert!(!tasks.wait_until(deadline));
        assert!(Instant::now() >= deadline);
        drop(task);
        assert!(tasks.wait_until(deadline), "what has ended has ended, however late it is");
        assert!(tasks.ended_rx().recv().is_err());
    }
}
