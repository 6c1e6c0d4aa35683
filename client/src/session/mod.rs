//! The client's connections to one room, from the first join until the person leaves. Runs on the main
//! thread, which is the one that calls [`run`].
//!
//! There is one connection after the other: `connection.rs` has the life of one, and `calls.rs` its calls.
//! `client.rs` has what outlives it: the [`SendQueue`](send_queue::SendQueue) keeps what is to be
//! sent, and the [`Inbox`] knows what was received.
//!
//! A *session* is what the server keeps for a member under its token. A new connection resumes the session,
//! or begins another one.

mod asked_history;
mod backoff;
mod calls;
mod client;
mod connection;
mod connection_end;
#[cfg(feature = "closed")]
mod credentials;
mod dial;
mod inbox;
#[cfg(feature = "closed")]
mod known_rooms;
mod listener;
mod operating;
mod options;
mod pager;
#[cfg(feature = "closed")]
mod passphrase_question;
mod passphrase_source;
mod people;
mod questions;
mod repetitions;
#[cfg(feature = "closed")]
mod room_access;
#[cfg(not(feature = "closed"))]
#[path = "no_room_access.rs"]
mod room_access;
mod seen_messages;
mod send_queue;

use crate::{
    events::{Channels, Input, Outcome, UiEvent, UiEventHandler},
    session::{
        backoff::Backoff,
        client::Client,
        connection_end::{ConnectionEnd, Loss, Obstacle},
        inbox::Inbox,
    },
};
use crossbeam_channel::{after, never, select};
use std::time::{Duration, Instant};

#[cfg(feature = "closed")]
pub use credentials::{load_credentials, AccessOptions};
pub use options::{JoinOptions, MemberOptions, OperatorOptions};
pub use passphrase_source::PassphraseSource;

/// The pause between two attempts to connect grows from the first value to the second.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The server keeps a lost session for this long. A program that only has messages left to send then gives
/// up, if its options say nothing else.
const RESUME_TIME: Duration = Duration::from_secs(60);
/// How long a program tries to join a busy server for the first time, if its options say nothing else. It
/// does not try again where it finds no server.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// The line that builds a client for closed rooms, with the editor if this one has it.
pub(crate) const HOW_TO_BUILD_CLOSED: &str = if cfg!(feature = "edit") {
    "cargo install --path client --features edit,closed"
} else {
    "cargo install --path client --features closed"
};

/// Joins the room, takes part in it until the person leaves, and leaves.
///
/// # Blocking
/// Until the client has left. [`Stop::Now`](crate::Stop::Now) ends it at once while it waits for the person,
/// for the next attempt to connect, or on an idle connection. It does not interrupt a call, which takes 10 s
/// at most, or 20 s with an operator's passphrase. Connecting takes at most: the name service, which has no
/// limit; 3 s for each address of the server; 3 s for the hello, or 20 s for the handshake with a closed
/// room; 3 s for the key of a gateway; four calls; 6 s for the callback. A `show` that blocks delays all of
/// this.
pub fn run(options: &JoinOptions, channels: &Channels, show: UiEventHandler<'_>) -> Outcome {
    let place = options.member.session.and_then(|(_, place)| place);
    let inbox = Inbox::new(show, place, options.remembers);
    let outcome = match Client::new(options, channels, &inbox, show) {
        Ok(mut client) => {
            let outcome = client.run_loop();
            client.check_all_sent(outcome)
        }
        Err(error) => Outcome::Failed(format!("no random numbers from the system: {error}")),
    };
    show(match &outcome {
        Outcome::Left | Outcome::LeftUnsent => UiEvent::Bye,
        Outcome::Failed(reason) => UiEvent::Failed(reason.clone()),
    });
    outcome
}

/// How the attempts to connect went.
struct Attempts {
    backoff: Backoff,
    /// When the last connection ended, the person has typed a name, or the client began.
    offline_since: Instant,
    /// Whether the person has read that a client which has not joined yet waits.
    wait_shown: bool,
}

impl Client<'_> {
    /// Connects again and again. Returns how the client has ended.
    fn run_loop(&mut self) -> Outcome {
        let backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut attempts = Attempts { backoff, offline_since: Instant::now(), wait_shown: false };
        loop {
            if let Err(outcome) = self.attempt(&mut attempts) {
                return outcome;
            }
        }
    }

    /// Connects once, and pauses before the next attempt. Without a name, it asks for one where there is a
    /// server: a person need not type one for nothing.
    ///
    /// # Errors
    /// The outcome of a client that ends.
    fn attempt(&mut self, attempts: &mut Attempts) -> Result<(), Outcome> {
        let started = Instant::now();
        let end = match self.member.name.clone() {
            None => match self.find_server() {
                Ok(()) => {
                    let name = self.read_name();
                    return name.map(|()| attempts.offline_since = Instant::now());
                }
                Err(end) => end,
            },
            Some(name) => match self.connect_once(&name) {
                Ok(()) => return Err(Outcome::Left),
                Err(end) => end,
            },
        };
        let (reason, obstacle) = match end {
            ConnectionEnd::Failed(reason) => return Err(Outcome::Failed(reason)),
            #[cfg(feature = "closed")]
            ConnectionEnd::NeedsPassphrase => return self.ask_passphrase(),
            #[cfg(feature = "closed")]
            ConnectionEnd::WrongPassphrase(why) => return self.on_wrong_passphrase(why),
            ConnectionEnd::Lost(Loss { reason, closed }) => {
                let ended = self.inbox.room_has_ended();
                self.member.untold_loss.insert(0, UiEvent::Lost { reason: reason.clone(), ended });
                // The next attempt says whether we were removed. Then that is the news, and not the loss.
                if ended || !closed {
                    self.tell_loss();
                }
                attempts.offline_since = Instant::now();
                // A server that closes each new connection at once must not get attempts without a pause.
                if started.elapsed() > LONGEST_PAUSE {
                    attempts.backoff.reset();
                }
                (reason, Obstacle::NoWay)
            }
            ConnectionEnd::NotJoined(obstacle, reason) => {
                // A name that is refused is the news, and not the loss.
                if obstacle != Obstacle::NameRefused {
                    self.tell_loss();
                }
                (reason, obstacle)
            }
        };
        let waited = attempts.offline_since.elapsed();
        if !self.tries_again(obstacle, waited) {
            if matches!(obstacle, Obstacle::NameTaken | Obstacle::NameRefused) {
                let name = self.on_refused_name(reason);
                return name.map(|()| attempts.offline_since = Instant::now());
            }
            self.tell_loss();
            let what = if self.was_joined() { "cannot get back in" } else { "cannot join" };
            return Err(Outcome::Failed(format!("{what} at {}: {reason}", self.options.server)));
        }
        if self.was_joined() {
            log::info!("not connected yet: {reason:?}");
        } else if !std::mem::replace(&mut attempts.wait_shown, true) {
            let is_busy = obstacle == Obstacle::Busy;
            (self.show)(if is_busy { UiEvent::ServerBusy } else { UiEvent::NotReached(reason) });
        }
        // The last attempt is at the end of the wait.
        let left = self.options.wait.map_or(Duration::MAX, |wait| wait - waited);
        let ended = self.wait_offline(attempts.backoff.pause().min(left), attempts.offline_since);
        ended.inspect_err(|_| self.tell_loss())
    }

    /// Whether to try to connect again, after `waited` without a connection.
    fn tries_again(&self, obstacle: Obstacle, waited: Duration) -> bool {
        let JoinOptions { wait, interactive, .. } = *self.options;
        // A person that has just typed a name can type another one.
        let is_typed = interactive && self.options.member.name != self.member.name;
        match (wait, obstacle) {
            (_, Obstacle::NameRefused) => false,
            (Some(wait), Obstacle::NameTaken) => waited < wait && !is_typed,
            (Some(wait), _) => waited < wait,
            (None, Obstacle::NameTaken) => false,
            (None, Obstacle::Busy) if !self.was_joined() => interactive || waited < BUSY_WAIT,
            (None, _) => self.was_joined(),
        }
    }

    /// Lets a person type another name.
    ///
    /// # Blocking
    /// On the person.
    ///
    /// # Errors
    /// The outcome of a client that ends instead.
    fn on_refused_name(&mut self, reason: String) -> Result<(), Outcome> {
        if !self.options.interactive || self.leaving.input_ended {
            return Err(Outcome::Failed(reason));
        }
        self.tell_loss();
        (self.show)(UiEvent::Refused(reason));
        self.member.name = None;
        self.take_typed_ahead();
        if self.leaving.input_ended {
            return Err(Outcome::Left);
        }
        self.read_name()
    }

    /// Waits until the next attempt to connect, and takes input meanwhile.
    ///
    /// # Blocking
    /// For `pause`. Input and a request to stop wake it.
    ///
    /// # Errors
    /// The outcome of a client that ends instead.
    fn wait_offline(&mut self, pause: Duration, offline_since: Instant) -> Result<(), Outcome> {
        let timer = after(pause);
        loop {
            if self.leaves() {
                // A person leaves at once. A program waits until it is done, but not for ever.
                if self.options.interactive || self.is_done() {
                    return Err(Outcome::Left);
                }
                if offline_since.elapsed() > self.options.wait.unwrap_or(RESUME_TIME) {
                    return Err(Outcome::Failed("the server has not come back".into()));
                }
            }
            // A program that has not joined yet leaves its lines unread.
            let reads = !self.queue.is_full() && (self.was_joined() || self.options.interactive);
            let input_rx = if reads { self.channels.input_rx.clone() } else { never() };
            select! {
                recv(self.channels.stop_rx) -> stop => if self.stops_now(stop) {
                    // A script must not take this for success: what it has to say is not even read.
                    return Err(match self.was_joined() || self.options.interactive {
                        true => Outcome::Left,
                        false => Outcome::Failed("stopped by a signal before it could join".into()),
                    });
                },
                recv(input_rx) -> input => self.take_for_later(input.unwrap_or(Input::End)),
                recv(timer) -> _ => return Ok(()),
            }
        }
    }

    /// Shows how much was not sent. Then the client does not end as one that has sent everything, so that a
    /// script learns it from the exit code. A client whose input could not be read fails in any case.
    fn check_all_sent(&self, outcome: Outcome) -> Outcome {
        // A client that was told to leave has read ahead.
        let read_ahead = self.channels.input_rx.try_iter().filter(|_| outcome == Outcome::Left);
        let unread = read_ahead.filter(is_to_send).count();
        let unsent = self.queue.waiting.len() + unread;
        if unsent > 0 {
            (self.show)(UiEvent::Unsent(unsent));
        }
        if let (Outcome::Left, Some(reason)) = (&outcome, &self.leaving.input_error) {
            return Outcome::Failed(reason.clone());
        }
        match outcome {
            // A person has read what was wrong with a line, and could type it again.
            Outcome::Left if self.options.interactive && unsent > 0 => Outcome::LeftUnsent,
            Outcome::Left if !self.options.interactive && unsent + self.leaving.rejected > 0 => {
                Outcome::Failed("not everything was sent".into())
            }
            outcome => outcome,
        }
    }
}

/// Whether this input is sent to the server.
fn is_to_send(input: &Input) -> bool {
    match input {
        Input::WithId { input, .. } => is_to_send(input),
        Input::Leave | Input::End | Input::Failed(_) | Input::Mistake(_) | Input::Answer(_) => false,
        // Nobody knows whether it is a command of the server.
        Input::Command { .. } => false,
        _ => true,
    }
}
