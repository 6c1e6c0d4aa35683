//! Who is here: the members' list, under the one mutex that the whole description asks for.
//!
//! This file holds the only lock on it, never across anything that can block: each function goes in, looks or changes, copies out,
//! and leaves.
//!
//! Go: the original keeps `map[string]string`, name to address, and a second Ann replaces the first. Here a name is
//! claimed and checked under one lock, and what is kept is the session.
//!
//! ```go
//! s.mu.Lock()
//! s.clients[req.UserID] = req.ClientAddr
//! s.mu.Unlock()
//! ```

use crate::{
    delivery::session::{Ending, Line, Session},
    door::name::folded,
    settings::limits::Limits,
};
use chat_common::token::Token;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The list, shared by all threads.
#[derive(Clone, Debug)]
pub struct Registry {
    members: Arc<Mutex<HashMap<u64, Member>>>,
    resume_within: Duration,
    /// How many lost sessions are remembered at the most, so that coming and going costs bounded memory.
    most_absent: usize,
}

#[derive(Debug)]
struct Member {
    session: Arc<Session>,
    name: String,
    /// The name as it is compared.
    folded: String,
    /// The folded name that is being given up, while the renaming is on its way into the order.
    former: Option<String>,
    address: IpAddr,
    state: State,
}

#[derive(Debug)]
enum State {
    Here(Arc<Line>),
    /// Its end is being announced: it is not here any more, and its name is not yet free.
    Going(Arc<Line>),
    /// The connection was lost; the client may come back.
    Lost(Instant),
    /// The session is over, and its client is told why if it tries to come back.
    Over(Instant, String),
}

/// What a client that wants its session back gets.
#[derive(Debug)]
pub enum Resumed {
    /// The session.
    Back {
        /// The new line.
        line: Arc<Line>,
        /// The name that it goes by now.
        name: String,
    },
    /// It is over, for this reason.
    Over(String),
    /// There is no such session.
    Unknown,
}

/// Why a name was not given.
#[derive(Debug, PartialEq, Eq)]
pub enum Denied {
    /// Somebody here has it.
    Taken,
    /// It, or the address that asks for it, is barred, for this reason.
    Barred(String),
}

/// What is asked, under the lock, about somebody who wants this name from this address: why not, if they may not have it.
pub type Barred<'a> = &'a dyn Fn(&str, IpAddr) -> Option<String>;

impl Registry {
    /// An empty list.
    pub fn new(limits: &Limits) -> Registry {
        Registry {
            members: Arc::default(),
            resume_within: limits.resume_within,
            most_absent: limits.max_connections,
        }
    }

    /// Claims `name` for a new session. The name of a lost session is free to take, and that session is then over.
    ///
    /// # Errors
    /// When somebody here has the name, or it or the address is barred.
    pub fn claim(
        &self,
        name: &str,
        address: IpAddr,
        line: &Arc<Line>,
        barred: Barred<'_>,
    ) -> Result<(), Denied> {
        let mut members = self.lock();
        forget_absent(&mut members, self.resume_within, self.most_absent);
        // A client that joins anew has given up what it had before.
        members.retain(|_, member| member.is_connected() || member.session.token != line.session.token);
        let folded = folded(name);
        // Under the lock: whoever bars somebody does so first and then looks for them here.
        barred(name, address).map_or(Ok(()), |why| Err(Denied::Barred(why)))?;
        make_free(&mut members, &folded, line.session.id)?;
        let session = Arc::clone(&line.session);
        let state = State::Here(Arc::clone(line));
        members.insert(
            session.id,
            Member { session, name: name.to_owned(), folded, former: None, address, state },
        );
        Ok(())
    }

    /// Gives a member another name; the former one stays taken until it is released.
    ///
    /// # Errors
    /// When somebody else has the name, or it is barred.
    pub fn rename(&self, id: u64, name: &str, barred: Barred<'_>) -> Result<(), Denied> {
        let mut members = self.lock();
        let folded = folded(name);
        let address = members.get(&id).map(|member| member.address);
        address.and_then(|address| barred(name, address)).map_or(Ok(()), |why| Err(Denied::Barred(why)))?;
        make_free(&mut members, &folded, id)?;
        if let Some(member) = members.get_mut(&id) {
            name.clone_into(&mut member.name);
            member.former = Some(std::mem::replace(&mut member.folded, folded));
        }
        Ok(())
    }

    /// Lets others have the name that the member had before it was renamed.
    pub fn release_former_name(&self, id: u64) {
        if let Some(member) = self.lock().get_mut(&id) {
            member.former = None;
        }
    }

    /// Puts the session with `token` on new connections, which `line_for` makes. A line that it still has is ended: its client
    /// has given it up.
    pub fn resume(
        &self,
        token: &Token,
        address: IpAddr,
        barred: Barred<'_>,
        line_for: impl FnOnce(Arc<Session>) -> Arc<Line>,
    ) -> Resumed {
        let (line, name, old) = {
            let mut members = self.lock();
            forget_absent(&mut members, self.resume_within, self.most_absent);
            let Some(member) = with_token(&mut members, token) else { return Resumed::Unknown };
            if let State::Over(_, why) = &member.state {
                return Resumed::Over(why.clone());
            }
            if let Some(why) = barred(&member.name, address) {
                return Resumed::Over(why);
            }
            member.address = address;
            let line = line_for(Arc::clone(&member.session));
            let old = std::mem::replace(&mut member.state, State::Here(Arc::clone(&line)));
            (line, member.name.clone(), old)
        };
        if let State::Here(old) | State::Going(old) = old {
            old.end(Ending::Replaced);
        }
        Resumed::Back { line, name }
    }

    /// The line of the session with `token`, for a client that opens the callback connection itself.
    pub fn line_with(&self, token: &Token) -> Option<Arc<Line>> {
        match &with_token(&mut self.lock(), token)?.state {
            State::Here(line) => Some(Arc::clone(line)),
            _ => None,
        }
    }

    /// A member is about to be announced as gone. Does nothing when the session has moved on to another line.
    pub fn begin_leaving(&self, line: &Arc<Line>) {
        if let Some(member) = self.lock().get_mut(&line.session.id).filter(|member| member.is_on(line)) {
            member.state = State::Going(Arc::clone(line));
        }
    }

    /// Takes a member off the list for good. Does nothing when the session has moved on to another line.
    pub fn remove(&self, line: &Arc<Line>) {
        let mut members = self.lock();
        if members.get(&line.session.id).is_some_and(|member| member.is_on(line)) {
            members.remove(&line.session.id);
        }
    }

    /// Marks a member as lost, or as removed for a reason. Does nothing when the session has moved on to another line.
    pub fn lose(&self, line: &Arc<Line>, removed: Option<String>) {
        if let Some(member) = self.lock().get_mut(&line.session.id).filter(|member| member.is_on(line)) {
            let now = Instant::now();
            member.state = removed.map_or(State::Lost(now), |why| State::Over(now, why));
        }
    }

    /// The session of the member who is here under `name`.
    pub fn find(&self, name: &str) -> Option<Arc<Session>> {
        let wanted = folded(name);
        let members = self.lock();
        let found = members.values().find(|member| member.is_here() && member.folded == wanted)?;
        Some(Arc::clone(&found.session))
    }

    /// The names of all who are here, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .lock()
            .values()
            .filter(|member| member.is_here())
            .map(|member| member.name.clone())
            .collect();
        names.sort_unstable();
        names
    }

    /// Throws out everybody whom `chosen` picks by name and address, also those whose connection is lost; they are told `why`.
    /// Answers their names.
    pub fn expel(&self, why: &str, chosen: impl Fn(&str, IpAddr) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        let mut names = Vec::new();
        for member in self.lock().values_mut().filter(|member| chosen(&member.name, member.address)) {
            match &member.state {
                State::Here(line) => lines.push(Arc::clone(line)),
                State::Lost(_) => member.state = State::Over(Instant::now(), removal(why)),
                State::Going(_) | State::Over(..) => continue,
            }
            names.push(member.name.clone());
        }
        for line in lines {
            line.end(Ending::Removed(why.to_owned()));
        }
        names
    }

    /// Keeps everybody else out as long as the guard lives: what [`Bug::LockOverWrite`](crate::settings::seeded::Bug::LockOverWrite) does wrong.
    #[cfg(feature = "seeded-bugs")]
    pub fn hold(&self) -> impl Drop + '_ {
        self.lock()
    }

    /// What [`Bug::PanicUnderLock`](crate::settings::seeded::Bug::PanicUnderLock) does.
    #[cfg(feature = "seeded-bugs")]
    pub fn panic_under_lock(&self) {
        let _members = self.lock();
        panic!("seeded");
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Member>> {
        // Invariant: each change below is one insert, one remove or one assignment, so the list is whole after any panic.
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    fn is_here(&self) -> bool {
        matches!(self.state, State::Here(_))
    }

    /// Whether a connection's thread still looks after it.
    fn is_connected(&self) -> bool {
        matches!(self.state, State::Here(_) | State::Going(_))
    }

    fn holds(&self, folded: &str) -> bool {
        let goes_by_it = self.folded == folded || self.former.as_deref() == Some(folded);
        goes_by_it && !matches!(self.state, State::Over(..))
    }

    fn is_on(&self, line: &Arc<Line>) -> bool {
        matches!(&self.state, State::Here(own) | State::Going(own) if Arc::ptr_eq(own, line))
    }
}

/// What a member is told who was removed from the room for the reason `why`.
pub fn removal(why: &str) -> String {
    match why {
        "" => "the operator removed you from the room".to_owned(),
        why => format!("the operator removed you from the room: {why}"),
    }
}

/// Makes sure that nobody but the session `id` goes by the name that is `wanted`, which is folded; a lost session that does is over.
fn make_free(members: &mut HashMap<u64, Member>, wanted: &str, id: u64) -> Result<(), Denied> {
    let holder = members.values_mut().find(|member| member.session.id != id && member.holds(wanted));
    match holder {
        Some(holder) if !matches!(holder.state, State::Lost(_)) => Err(Denied::Taken),
        Some(holder) => {
            let why =
                format!("the name {} was taken by somebody else while the connection was lost", holder.name);
            holder.state = State::Over(Instant::now(), why);
            Ok(())
        }
        None => Ok(()),
    }
}

fn with_token<'a>(members: &'a mut HashMap<u64, Member>, token: &Token) -> Option<&'a mut Member> {
    members.values_mut().find(|member| member.session.token == *token)
}

/// Drops the sessions that can no longer be resumed: too old, or the oldest of too many.
fn forget_absent(members: &mut HashMap<u64, Member>, resume_within: Duration, most: usize) {
    let now = Instant::now();
    let since = |member: &Member| match member.state {
        State::Here(_) | State::Going(_) => None,
        State::Lost(since) | State::Over(since, _) => Some(since),
    };
    members.retain(|_, member| since(member).is_none_or(|since| now.duration_since(since) <= resume_within));
    let mut absent: Vec<(Instant, u64)> =
        members.values().filter_map(|member| Some((since(member)?, member.session.id))).collect();
    if absent.len() > most {
        absent.sort_unstable();
        for (_, id) in &absent[..absent.len() - most] {
            members.remove(id);
        }
    }
}
