//! How often the passphrase of a closed room may be guessed. The threads of the connections ask; they may
//! block here, and nowhere under the lock.
//!
//! Each handshake of a call connection borrows one of the guesses of its host. A wrong passphrase spends it,
//! and the host has it again a minute later. Any other handshake gives it back: one that succeeds, and one
//! that ends before the client's last message, because nothing before that message depends on the passphrase.
//! So a crowd on a slow network does not use its guesses up. A handshake whose host has none left waits for
//! its turn. So any number of people who know the passphrase may join at the same moment, also from one
//! address, and somebody who guesses gets 5 guesses a minute from each address. Loopback is not exempt,
//! because all peers of a tunnel or a proxy on the server's machine have its address.
//!
//! After more than [`MANY`] wrong passphrases within a minute, whoever guesses has many addresses. Each
//! handshake then waits for a second. There is no limit for all hosts together: whoever reached it would keep
//! everybody out.
//!
//! A connection that waits has not joined, so a new connection can take its place (see `admission`). At most
//! `max_unjoined` handshakes are under way at a time, and when there are many failures each takes a second:
//! all addresses together try `max_unjoined` passphrases a second at most.

use super::host::Host;
use log::warn;
use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The guesses of a host in a minute. A person who mistypes a passphrase five times looks it up.
const PER_HOST: usize = 5;
/// For how long a guess is gone that was spent.
const MINUTE: Duration = Duration::from_secs(60);
/// The wrong passphrases of a minute after which each handshake waits for [`PAUSE`].
const MANY: usize = 60;
/// The wrong passphrases of a minute below which the operator is told again when there are many.
const FEW: usize = MANY / 2;
const PAUSE: Duration = Duration::from_secs(1);
/// The longest wait for a turn. A client waits for 20 s.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// The most hosts in the table, some 500 KiB. Each of them has a handshake under way or has guessed wrong
/// within the last minute. A host that finds no place has no limit of its own, because a limit that such
/// hosts share would keep honest ones out. So many hosts are far more than [`MANY`] failures, and each
/// handshake waits.
const MAX_HOSTS: usize = 4096;
/// The shortest time between two searches of a full table for hosts that can be forgotten.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// The guesses of all hosts.
#[derive(Debug, Default)]
pub(crate) struct Guesses {
    /// Protects everything. A thread that waits uses a [`Condvar`] of its own with this lock.
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// A host that has all its guesses is not in it.
    hosts: HashMap<Host, Entry>,
    /// Who waits, in the order in which they came. `None` in the place of the host is one that waits for
    /// [`PAUSE`] and not for a turn.
    waiting: VecDeque<(Option<Host>, Arc<Condvar>)>,
    /// When the last wrong passphrases came, oldest first. At most one more than [`MANY`].
    recent: VecDeque<Instant>,
    /// How many passphrases were wrong.
    wrong: u64,
    /// Whether the operator knows that there are many.
    told: bool,
    stopping: bool,
    swept: Option<Instant>,
}

#[derive(Debug, Default)]
struct Entry {
    /// The guesses that handshakes have borrowed.
    lent: usize,
    /// When guesses were spent, oldest first.
    spent: VecDeque<Instant>,
}

/// Why a handshake gets no guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoGuess {
    /// It has waited too long.
    TooLong,
    /// A new connection has taken the place of this one.
    PlaceTaken,
    /// The server is shutting down.
    Stopping,
}

/// A guess that a handshake has borrowed. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Guess<'g> {
    guesses: &'g Guesses,
    /// `None` if the host had no place in the table.
    host: Option<Host>,
    is_spent: bool,
}

impl Guesses {
    /// Borrows a guess for a handshake with a client at `address`. `is_open` says whether the connection
    /// still has its place.
    ///
    /// # Blocking
    /// While the host has no guess left, or others of it came before: for [`LONGEST_WAIT`] at most. For a
    /// second before that when many guess. [`Guesses::stop`] and [`Guesses::wake_all`] wake it.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn borrow(&self, address: IpAddr, is_open: impl Fn() -> bool) -> Result<Guess<'_>, NoGuess> {
        self.borrow_within(LONGEST_WAIT, address, is_open)
    }

    /// Borrows a guess, and waits for its turn for `longest` at most.
    fn borrow_within(
        &self,
        longest: Duration,
        address: IpAddr,
        is_open: impl Fn() -> bool,
    ) -> Result<Guess<'_>, NoGuess> {
        let (host, came) = (Host::of(address), Instant::now());
        let turn = Arc::new(Condvar::new());
        let mut table = self.lock();
        let mut turn_comes = came;
        if table.recently_wrong(came) > MANY {
            turn_comes += PAUSE;
        }
        let deadline = turn_comes + longest;
        let mut waits_for = if turn_comes > came { None } else { Some(host) };
        table.waiting.push_back((waits_for, Arc::clone(&turn)));
        let outcome = loop {
            let now = Instant::now();
            if table.stopping {
                break Err(NoGuess::Stopping);
            }
            if !is_open() {
                break Err(NoGuess::PlaceTaken);
            }
            if waits_for.is_none() && now >= turn_comes {
                waits_for = Some(host);
                table.leave(&turn);
                table.waiting.push_back((waits_for, Arc::clone(&turn)));
            }
            let mut until = if waits_for.is_none() { turn_comes } else { deadline };
            if waits_for.is_some() && table.is_first(host, &turn) {
                match table.lend(host, now) {
                    Ok(entry) => break Ok(entry),
                    Err(again) => until = until.min(again.unwrap_or(until)),
                }
            }
            if now >= deadline {
                break Err(NoGuess::TooLong);
            }
            let left = until.saturating_duration_since(now);
            table = turn.wait_timeout(table, left).unwrap_or_else(PoisonError::into_inner).0;
        };
        table.leave(&turn);
        table.wake_first(host);
        outcome.map(|host| Guess { guesses: self, host, is_spent: false })
    }

    /// Lets all who wait look again whether their connections are open.
    pub(super) fn wake_all(&self) {
        self.lock().waiting.iter().for_each(|(_, turn)| turn.notify_one());
    }

    /// Refuses all who wait, and all who come.
    pub(super) fn stop(&self) {
        self.lock().stopping = true;
        self.wake_all();
    }

    /// Returns how many passphrases were wrong since the start.
    pub(crate) fn wrong(&self) -> u64 {
        self.lock().wrong
    }

    /// Returns the statistics in words.
    pub(crate) fn summary(&self) -> String {
        let mut table = self.lock();
        let recent = match table.recently_wrong(Instant::now()) {
            recent if recent > MANY => format!("more than {MANY}"),
            recent => recent.to_string(),
        };
        format!("wrong guesses {} ({recent} in a minute), waiting {}", table.wrong, table.waiting.len())
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Lends a guess to a host that can have one, and returns its key in the table. Otherwise returns when
    /// the next one comes back, if it is known.
    fn lend(&mut self, host: Host, now: Instant) -> Result<Option<Host>, Option<Instant>> {
        if !self.has_place_for(host, now) {
            return Ok(None);
        }
        let entry = self.hosts.entry(host).or_default();
        entry.forget_old(now);
        if entry.lent + entry.spent.len() >= PER_HOST {
            return Err(entry.spent.front().map(|spent| *spent + MINUTE));
        }
        entry.lent += 1;
        Ok(Some(host))
    }

    /// Takes a guess back. `host` is its key in the table.
    fn take_back(&mut self, host: Host, spent: Option<Instant>) {
        let Some(entry) = self.hosts.get_mut(&host) else { return };
        entry.lent -= 1;
        entry.spent.extend(spent);
        if entry.lent == 0 && entry.spent.is_empty() {
            self.hosts.remove(&host);
        }
        self.wake_first(host);
    }

    /// Counts a wrong passphrase. Returns whether the operator has to be told that there are many.
    fn count_wrong(&mut self, now: Instant) -> bool {
        self.wrong += 1;
        self.recent.push_back(now);
        if self.recent.len() > MANY + 1 {
            self.recent.pop_front();
        }
        let recent = self.recently_wrong(now);
        let is_news = recent > MANY && !self.told;
        self.told = recent > MANY || (self.told && recent > FEW);
        is_news
    }

    /// Returns how many passphrases were wrong within a minute, or a number above [`MANY`].
    fn recently_wrong(&mut self, now: Instant) -> usize {
        while self.recent.front().is_some_and(|wrong| now.duration_since(*wrong) >= MINUTE) {
            self.recent.pop_front();
        }
        self.recent.len()
    }

    /// Returns whether `host` has an entry or can get one. Makes space when the table is full.
    fn has_place_for(&mut self, host: Host, now: Instant) -> bool {
        if self.hosts.len() < MAX_HOSTS || self.hosts.contains_key(&host) {
            return true;
        }
        if self.swept.is_none_or(|swept| now.duration_since(swept) >= SWEEP_INTERVAL) {
            self.swept = Some(now);
            self.hosts.retain(|_, entry| {
                entry.forget_old(now);
                entry.lent > 0 || !entry.spent.is_empty()
            });
        }
        self.hosts.len() < MAX_HOSTS
    }

    fn is_first(&self, host: Host, turn: &Arc<Condvar>) -> bool {
        self.first(host).is_some_and(|first| Arc::ptr_eq(first, turn))
    }

    /// Returns who of `host` waits longest for a turn.
    fn first(&self, host: Host) -> Option<&Arc<Condvar>> {
        self.waiting.iter().find(|(other, _)| *other == Some(host)).map(|(_, turn)| turn)
    }

    fn wake_first(&self, host: Host) {
        self.first(host).into_iter().for_each(|turn| turn.notify_one());
    }

    fn leave(&mut self, turn: &Arc<Condvar>) {
        self.waiting.retain(|(_, other)| !Arc::ptr_eq(other, turn));
    }
}

impl Entry {
    fn forget_old(&mut self, now: Instant) {
        while self.spent.front().is_some_and(|spent| now.duration_since(*spent) >= MINUTE) {
            self.spent.pop_front();
        }
    }
}

impl Guess<'_> {
    /// Records that the passphrase was wrong.
    pub(crate) fn spend(mut self) {
        self.is_spent = true;
    }
}

impl Drop for Guess<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut table = self.guesses.lock();
        if let Some(host) = self.host {
            table.take_back(host, self.is_spent.then_some(now));
        }
        let is_news = self.is_spent && table.count_wrong(now);
        drop(table);
        if is_news {
            warn!(
                "more than {MANY} wrong passphrases within a minute: somebody guesses. \
                 Each handshake waits for {} s now; /stats counts them",
                PAUSE.as_secs()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_common::shutdown::Shutdown;
    use crossbeam_channel::bounded;
    use std::{
        sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        thread,
    };

    fn host(number: u32) -> Host {
        Host::of(number.to_be_bytes().into())
    }

    /// Lends and spends guesses of a host until it has none left. Returns how many it had.
    fn spend_all(table: &mut Table, host: Host, now: Instant) -> usize {
        (0..100)
            .take_while(|_| table.lend(host, now).map(|_| table.take_back(host, Some(now))).is_ok())
            .count()
    }

    #[test]
    fn a_host_has_five_guesses_a_minute_and_each_comes_back_a_minute_after_it_was_spent() {
        let (mut table, start) = (Table::default(), Instant::now());
        let second = Duration::from_secs(1);
        for number in 0..3 {
            table.lend(host(1), start).unwrap();
            table.take_back(host(1), Some(start + number * second));
        }
        assert_eq!(spend_all(&mut table, host(1), start + 10 * second), 2);
        assert_eq!(table.lend(host(1), start + 59 * second), Err(Some(start + MINUTE)));
        assert_eq!(spend_all(&mut table, host(1), start + 61 * second), 2);
        assert_eq!(spend_all(&mut table, host(2), start), PER_HOST);
    }

    #[test]
    fn a_guess_that_succeeds_comes_back_at_once_and_leaves_nothing_behind() {
        let (mut table, now) = (Table::default(), Instant::now());
        for _ in 0..1000 {
            table.lend(host(1), now).unwrap();
            table.take_back(host(1), None);
        }
        assert!(table.hosts.is_empty());
        (0..PER_HOST).for_each(|_| assert!(table.lend(host(1), now).is_ok()));
        assert_eq!(table.lend(host(1), now), Err(None), "all are lent");
    }

    #[test]
    fn all_addresses_of_an_ipv6_network_share_their_guesses() {
        let (mut table, now) = (Table::default(), Instant::now());
        let [one, two] = ["2001:db8::1", "2001:db8::2"].map(|text| Host::of(text.parse().unwrap()));
        assert_eq!((spend_all(&mut table, one, now), spend_all(&mut table, two, now)), (PER_HOST, 0));
    }

    #[test]
    fn memory_is_bounded_and_a_host_without_a_place_is_not_kept_out() {
        let (mut table, now) = (Table::default(), Instant::now());
        for number in 0..2 * MAX_HOSTS as u32 {
            let key = table.lend(host(number), now).unwrap();
            key.into_iter().for_each(|host| table.take_back(host, Some(now)));
            table.count_wrong(now);
        }
        assert_eq!((table.hosts.len(), table.recent.len()), (MAX_HOSTS, MANY + 1));
        assert_eq!(table.lend(host(u32::MAX), now), Ok(None));
        assert_eq!(table.lend(host(u32::MAX), now + MINUTE), Ok(Some(host(u32::MAX))));
    }

    #[test]
    fn the_operator_is_told_once_of_many_failures_and_again_after_a_quiet_time() {
        let (mut table, start) = (Table::default(), Instant::now());
        let news = |table: &mut Table, at| (0..200).filter(|_| table.count_wrong(at)).count();
        assert_eq!(news(&mut table, start), 1);
        assert_eq!(news(&mut table, start + MINUTE / 2), 0);
        assert_eq!(news(&mut table, start + 2 * MINUTE), 1);
    }

    #[test]
    fn a_thousand_who_know_the_passphrase_pass_at_once_from_one_address() {
        let guesses = Guesses::default();
        let (under_way, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..1000 {
                scope.spawn(|| {
                    let guess = guesses.borrow([127, 0, 0, 1].into(), || true).unwrap();
                    most.fetch_max(under_way.fetch_add(1, SeqCst) + 1, SeqCst);
                    thread::yield_now();
                    under_way.fetch_sub(1, SeqCst);
                    drop(guess);
                });
            }
        });
        assert!((1..=PER_HOST).contains(&most.load(SeqCst)), "{most:?}");
        assert_eq!((guesses.wrong(), guesses.lock().hosts.len()), (0, 0));
    }

    /// Waits until so many wait for a turn, and then returns.
    fn until_waiting(guesses: &Guesses, count: usize) {
        let shutdown = Shutdown::new();
        while guesses.lock().waiting.len() < count {
            shutdown.sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn shutdown_wakes_who_waits_and_so_does_the_loss_of_a_place() {
        const HOUR: Duration = Duration::from_secs(3600);
        let (guesses, address) = (Arc::new(Guesses::default()), IpAddr::from([127, 0, 0, 1]));
        let _held: Vec<_> = (0..PER_HOST).map(|_| guesses.borrow(address, || true).unwrap()).collect();
        let (refused_tx, refused_rx) = bounded(2);
        let is_open = Arc::new(AtomicBool::new(true));
        // No scope, because it would wait an hour for a thread that is not woken.
        for own in [Arc::clone(&is_open), Arc::new(AtomicBool::new(true))] {
            let (guesses, refused_tx) = (Arc::clone(&guesses), refused_tx.clone());
            thread::spawn(move || {
                let refused = guesses.borrow_within(HOUR, address, || own.load(SeqCst)).unwrap_err();
                let _ = refused_tx.send(refused);
            });
        }
        until_waiting(&guesses, 2);
        let refused = || refused_rx.recv_timeout(MINUTE).expect("it is woken");
        is_open.store(false, SeqCst);
        guesses.wake_all();
        assert_eq!(refused(), NoGuess::PlaceTaken);
        guesses.stop();
        assert_eq!(refused(), NoGuess::Stopping);
        assert_eq!(guesses.borrow(address, || true).unwrap_err(), NoGuess::Stopping);
    }

    #[test]
    fn whoever_waits_too_long_is_refused_and_the_next_gets_the_turn() {
        let (guesses, address) = (Guesses::default(), IpAddr::from([127, 0, 0, 1]));
        let held: Vec<_> = (0..PER_HOST).map(|_| guesses.borrow(address, || true).unwrap()).collect();
        let refused = guesses.borrow_within(Duration::ZERO, address, || true).unwrap_err();
        assert_eq!(refused, NoGuess::TooLong);
        drop(held);
        guesses.borrow(address, || true).unwrap();
        assert!(guesses.lock().waiting.is_empty());
    }
}
