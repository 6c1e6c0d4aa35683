//! The thread through which everything passes: channel to log to recipients.
//!
//! It takes all that waits in the channel as one round, appends it to the log, answers the senders, and then starts a call to each
//! recipient that has caught up. Joins, leaves and messages come through the same channel, so all recipients see one order, and a
//! newcomer gets exactly what follows its own join. It owns the list of recipients; no lock protects it, because nobody else sees it.
//!
//! All deliveries live in **one scope that spans the broadcaster's life**: a scope's end waits for all threads in it, so a scope for
//! each message would end with the slowest recipient, and one stopped client would freeze the room.
//!
//! Go: the original starts a goroutine for each recipient of each message and waits for none. A `sync.WaitGroup` for each message is
//! the scope for each message; one for the program's life is this. A channel ends by `close` there, here by its last sender's end; and a
//! `WaitGroup` trusts whoever counts, while a scope cannot be left before its threads have ended.
//!
//! ```go
//! var deliveries sync.WaitGroup
//! for command := range commands {       // until somebody closes it, once
//!     deliveries.Add(1)                 // before the goroutine starts, or Wait may miss it
//!     go func() { defer deliveries.Done(); deliver(recipient) }()
//! }
//! deliveries.Wait()
//! ```
//! ```
//! # let (commands_tx, commands_rx) = crossbeam_channel::bounded::<u32>(8);
//! # commands_tx.send(1).unwrap();
//! # drop(commands_tx);
//! # fn deliver(_: u32) {}
//! std::thread::scope(|deliveries| {
//!     for command in commands_rx {              // until its last sender is dropped
//!         deliveries.spawn(move || deliver(command)); // `move`: each thread gets its own, or it does not compile
//!     }
//! }); // waits here
//! ```

use crate::{
    admission::Slot,
    delivery::{delivery_loop, Recipient},
    log::{Audience, Log},
    outbox::{Outbox, Rest, Round},
    seeded::Bug,
    service::busy,
    session::{Ending, Line, Session},
    Shared,
};
use chat_common::{
    batch::Batch,
    error::RpcError,
    protocol::{Reply, What},
    rpc::Connection,
};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use log::{error, info, warn};
use std::{
    collections::HashMap,
    iter,
    panic::{catch_unwind, AssertUnwindSafe},
    sync::Arc,
    thread::{self, Scope},
    time::{SystemTime, UNIX_EPOCH},
};

/// What goes through the channel. `answer_tx` gets the place in the order, or `None` if there was none to be had.
#[derive(Debug)]
pub enum Command {
    /// A member comes, or comes back.
    Enter {
        /// On these connections.
        line: Arc<Line>,
        /// Under this name.
        name: String,
        /// From which position delivery begins.
        start: Start,
        /// The callback connection, if the server has reached the client.
        callback: Option<Connection>,
        /// Answered with the place of the (original) join.
        answer_tx: Sender<Option<u64>>,
    },
    /// A client has opened the callback connection itself.
    Attach {
        /// For these connections.
        line: Arc<Line>,
        /// The connection, and its place among the accepted ones.
        callback: (Connection, Slot),
    },
    /// A member says something.
    Say {
        /// Who, and where the reply goes: the broadcaster writes it itself, so that the connection's thread need not be woken to.
        line: Arc<Line>,
        /// The member's number for it.
        number: u64,
        /// What.
        text: String,
        /// How.
        manner: Manner,
        /// Told the place before the reply goes out: from then on the connection may take the next request.
        answer_tx: Sender<Option<u64>>,
    },
    /// A member has another name.
    Rename {
        /// Who.
        id: u64,
        /// The new name.
        to: String,
        /// Answered with its place.
        answer_tx: Sender<Option<u64>>,
    },
    /// A member's connections have ended.
    Leave {
        /// These.
        line: Arc<Line>,
        /// Why, where it was not their own doing.
        reason: Option<String>,
    },
    /// The operator says something.
    Notice(String),
    /// How the recipients are doing.
    Report(Sender<Report>),
}

/// Where delivery to a newcomer begins.
#[derive(Clone, Copy, Debug)]
pub enum Start {
    /// So many messages before the join.
    Earlier(u32),
    /// After the last sequence number that the resumed session has received.
    After(u64),
}

/// How something is said.
#[derive(Clone, Debug)]
pub enum Manner {
    /// To all.
    Message,
    /// As an action, to all.
    Action,
    /// To one.
    Private(Arc<Session>),
}

/// How the recipients are doing.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many there are.
    pub recipients: usize,
    /// The one that is furthest behind, and by how many events.
    pub slowest: Option<(String, u64)>,
}

/// Somebody who has entered and not left.
struct Present {
    name: String,
    line: Arc<Line>,
    recipient: Option<Arc<Recipient>>,
}

impl Present {
    fn awaits_callback(&self, line: &Arc<Line>) -> bool {
        Arc::ptr_eq(&self.line, line) && self.recipient.is_none()
    }
}

/// What one round has brought so far.
#[derive(Default)]
struct Gathered {
    authors: Vec<u64>,
    private: bool,
    // Answers wait until the lock on the log is free again: a recipient takes it while it holds its turn, and a report
    // looks at every turn.
    answers: Vec<(Sender<Option<u64>>, Option<u64>)>,
    replies: Vec<(Arc<Line>, Option<u64>)>,
    reports: Vec<Sender<Report>>,
}

/// The broadcaster's whole life: until the last sender of the channel is gone and all is delivered.
///
/// # Blocking
/// On the channel; a command, or the last sender's end, wakes it. At the end on the deliveries, until `shared.drained_by`.
pub fn broadcast_loop(shared: &Shared, commands_rx: &Receiver<Command>) {
    thread::scope(|scope| {
        let (delivering_tx, delivered_rx) = crossbeam_channel::bounded(0);
        let mut room = Room {
            shared,
            scope,
            delivering_tx,
            present: HashMap::new(),
            round: Round::default(),
            spare: Batch::new(),
        };
        while let Ok(command) = commands_rx.recv() {
            room.round_of(iter::once(command).chain(commands_rx.try_iter().take(shared.limits.queue)));
        }
        room.end();
        drop(room.delivering_tx);
        if let Err(RecvTimeoutError::Timeout) = delivered_rx.recv_deadline(shared.drained_by()) {
            warn!("some recipients did not take their last messages in time");
            for present in room.present.values() {
                present.line.end(Ending::Lost("the server shut down"));
            }
        }
    });
}

struct Room<'scope, 'env> {
    shared: &'env Shared,
    scope: &'scope Scope<'scope, 'env>,
    /// Each delivery holds one; when all are gone, all is delivered. Nothing is ever sent.
    delivering_tx: Sender<()>,
    present: HashMap<u64, Present>,
    round: Round,
    spare: Batch,
}

impl<'scope, 'env> Room<'scope, 'env> {
    fn round_of(&mut self, commands: impl Iterator<Item = Command>) {
        let mut gathered = Gathered::default();
        let shared = self.shared;
        let start = {
            let mut log = shared.log.write();
            let start = log.next();
            for command in commands {
                self.carry_out(command, &mut log, &mut gathered);
            }
            start
        };
        // Senders first: while this thread fans out, they bring the next round.
        for (answer_tx, answer) in gathered.answers {
            // A connection that is gone does not want its answer any more.
            let _ = answer_tx.send(answer);
        }
        for (line, place) in gathered.replies {
            line.reply(
                &place.map_or_else(|| Reply::Refused(busy()), |sequence| Reply::Accepted { sequence }),
            );
        }
        for report_tx in gathered.reports {
            let _ = report_tx.send(self.report());
        }
        self.round.collect(&shared.log, start, gathered.authors, gathered.private);
        for present in self.present.values() {
            if let Some(recipient) = &present.recipient {
                if let Some(rest) = recipient.offer(shared, &mut self.round, &mut self.spare) {
                    self.start_push(recipient, rest);
                }
            }
        }
        if shared.seeded.has(Bug::ScopePerRound) {
            self.wait_for_all();
        }
    }

    fn carry_out(&mut self, command: Command, log: &mut Log, gathered: &mut Gathered) {
        match command {
            Command::Enter { line, name, start, callback, answer_tx } => {
                let place = self.enter(line, name, start, callback, log, gathered);
                gathered.answers.push((answer_tx, place));
            }
            Command::Attach { line, callback: (connection, slot) } => {
                let start = line.session.start();
                let wanted =
                    self.present.get(&line.session.id).is_some_and(|present| present.awaits_callback(&line));
                let recipient =
                    if wanted { self.start_delivery(&line, connection, Some(slot), start) } else { None };
                match (recipient, self.present.get_mut(&line.session.id)) {
                    (Some(recipient), Some(present)) => present.recipient = Some(recipient),
                    _ => line.end(Ending::Lost("connection lost")),
                }
            }
            Command::Say { line, number, text, manner, answer_tx } => {
                let place = self.say(&line.session, number, text, manner, log, gathered);
                gathered.answers.push((answer_tx, place));
                gathered.replies.push((line, place));
            }
            Command::Rename { id, to, answer_tx } => {
                let place = self.rename(id, to, log, gathered);
                gathered.answers.push((answer_tx, place));
            }
            Command::Leave { line, reason } => {
                let id = line.session.id;
                if self.present.get(&id).is_some_and(|present| Arc::ptr_eq(&present.line, &line)) {
                    if let Some(Present { name, .. }) = self.present.remove(&id) {
                        info!(
                            "{name} left{}",
                            reason.as_ref().map_or(String::new(), |why| format!(" ({why})"))
                        );
                        append(log, gathered, What::Left { name, reason }, Audience::AllBut(id));
                    }
                }
            }
            Command::Notice(text) => {
                append(log, gathered, What::Notice { text }, Audience::All);
            }
            Command::Report(report_tx) => gathered.reports.push(report_tx),
        }
    }

    fn enter(
        &mut self,
        line: Arc<Line>,
        name: String,
        start: Start,
        callback: Option<Connection>,
        log: &mut Log,
        gathered: &mut Gathered,
    ) -> Option<u64> {
        let session = Arc::clone(&line.session);
        let start = match start {
            Start::Earlier(count) => log.back(count as usize, session.id),
            Start::After(sequence) if self.shared.seeded.has(Bug::DoubleOnResume) => sequence,
            // Not before where it began, even if the client has received nothing and says so.
            Start::After(sequence) => sequence.saturating_add(1).max(session.start()).min(log.next()),
        };
        session.set_start(start);
        let recipient = match callback {
            Some(connection) => Some(self.start_delivery(&line, connection, None, start)?),
            None => None,
        };
        let joined_before = session.joined();
        let was_present = self.present.remove(&session.id).is_some();
        if !was_present {
            let what = match joined_before {
                None => What::Joined { name: name.clone() },
                Some(_) => What::Back { name: name.clone() },
            };
            info!("{name} {}", if joined_before.is_some() { "is back" } else { "joined" });
            let place = append(log, gathered, what, Audience::AllBut(session.id));
            session.set_joined(joined_before.unwrap_or(place));
        }
        // An Attach for this line cannot have come yet: it follows the answer to this command.
        self.present.insert(session.id, Present { name, line, recipient });
        session.joined()
    }

    fn say(
        &mut self,
        session: &Session,
        number: u64,
        text: String,
        manner: Manner,
        log: &mut Log,
        gathered: &mut Gathered,
    ) -> Option<u64> {
        let accepted = session.accepted(number).filter(|_| !self.shared.seeded.has(Bug::DoubleOnRepeat));
        if let Some(sequence) = accepted {
            return Some(sequence); // Said before the client lost its connection, and not said again.
        }
        let author = self.present.get(&session.id)?.name.clone();
        let (what, audience) = match manner {
            Manner::Message => (What::Message { author, number, text }, Audience::AllBut(session.id)),
            Manner::Action => (What::Action { author, number, text }, Audience::AllBut(session.id)),
            Manner::Private(to) => {
                gathered.private = true;
                (What::Private { author, number, text }, Audience::Only(to.id))
            }
        };
        let sequence = append(log, gathered, what, audience);
        session.accept(number, sequence);
        self.shared.stats.accepted();
        Some(sequence)
    }

    fn rename(&mut self, id: u64, to: String, log: &mut Log, gathered: &mut Gathered) -> Option<u64> {
        let present = self.present.get_mut(&id)?;
        if present.name == to {
            // Asked again by a client that lost the reply: it has been told, and nobody need hear of it twice.
            return Some(log.next() - 1);
        }
        let from = std::mem::replace(&mut present.name, to.clone());
        info!("{from} is now {to}");
        Some(append(log, gathered, What::Renamed { from, to }, Audience::AllBut(id)))
    }

    /// Puts a recipient's thread into the scope. `None` when the connection is broken or the system has no thread to give.
    fn start_delivery(
        &self,
        line: &Arc<Line>,
        mut connection: Connection,
        slot: Option<Slot>,
        cursor: u64,
    ) -> Option<Arc<Recipient>> {
        let outbox = Outbox::new(line.session.id, cursor, self.shared.limits.max_frame.0, self.shared.seeded);
        let recipient =
            Recipient::new(Arc::clone(line), Arc::clone(connection.stream()), outbox).map(Arc::new).ok()?;
        let own = Arc::clone(&recipient);
        let shared = self.shared;
        let delivering_tx = self.delivering_tx.clone();
        let life = move || {
            let _until_the_end = (delivering_tx, slot);
            // Caught here, because a panic that leaves a scoped thread makes the whole scope panic.
            let end = catch_unwind(AssertUnwindSafe(|| delivery_loop(&own, &mut connection, shared)));
            match end {
                Ok(Ok(())) => {}
                Ok(Err(RpcError::TimedOut)) => own.line().end(Ending::Lost("not responding")),
                Ok(Err(_)) => own.line().end(Ending::Lost("connection lost")),
                Err(_) => {
                    error!("a delivery panicked; its recipient is disconnected");
                    own.line().end(Ending::Lost("internal error"));
                }
            }
        };
        // Scope::spawn would panic when the system refuses a thread.
        let spawned = thread::Builder::new()
            .name("delivery".to_owned())
            .stack_size(shared.limits.thread_stack.0)
            .spawn_scoped(self.scope, life);
        match spawned {
            Ok(_) => Some(recipient),
            Err(error) => {
                warn!("no thread for a recipient: {error}");
                None
            }
        }
    }

    /// Lets a thread of its own write what the system would not take at once from a recipient's call: the broadcaster waits for nobody,
    /// and the recipient's thread sits in `read`. There is one such thread for a recipient at the most.
    fn start_push(&self, recipient: &Arc<Recipient>, rest: Rest) {
        let (shared, own) = (self.shared, Arc::clone(recipient));
        let delivering_tx = self.delivering_tx.clone();
        let life = move || {
            let _until_the_end = delivering_tx;
            if own.push(shared, Some(rest), &mut Batch::new()).is_err() {
                own.line().end(Ending::Lost("not responding"));
            }
        };
        let stack = shared.limits.thread_stack.0;
        if thread::Builder::new()
            .name("push".to_owned())
            .stack_size(stack)
            .spawn_scoped(self.scope, life)
            .is_err()
        {
            recipient.line().end(Ending::Lost("connection lost"));
        }
    }

    fn report(&self) -> Report {
        let next = self.shared.log.read().next();
        let behind = |present: &Present| {
            let cursor = present.recipient.as_ref()?.outbox.cursor();
            Some((present.name.clone(), next.saturating_sub(cursor)))
        };
        let slowest = self.present.values().filter_map(behind).max_by_key(|(_, behind)| *behind);
        Report { recipients: self.present.len(), slowest }
    }

    /// What the end of a scope for this round would do, which is what [`Bug::ScopePerRound`] does wrong.
    fn wait_for_all(&self) {
        thread::scope(|scope| {
            for recipient in self.present.values().filter_map(|present| present.recipient.as_ref()) {
                scope.spawn(|| {
                    while recipient.outbox.owing().is_some() && recipient.line().ended().is_none() {
                        thread::yield_now();
                    }
                });
            }
        });
    }

    /// The last round: tells everybody that the room ends. Each delivery ends when that has been answered.
    fn end(&mut self) {
        let reason = "the server is shutting down".to_owned();
        self.shared.log.write().append(now(), What::Ended { reason }, Audience::All);
        self.round_of(iter::empty());
    }
}

fn append(log: &mut Log, gathered: &mut Gathered, what: What, audience: Audience) -> u64 {
    if let Audience::AllBut(author) = audience {
        gathered.authors.push(author);
    }
    log.append(now(), what, audience)
}

/// Milliseconds since the Unix epoch.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
