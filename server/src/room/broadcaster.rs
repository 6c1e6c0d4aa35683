//! The thread `broadcaster`. It takes the commands from the channel, writes their events to the log, and
//! sends them to the recipients.
//!
//! Requirements:
//! - It MUST NOT wait for a client or the operator. It waits for the channel, and with a journal for its own
//!   disk, once for each round. It holds locks only for a short time, and a full send buffer costs it some
//!   8 ms.
//! - It MUST NOT show a part of a round before the round has its place in the order: when it is complete, and
//!   on the disk if there is a journal. That holds for replies, events and lines of the server's log, and for
//!   the lists that other threads read: members, mutes, bans and kept names.
//!
//! It takes all commands that wait in the channel as one round, and decides it ([`RoundInProgress`]). It
//! waits until the journal has the round, publishes it to the log and the list of members, answers the
//! senders, and writes it to every recipient that is up to date. Joins, leaves and messages come through the
//! same channel. So all recipients see one order, and a new member gets exactly the events after its own
//! join.
//!
//! The sync of a round does not overlap the delivery of the round before. The senders that wait for a round
//! fill the next one, so two rounds at a time are half as large. Measured with 64 senders: a tenth more
//! messages in a second at most where a sync takes 1 to 4 ms, and a quarter fewer where it takes 0.1 ms.
//!
//! The threads of all deliveries are in **one scope, which lasts as long as the broadcaster**. A scope
//! ends when all its threads have ended. A scope for each message would end with the slowest recipient,
//! and one client that is stopped would stop the room.
//!
//! Go: the original starts a goroutine for each recipient of each message, and waits for none. A
//! `sync.WaitGroup` for each message would be like a scope for each message. The example has one
//! `WaitGroup` for the whole program, like the scope here. A Go channel ends by `close`; this one ends
//! when its last sender is dropped. A `WaitGroup` needs correct counts from its callers; a scope always
//! waits for all of its threads.
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
//!         deliveries.spawn(move || deliver(command)); // without `move` it does not compile
//!     }
//! }); // waits here
//! ```

use super::{
    channel::CommandReceiver,
    command::Command,
    effects::Effects,
    mutes::Mutes,
    registry::{Changes, Members, Presence, Registry},
    round::{NewState, RoundInProgress, Ruling},
    space::checkpoint,
    waiting::{largest_command, Waiting},
};
#[cfg(feature = "seeded-bugs")]
use crate::settings::seeded::Bug;
use crate::{
    delivery::{Deliveries, FanoutWorker, Recipient, SharedBatch, CONNECTION_LOST},
    door::Door,
    log::{
        journal::{
            disk::Directory,
            space::{Needs, Space},
            Journal, JournalError,
        },
        Audience, SharedLog, StagedBatch,
    },
    settings::Limits,
};
use chat_common::{program::shutdown::Shutdown, wire::protocol::EventKind};
use crossbeam_channel::{RecvTimeoutError, Sender};
use log::{info, warn, Level};
use std::{
    iter,
    panic::{catch_unwind, resume_unwind, AssertUnwindSafe},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// The most recipients of a small room. Writing to all of them takes less than 200 us.
const SMALL_ROOM: usize = 32;

/// How often a room with something that waits for space looks for some.
const SPACE_PAUSE: Duration = Duration::from_secs(1);

/// What the broadcaster works with.
#[derive(Debug)]
pub(crate) struct Broadcaster<'env> {
    pub(super) registry: Registry,
    pub(super) mutes: Mutes,
    pub(super) log: SharedLog,
    pub(super) limits: &'env Limits,
    pub(super) door: &'env Door,
    pub(super) shutdown: &'env Shutdown,
    pub(super) commands_rx: CommandReceiver,
    /// The id of the newest session.
    pub(super) last_id: u64,
    /// Until when the sessions of the journal may come back in silence.
    pub(super) silent_until: Option<Instant>,
    /// Gets a value after each append, unless one waits there. For a reader that is no recipient.
    pub(super) appended_tx: Option<Sender<()>>,
}

/// The whole life of the thread `broadcaster`. It ends when the last sender of the channel is dropped and
/// everything is delivered, or at the end of `drain_timeout`.
///
/// # Blocking
/// On the channel. A command wakes it, and so does the drop of the last sender. On the disk of the journal,
/// once for each round. At the end on the deliveries, until `drain_timeout` after the request to stop. After
/// a failure first on the last sender, which is dropped when the threads of all connections have ended.
///
/// # Errors
/// When the disk fails. Nobody is told of the round that it has not taken, and the room ends.
pub(crate) fn broadcast_loop(
    broadcaster: &Broadcaster<'_>,
    journal: Option<Journal<Directory>>,
) -> Result<(), JournalError> {
    let Broadcaster { registry, log, limits, shutdown, commands_rx, .. } = broadcaster;
    thread::scope(|scope| {
        let (deliveries, delivering) = Deliveries::new(scope, log, limits);
        let fanout = FanoutWorker::new(&deliveries);
        let (last_id, recipients) = (broadcaster.last_id, Arc::new([]) as Arc<[_]>);
        let waiting = Waiting::default();
        let mut rounds = Rounds { broadcaster, deliveries, fanout, recipients, last_id, journal, waiting };
        // Those who wait for an answer must be let go after a panic, too.
        let ended = catch_unwind(AssertUnwindSafe(|| rounds.run_to_the_end()));
        let Rounds { recipients, deliveries, fanout, .. } = rounds;
        drop((deliveries, fanout));
        if !matches!(ended, Ok(Ok(()))) {
            // Nobody may learn more than the disk has. The clients come back to the next server.
            shutdown.request();
            let pairs = recipients.iter().map(|recipient| Arc::clone(&recipient.pair));
            pairs.chain(registry.pairs()).for_each(|pair| pair.close("the room has failed"));
            // A bounded channel keeps what is queued when its receiver goes, and the commands in it have the
            // senders for answers that others wait for. Each wait ends when its command is dropped.
            commands_rx.drop_all();
        }
        if !delivering.wait_until(shutdown.deadline(limits.drain_timeout)) {
            warn!("some recipients did not take their last messages in time");
            for recipient in &*recipients {
                recipient.pair.close("the server shut down");
            }
        }
        ended.unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// What the broadcaster keeps from one round to the next.
struct Rounds<'b, 'scope, 'env> {
    broadcaster: &'env Broadcaster<'b>,
    deliveries: Deliveries<'scope, 'env>,
    fanout: FanoutWorker<'scope, 'env>,
    /// A copy of the list of recipients. It is copied again when recipients have come or gone.
    recipients: Arc<[Arc<Recipient>]>,
    /// The id of the newest session.
    last_id: u64,
    journal: Option<Journal<Directory>>,
    /// What the full disk of the journal has no space for.
    waiting: Waiting,
}

impl Rounds<'_, '_, '_> {
    /// Takes commands until their last sender is dropped, and then ends the room.
    fn run_to_the_end(&mut self) -> Result<(), JournalError> {
        let Broadcaster { limits, commands_rx, .. } = self.broadcaster;
        let mut silent_until = self.broadcaster.silent_until;
        commands_rx.wake_this_thread();
        loop {
            let retry = (!self.waiting.is_empty()).then(|| Instant::now() + SPACE_PAUSE);
            match commands_rx.next([silent_until, retry].into_iter().flatten().min()) {
                Ok(command) => {
                    self.run_round(iter::once(command).chain(commands_rx.waiting().take(limits.queue)))?;
                }
                Err(RecvTimeoutError::Timeout) => {
                    let is_over = silent_until.take_if(|until| *until <= Instant::now()).is_some();
                    self.run_round(is_over.then_some(Command::TellLost).into_iter())?;
                }
                Err(RecvTimeoutError::Disconnected) => return self.end(),
            }
        }
    }

    /// Tells everybody of the end of the room.
    fn end(&mut self) -> Result<(), JournalError> {
        self.make_space()?;
        if self.journal.as_ref().is_some_and(|journal| !journal.has_space_for_end()) {
            // Nobody may see an event that is not on the disk. The clients come back to the next server.
            warn!("the disk is full, and has no space for the end of the room");
            self.recipients.iter().for_each(|recipient| recipient.pair.close("the server shut down"));
            return Ok(());
        }
        let mut staged = self.broadcaster.log.stage();
        staged.push(EventKind::Ended { reason: "the server is shutting down".to_owned() }, Audience::All);
        let state = NewState { last_id: self.last_id, ..NewState::default() };
        let last = Decided { staged, state, ..Decided::default() };
        self.place(&last)?;
        self.publish(last);
        Ok(())
    }

    /// Returns how much the next round may write.
    fn make_space(&mut self) -> Result<Space, JournalError> {
        let Some(journal) = &mut self.journal else { return Ok(Space::ENDLESS) };
        let Broadcaster { registry, log, limits, .. } = self.broadcaster;
        let (first, last_session) = (log.read().next(), self.last_id);
        let sessions = registry.with_members(Members::len);
        let needs = Needs { sessions, command: largest_command(limits) };
        let checkpoint = |members: &_| checkpoint(members, &Changes::new(), last_session);
        journal.make_space(first, needs, || registry.with_members(checkpoint))
    }

    /// Carries out the commands of one round, and publishes the result.
    fn run_round(&mut self, commands: impl Iterator<Item = Command>) -> Result<(), JournalError> {
        if self.journal.is_some() {
            // The threads of members that were just answered, and that have said more, go first. What comes
            // later than the first command of a round waits for a second sync. Measured with 64 senders and
            // a sync of 4 ms: 54 messages for each sync instead of 42, and a quarter more in a second.
            thread::yield_now();
        }
        let space = self.make_space()?;
        #[cfg_attr(not(feature = "seeded-bugs"), expect(unused_mut, reason = "only a bug answers so early"))]
        let mut decided = self.decide(space, commands);
        #[cfg(feature = "seeded-bugs")]
        if self.broadcaster.limits.seeded.has(Bug::AnswerBeforeSync) {
            decided.effects.write_replies();
        } else if self.broadcaster.limits.seeded.has(Bug::PublishBeforeSync) {
            let place = (decided.staged.clone(), decided.records.clone());
            self.publish(decided);
            let (staged, records) = place;
            return self.place(&Decided { staged, records, ..Decided::default() });
        }
        self.place(&decided)?;
        self.publish(decided);
        Ok(())
    }

    /// Decides a round on the list of members. Nobody else sees anything of it yet.
    fn decide(&self, space: Space, commands: impl Iterator<Item = Command>) -> Decided {
        let Broadcaster { registry, mutes, log, limits, door, .. } = self.broadcaster;
        let state = NewState { last_id: self.last_id, waiting: self.waiting.clone(), ..NewState::default() };
        registry.with_members(|members| {
            let mut round = RoundInProgress::new((limits, door, mutes), members, state, space, log.stage());
            round.stage_waiting();
            for command in commands {
                round.apply(command);
                if round.is_complete() {
                    break;
                }
            }
            let records = if self.journal.is_some() { round.records() } else { Vec::new() };
            let RoundInProgress { members, state, staged, effects, .. } = round;
            Decided { members: members.into_changes(), state, staged, effects, records }
        })
    }

    /// Gives a round its place in the order: waits until the disk has it. A round may have records of
    /// sessions alone, as when a visitor is removed: that must not be forgotten either. One that has nothing
    /// for the journal has its place at once.
    fn place(&mut self, decided: &Decided) -> Result<(), JournalError> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        let Decided { members: changes, state, staged, records, .. } = decided;
        let mut records = records.clone();
        staged.write_records(&mut records);
        if records.is_empty() {
            return Ok(());
        }
        let checkpoint = |members: &_| checkpoint(members, changes, state.last_id);
        let registry = &self.broadcaster.registry;
        journal.commit(&records, staged.first(), || registry.with_members(checkpoint))
    }

    /// Publishes a round: to readers of the log and of the list, to senders that wait for an answer, to the
    /// recipients, and to the server's log.
    fn publish(&mut self, decided: Decided) {
        let Broadcaster { registry, mutes, log, limits, door, appended_tx, .. } = self.broadcaster;
        let Decided { mut members, state, staged, mut effects, .. } = decided;
        let (first, end) = (staged.first(), staged.next());
        let (authors, has_private) = (staged.authors(), staged.has_private());
        log.append(staged);
        if let Some(appended_tx) = appended_tx {
            // If the channel is full, its reader will see this append as well.
            let _ = appended_tx.try_send(());
        }
        self.start_recipients(&mut members, &mut effects);
        registry.publish(members);
        state.names.into_iter().for_each(|(name, key)| door.bind_name(&name, key));
        match state.ruling {
            Some(Ruling::Ban(ban)) => door.bans.add(&ban),
            Some(Ruling::Mute(name, time)) => mutes.set(&name, time),
            None => {}
        }
        (self.last_id, self.waiting) = (state.last_id, state.waiting);
        // Usually the senders get their replies first. They then send the commands of the next round
        // while this thread writes to the recipients. In a small and quiet room the recipients come
        // first, which saves 18 of 188 us until the last of ten has the message.
        let is_quiet = effects.commands == 1;
        if !is_quiet || self.recipients.len() > SMALL_ROOM {
            effects.write_replies();
        }
        effects.answers.drain(..).for_each(|answer| answer());
        effects.closings.drain(..).for_each(|(pair, reason)| pair.close(reason));
        if effects.recipients_changed {
            self.recipients = registry.recipients().into();
        }
        if first < end {
            let round = SharedBatch::read(log, limits.max_frame.0, first, authors, has_private);
            self.fanout.write(&self.recipients, round, is_quiet);
        }
        effects.write_replies();
        for (address, line) in effects.lines {
            match address {
                Some(address) => door.log(address, Level::Info, line),
                None => info!("{line}"),
            }
        }
    }

    /// Starts the threads of new recipients, and puts these into the list that is to be published. Where the
    /// system refuses a thread, the pair is closed, and its member leaves in a later round.
    fn start_recipients(&self, members: &mut Changes, effects: &mut Effects) {
        for new in effects.recipients.drain(..) {
            let pair = Arc::clone(&new.pair);
            // A command behind may have ended the session, or given it another pair.
            let member = members.get_mut(&pair.id).and_then(Option::as_mut);
            let Some(member) = member.filter(|member| member.is_on(&pair)) else { continue };
            let (reader, start) = (member.reader(pair.id), member.start);
            let Presence::Here { recipient, .. } = &mut member.presence else { continue };
            *recipient = self.deliveries.start(new, start, reader);
            if recipient.is_none() {
                effects.lines.push((Some(member.address), "no thread for a recipient".to_owned()));
                effects.closings.push((pair, CONNECTION_LOST));
            }
        }
    }
}

/// A round that is decided.
#[derive(Default)]
struct Decided {
    members: Changes,
    state: NewState,
    staged: StagedBatch,
    effects: Effects,
    /// The records of the sessions that it changes, for the journal.
    records: Vec<u8>,
}
