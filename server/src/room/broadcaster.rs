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
    index::Index,
    member::Presence,
    registry::{Changes, Members, Registry},
    round::{NewState, RoundInProgress, Ruling},
    space::checkpoint,
    untold::Untold,
    view::View,
    waiting::largest_command,
    House, Published,
};
#[cfg(feature = "seeded-bugs")]
use crate::settings::seeded::Bug;
use crate::{
    delivery::{Deliveries, FanoutWorker, Recipient, RoundFrame, CONNECTION_LOST},
    log::{Audience, StagedRound},
    order::{
        journal::{
            space::{Needs, Space},
            JournalError,
        },
        Order,
    },
};
use chat_common::{
    trace::{self, Slice},
    wire::protocol::EventKind,
};
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

/// What the broadcaster works with, from one round to the next.
#[derive(Debug)]
pub(crate) struct Broadcaster<'env> {
    pub(super) published: Published,
    /// By what it finds members in the list.
    pub(super) index: Index,
    pub(super) house: House<'env>,
    pub(super) commands_rx: CommandReceiver,
    pub(super) order: Order,
    /// What the last round has left to the next.
    pub(super) state: NewState,
    pub(super) readers: Readers,
    /// Until when the sessions of the journal may come back in silence.
    pub(super) quiet_resume_until: Option<Instant>,
}

/// Those who are told that the log has grown.
#[derive(Debug)]
pub(super) struct Readers {
    /// A copy of the list of recipients. There is none when recipients have come or gone since the last
    /// fan-out: the next one copies it again.
    recipients: Option<Arc<[Arc<Recipient>]>>,
    /// What the recipients have not been told.
    untold: Untold,
    /// Gets a value after each append, unless one waits there. For a reader that is no recipient.
    appended_tx: Option<Sender<()>>,
}

impl Readers {
    pub(super) fn new(appended_tx: Option<Sender<()>>) -> Readers {
        Readers { recipients: None, untold: Untold::default(), appended_tx }
    }
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
pub(crate) fn broadcast_loop(mut broadcaster: Broadcaster<'_>) -> Result<(), JournalError> {
    let (log, House { limits, shutdown, .. }) = (broadcaster.published.log.clone(), broadcaster.house);
    thread::scope(|scope| {
        let (deliveries, delivering) = Deliveries::new(scope, &log, limits);
        let mut fanout = FanoutWorker::new(deliveries);
        // Those who wait for an answer must be let go after a panic, too.
        let ended = catch_unwind(AssertUnwindSafe(|| broadcaster.run_to_the_end(&mut fanout)));
        drop(fanout);
        let Broadcaster { published: Published { registry, .. }, commands_rx, .. } = &broadcaster;
        if !matches!(ended, Ok(Ok(()))) {
            // Nobody may learn more than the disk has. The clients come back to the next server.
            shutdown.request();
            registry.pairs().iter().for_each(|pair| pair.close("the room has failed"));
            // A bounded channel keeps what is queued when its receiver goes, and the commands in it have the
            // senders for answers that others wait for. Each wait ends when its command is dropped.
            commands_rx.drop_all();
        }
        if !delivering.wait_until(shutdown.deadline(limits.drain_timeout)) {
            warn!("some recipients did not take their last messages in time");
            registry.pairs().iter().for_each(|pair| pair.close("the server shut down"));
        }
        ended.unwrap_or_else(|panic| resume_unwind(panic))
    })
}

impl Broadcaster<'_> {
    /// Takes commands until their last sender is dropped, and then ends the room.
    fn run_to_the_end(&mut self, fanout: &mut FanoutWorker<'_, '_>) -> Result<(), JournalError> {
        self.commands_rx.wake_this_thread();
        loop {
            let retry = (!self.state.waiting.is_empty()).then(|| Instant::now() + SPACE_PAUSE);
            let ends = [self.quiet_resume_until, retry, self.readers.untold.waits_until()];
            match self.commands_rx.next(ends.into_iter().flatten().min()) {
                Ok(command) => self.run_round(command, fanout)?,
                // One of the times is over. A round looks what there is to do.
                Err(RecvTimeoutError::Timeout) => {
                    self.quiet_resume_until.take_if(|until| *until <= Instant::now());
                    self.run_round(Command::TellLost, fanout)?;
                }
                Err(RecvTimeoutError::Disconnected) => return self.end(fanout),
            }
        }
    }

    /// Tells everybody of the end of the room.
    fn end(&mut self, fanout: &mut FanoutWorker<'_, '_>) -> Result<(), JournalError> {
        self.make_space()?;
        if !self.order.has_space_for_end() {
            // Nobody may see an event that is not on the disk. The clients come back to the next server.
            warn!("the disk is full, and has no space for the end of the room");
            self.published.registry.pairs().iter().for_each(|pair| pair.close("the server shut down"));
            return Ok(());
        }
        let mut staged = self.published.log.stage();
        staged.push(EventKind::Ended { reason: "the server is shutting down".to_owned() }, Audience::All);
        let last = DecidedRound { staged, state: self.state.clone(), ..DecidedRound::default() };
        self.place(&last)?;
        self.publish(last, fanout);
        Ok(())
    }

    /// Returns how much the next round may write.
    fn make_space(&mut self) -> Result<Space, JournalError> {
        let Broadcaster { published: Published { registry, mutes, log }, house, order, state, .. } = self;
        let sessions = registry.with_members(Members::len);
        let needs = Needs { sessions, mutes: mutes.len(), command: largest_command(house.limits) };
        let checkpoint = |members: &_| checkpoint(members, &Changes::new(), mutes.list(), state.last_id);
        order.make_space(log.read().next(), needs, || registry.with_members(checkpoint))
    }

    /// Carries out a command, and those that wait behind it, as one round, and publishes the result.
    fn run_round(&mut self, first: Command, fanout: &mut FanoutWorker<'_, '_>) -> Result<(), JournalError> {
        if self.order.is_kept() || self.state.was_busy {
            // The threads of members that were just answered, and that have said more, go first. What comes
            // later than the first command of a round waits for the next one: for a second sync, and for one
            // more write to each recipient. Measured with 64 senders and a sync of 4 ms: 54 messages for each
            // sync instead of 42, and a quarter more in a second. Without a journal, beside 10 and 100
            // listeners: a tenth less processor time for each message.
            thread::yield_now();
        }
        let space = self.make_space()?;
        #[cfg_attr(not(feature = "seeded-bugs"), expect(unused_mut, reason = "only a bug answers so early"))]
        let mut decided = self.decide(space, first);
        #[cfg(feature = "seeded-bugs")]
        if self.house.limits.seeded.has(Bug::AnswerBeforeSync) {
            decided.effects.write_replies();
        } else if self.house.limits.seeded.has(Bug::PublishBeforeSync) {
            let (staged, sessions) = (decided.staged.clone(), decided.sessions.clone());
            self.publish(decided, fanout);
            return self.place(&DecidedRound { staged, sessions, ..DecidedRound::default() });
        }
        self.place(&decided)?;
        (decided.staged.first()..decided.staged.next()).for_each(|sequence| trace::mark("placed", sequence));
        self.publish(decided, fanout);
        Ok(())
    }

    /// Decides a round on the list of members. Nobody else sees anything of it yet.
    fn decide(&self, space: Space, first: Command) -> DecidedRound {
        let Broadcaster { published, index, commands_rx, order, .. } = self;
        let (Published { registry, mutes, log }, House { limits, door, .. }) = (published, self.house);
        let commands = iter::once(first).chain(commands_rx.waiting().take(limits.queue));
        let state = self.state.clone();
        registry.with_members(|members| {
            let members = View::new(members, index);
            let mut round = RoundInProgress::new((limits, door, mutes), members, state, space, log.stage());
            round.stage_waiting();
            for command in commands {
                round.apply(command);
                if round.is_complete() {
                    break;
                }
            }
            let sessions = if order.is_kept() { round.records() } else { Vec::new() };
            let RoundInProgress { members, state, staged, effects, .. } = round;
            DecidedRound { members: members.into_changes(), state, staged, effects, sessions }
        })
    }

    /// Gives a round its place in the order.
    fn place(&mut self, decided: &DecidedRound) -> Result<(), JournalError> {
        let DecidedRound { members: changes, state, staged, sessions, .. } = decided;
        let mute = match &state.ruling {
            Some(Ruling::Mute(name, terms)) => Some((name.as_str(), terms.clone())),
            _ => None,
        };
        let mutes = &self.published.mutes;
        let checkpoint = |members: &_| checkpoint(members, changes, mutes.list_with(mute), state.last_id);
        let _waits = self.order.is_kept().then(|| Slice::begin("waits for the disk"));
        self.order.place(staged, sessions, || self.published.registry.with_members(checkpoint))
    }

    /// Publishes a round: to readers of the log and of the list, to senders that wait for an answer, to the
    /// recipients, and to the server's log.
    fn publish(&mut self, decided: DecidedRound, fanout: &mut FanoutWorker<'_, '_>) {
        let Broadcaster { published: Published { registry, mutes, log }, index, readers, .. } = self;
        let House { limits, door, .. } = self.house;
        let DecidedRound { mut members, state, staged, mut effects, .. } = decided;
        readers.untold.add(&staged);
        log.append(staged);
        if let Some(appended_tx) = &readers.appended_tx {
            // If the channel is full, its reader will see this append as well.
            let _ = appended_tx.try_send(());
        }
        start_recipients(&mut members, &mut effects, fanout);
        registry.publish(members, index);
        let NewState { last_id, waiting, names, ruling, .. } = state;
        if let Some(kept) = &door.names {
            names.iter().for_each(|(name, key)| kept.bind(name, *key));
        }
        match ruling {
            Some(Ruling::Ban(ban, terms)) => door.bans.add(&ban, &terms),
            Some(Ruling::Mute(name, terms)) => mutes.set(&name, terms),
            None => {}
        }
        let is_quiet = effects.commands == 1;
        self.state = NewState { last_id, waiting, was_busy: !is_quiet, ..NewState::default() };
        if replies_come_first(is_quiet, registry) {
            effects.write_replies();
        }
        effects.answers.drain(..).for_each(|answer| answer());
        effects.closings.drain(..).for_each(|(pair, reason)| pair.close(reason));
        readers.recipients.take_if(|_| effects.recipients_changed);
        if let Some((first, authors, has_private)) = readers.untold.take_due() {
            let frame = RoundFrame::read(log, limits.max_frame.0, first, authors, has_private);
            let recipients = readers.recipients.get_or_insert_with(|| registry.recipients());
            fanout.write(recipients, frame, is_quiet);
            readers.untold.pause(recipients.len());
        }
        effects.write_replies();
        for (address, line) in effects.lines {
            match address {
                Some(address) => door.log(address, Level::Info, line),
                None => info!("{line}"),
            }
        }
    }
}

/// Returns whether the senders of a round get their replies before the recipients get the round. They then
/// send the commands of the next round while this thread writes. In a small and quiet room the recipients
/// come first, which saves 5 to 10 % of the time until the last of ten has the message.
fn replies_come_first(is_quiet: bool, registry: &Registry) -> bool {
    !is_quiet || registry.with_members(Members::len) > SMALL_ROOM
}

/// Starts the threads of new recipients, and puts these into the changes that are to be published. Where the
/// system refuses a thread, the pair is closed, and its member leaves in a later round.
fn start_recipients(members: &mut Changes, effects: &mut Effects, fanout: &FanoutWorker<'_, '_>) {
    for new in effects.recipients.drain(..) {
        let pair = Arc::clone(&new.pair);
        // A command behind may have ended the session, or given it another pair.
        let member = members.get_mut(&pair.id).and_then(Option::as_mut);
        let Some(member) = member.filter(|member| member.is_on(&pair)) else { continue };
        let (reader, deliver_from) = (member.in_log.reader, member.in_log.deliver_from);
        let Presence::Here { recipient, .. } = &mut member.presence else { continue };
        *recipient = fanout.deliveries().start(new, deliver_from, reader);
        if recipient.is_none() {
            effects.lines.push((Some(member.client.address), "no thread for a recipient".to_owned()));
            effects.closings.push((pair, CONNECTION_LOST));
        }
    }
}

/// A round that is decided.
#[derive(Default)]
struct DecidedRound {
    members: Changes,
    state: NewState,
    staged: StagedRound,
    effects: Effects,
    /// The records of the sessions that it changes, for the journal.
    sessions: Vec<u8>,
}
