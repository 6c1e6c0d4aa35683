//! What each command does to the room: who is in it, and what is appended to the log. Runs on the broadcaster's thread, under the
//! log's lock, and touches no socket.

use crate::{
    delivery::{
        recipient::{Deliveries, Recipient},
        session::{Ending, Line, Session},
    },
    log::{Audience, Log},
    member::service::{busy, refusal},
    room::command::{Command, Manner, Report, Start},
    settings::seeded::Bug,
    Shared,
};
use chat_common::{
    protocol::{Cause, EventKind, Reply},
    rpc::Connection,
};
use crossbeam_channel::Sender;
use log::info;
use std::{collections::BTreeMap, sync::Arc};

/// Who is in the room, as the broadcaster sees it.
pub struct Room<'scope, 'env> {
    shared: &'env Shared,
    /// The threads of the recipients.
    deliveries: Deliveries<'scope, 'env>,
    /// By session, which is the order in which they first joined. Walking through them in the order in which their memory and their sockets
    /// were made is quicker, by 5 % of an idle room's latency, than in a hash map's.
    present: BTreeMap<u64, Present>,
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

/// What one round has brought, to be acted upon when the log's lock is free again: a recipient takes it while it holds its window, and
/// a report looks at every window.
#[derive(Default)]
pub struct Gathered {
    /// The sessions that something in the round comes from.
    pub authors: Vec<u64>,
    /// Whether something in it is private.
    pub private: bool,
    /// Answers for connections that wait for them.
    pub answers: Vec<(Sender<Option<u64>>, Option<u64>)>,
    /// Replies to be written, and who is to know that they are.
    pub replies: Vec<(Arc<Line>, Reply, Sender<Option<u64>>)>,
    /// Reports that were asked for.
    pub reports: Vec<Sender<Report>>,
}

impl<'scope, 'env> Room<'scope, 'env> {
    /// An empty room.
    pub fn new(shared: &'env Shared, deliveries: Deliveries<'scope, 'env>) -> Room<'scope, 'env> {
        Room { shared, deliveries, present: BTreeMap::new() }
    }

    /// All who can be delivered to, with their names.
    pub fn recipients(&self) -> impl Iterator<Item = (&str, &Arc<Recipient>)> {
        self.present.values().filter_map(|present| Some((present.name.as_str(), present.recipient.as_ref()?)))
    }

    /// No more deliveries will be started: answers the lines of those who are still here.
    pub fn close(self) -> Vec<Arc<Line>> {
        self.present.into_values().map(|present| present.line).collect()
    }

    /// Carries one command out.
    pub fn carry_out(&mut self, command: Command, log: &mut Log, gathered: &mut Gathered) {
        match command {
            Command::Enter { line, name, start, callback, answer_tx } => {
                let place = self.enter(line, name, start, callback, log, gathered);
                gathered.answers.push((answer_tx, place));
            }
            Command::Attach { line, callback: (connection, slot) } => {
                let start = line.session.start();
                let present =
                    self.present.get_mut(&line.session.id).filter(|present| present.awaits_callback(&line));
                let recipient = present.and_then(|present| {
                    present.recipient = self.deliveries.start(&line, connection, Some(slot), start);
                    present.recipient.as_ref()
                });
                if recipient.is_none() {
                    // No thread for it; or its client was too eager, and opened it before its Join was carried out.
                    line.end(Ending::Lost("connection lost"));
                }
            }
            Command::Say { line, message_id, text, manner, replied_tx } => {
                let reply = self.say(&line.session, message_id, text, manner, log, gathered);
                gathered.replies.push((line, reply, replied_tx));
            }
            Command::Rename { id, to, answer_tx } => {
                let place = self.rename(id, to, log, gathered);
                gathered.answers.push((answer_tx, place));
            }
            Command::Leave { line, reason } => {
                let id = line.session.id;
                if self.present.get(&id).is_some_and(|present| Arc::ptr_eq(&present.line, &line)) {
                    self.depart(id, reason, log, gathered);
                }
            }
            Command::Notice(text) => {
                gathered.append(log, EventKind::Notice { text }, Audience::All);
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
        if line.ended() == Some(Ending::Replaced) {
            return None; // Its client has come back on another line, which may have entered before this.
        }
        let session = Arc::clone(&line.session);
        let start = match start {
            Start::Earlier(count) => log.back(count as usize, session.id),
            // Its first Join was given up before it was carried out: this one is the join.
            Start::After(_) if session.joined().is_none() => log.next(),
            Start::After(sequence) if self.shared.seeded.has(Bug::DoubleOnResume) => sequence,
            // Not before where it began, even if the client has received nothing and says so.
            Start::After(sequence) => sequence.saturating_add(1).max(session.start()).min(log.next()),
        };
        session.set_start(start);
        let recipient = match callback {
            Some(connection) => match self.deliveries.start(&line, connection, None, start) {
                Some(recipient) => Some(recipient),
                None => {
                    // If it was on another line until now, that one has been ended and will not announce it.
                    self.depart(session.id, Some("connection lost".to_owned()), log, gathered);
                    return None;
                }
            },
            None => None,
        };
        let joined_before = session.joined();
        let was_present = self.present.remove(&session.id).is_some();
        if !was_present {
            let what = match joined_before {
                None => EventKind::Joined { name: name.clone() },
                Some(_) => EventKind::Back { name: name.clone() },
            };
            info!("{name} {}", if joined_before.is_some() { "is back" } else { "joined" });
            let place = gathered.append(log, what, Audience::AllBut(session.id));
            session.set_joined(joined_before.unwrap_or(place));
        }
        self.present.insert(session.id, Present { name, line, recipient });
        session.joined()
    }

    fn depart(&mut self, id: u64, reason: Option<String>, log: &mut Log, gathered: &mut Gathered) {
        if let Some(Present { name, .. }) = self.present.remove(&id) {
            info!("{name} left{}", reason.as_ref().map_or(String::new(), |why| format!(" ({why})")));
            gathered.append(log, EventKind::Left { name, reason }, Audience::AllBut(id));
        }
    }

    fn say(
        &mut self,
        session: &Session,
        message_id: u64,
        text: String,
        manner: Manner,
        log: &mut Log,
        gathered: &mut Gathered,
    ) -> Reply {
        let accepted = session.accepted(message_id).filter(|_| !self.shared.seeded.has(Bug::DoubleOnRepeat));
        if let Some(sequence) = accepted {
            return Reply::Accepted { sequence }; // Said before the client lost its connection, and not said again.
        }
        let Some(author) = self.present.get(&session.id).map(|present| present.name.clone()) else {
            return Reply::Refused(busy());
        };
        let (kind, audience) = match manner {
            Manner::Message => {
                (EventKind::Message { author, message_id, text }, Audience::AllBut(session.id))
            }
            Manner::Action => (EventKind::Action { author, message_id, text }, Audience::AllBut(session.id)),
            Manner::Private { to: Some(to), .. } => {
                gathered.private = true;
                (EventKind::Private { author, message_id, text }, Audience::Only(to.id))
            }
            Manner::Private { to: None, name } => {
                let why = format!("nobody here is called {name}; /who lists who is");
                return Reply::Refused(refusal(Cause::NobodyOfThatName, why));
            }
        };
        let sequence = gathered.append(log, kind, audience);
        session.accept(message_id, sequence);
        self.shared.stats.accepted();
        Reply::Accepted { sequence }
    }

    fn rename(&mut self, id: u64, to: String, log: &mut Log, gathered: &mut Gathered) -> Option<u64> {
        let present = self.present.get_mut(&id)?;
        if present.name == to {
            // Asked again by a client that lost the reply: it has been told, and nobody need hear of it twice.
            return Some(log.next() - 1);
        }
        let from = std::mem::replace(&mut present.name, to.clone());
        info!("{from} is now {to}");
        Some(gathered.append(log, EventKind::Renamed { from, to }, Audience::AllBut(id)))
    }

    /// Waits for every recipient's answer, as the end of a scope for this round would: what [`Bug::ScopePerRound`] does wrong.
    #[cfg(feature = "seeded-bugs")]
    pub fn wait_for_all(&self) {
        for (_, recipient) in self.recipients() {
            while recipient.outbox.owing().is_some() && recipient.line().ended().is_none() {
                std::thread::yield_now();
            }
        }
    }
}

impl Gathered {
    fn append(&mut self, log: &mut Log, kind: EventKind, audience: Audience) -> u64 {
        if let Audience::AllBut(author) = audience {
            self.authors.push(author);
        }
        log.append(kind, audience)
    }
}
