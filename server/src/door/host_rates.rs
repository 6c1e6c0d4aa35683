//! What each host may do in a time: one table for all rates. Any thread may use it; it never blocks.
//!
//! | bucket | for each | what takes a token | without one |
//! |---|---|---|---|
//! | own | connection | a request, and each part of a long one | the connection waits |
//! | `requests` | host | the same, and each piece of the journal that is read | the connection waits |
//! | `connects` | host | a new connection | it is refused |
//! | `guesses` | host | a wrong passphrase | no passphrase is judged, and a new handshake is refused |
//! | `lines` | host | a line in the log about the host | it is left out |
//!
//! A connection that has to wait is not refused. Its thread waits before its next read, and TCP slows the
//! client down. All connections of a host draw from `requests` in the order in which they come. So one that
//! asks for little waits at most until each of the others has had its turn once.
//!
//! An own bucket outlives its connection until it is full again. A new connection gets the emptiest of its
//! host that no connection holds. A new bucket is made only if there is none, so a host never has more of
//! them than connections at one time. A client that leaves and joins gains nothing by that.

use super::rate::{Bucket, Rate};
use crate::{identity::Host, settings::Limits};
use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{
        atomic::{AtomicU64, Ordering::Relaxed},
        Arc, Mutex, PoisonError,
    },
    time::{Duration, Instant},
};

/// The lines about a host at once. Thirty people behind one address who join and are cut off together make
/// 60.
const LINE_BURST: usize = 60;
/// The lines a second after that. They are some 7 MB a day.
const LINES_PER_SECOND: usize = 1;

/// The bytes of files that are read for one token. A piece has a batch more than 64 KiB at most, and reading
/// it takes the time of a few requests.
const READ_BYTES_PER_TOKEN: usize = 72 << 10;

/// The wrong passphrases of a host at once: some of a class of thirty mistype it.
const GUESS_BURST: usize = 10;
/// The wrong passphrases a minute after that.
const GUESSES_PER_MINUTE: usize = 5;

/// The most hosts in the table, some 1.5 MiB.
const MAX_HOSTS: usize = 4096;
/// The shortest time between two searches of a full table for hosts that can be forgotten. One search takes
/// some 200 us.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// The rates of all hosts.
#[derive(Debug)]
pub(super) struct HostRates {
    own: Rate,
    requests: Rate,
    connects: Rate,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// The entry `None` is for all hosts that find no place.
    ///
    /// Invariant: a clone of an entry is made only under the lock. So nobody uses an entry with one owner.
    hosts: HashMap<Option<Host>, Arc<HostBuckets>>,
    swept: Option<Instant>,
}

/// The buckets of one host, or of all hosts that found no place in the table. Those share the rates that
/// protect the machine, `connects` and `lines`. They do not share the others: an attacker with so many hosts
/// could keep honest ones out with that.
#[derive(Debug)]
pub(super) struct HostBuckets {
    host: Option<Host>,
    own_rate: Rate,
    /// Invariant: only connections hold clones of a bucket, and a clone is made only under the lock. So a
    /// bucket with one owner is free.
    own: Mutex<Vec<Arc<Bucket>>>,
    requests: Bucket,
    pub(super) connects: Bucket,
    guesses: Bucket,
    lines: Bucket,
    /// How many lines were left out since the last one.
    lines_left_out: AtomicU64,
}

/// The bucket that pays for what is read of the journal's files.
#[derive(Clone, Debug)]
pub(crate) struct ReadAllowance(pub(super) Arc<HostBuckets>);

/// What one connection may ask for: from its own bucket, and from that of its host.
#[derive(Debug)]
pub(crate) struct Allowance {
    own: Arc<Bucket>,
    host: Arc<HostBuckets>,
}

impl HostRates {
    pub(super) fn new(limits: &Limits) -> HostRates {
        // `--rate-burst 0` turns all of them off.
        let unless_off =
            |burst, rate| if limits.rate_burst == 0 { Rate::OFF } else { Rate::new(burst, rate) };
        HostRates {
            own: unless_off(limits.rate_burst, limits.rate),
            requests: unless_off(limits.address_burst, limits.address_rate),
            connects: unless_off(limits.connect_burst, limits.connect_rate),
            table: Mutex::default(),
        }
    }

    /// Returns the buckets of the host at `address`.
    pub(super) fn of(&self, address: IpAddr, now: Instant) -> Arc<HostBuckets> {
        let host = Host::of(address);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let key = table.has_place_for(host, now).then_some(host);
        Arc::clone(table.hosts.entry(key).or_insert_with(|| Arc::new(self.full_buckets(key, now))))
    }

    fn full_buckets(&self, host: Option<Host>, now: Instant) -> HostBuckets {
        let unless_shared = |rate| if host.is_some() { rate } else { Rate::OFF };
        HostBuckets {
            host,
            own_rate: self.own,
            own: Mutex::default(),
            requests: Bucket::new(unless_shared(self.requests), now),
            connects: Bucket::new(self.connects, now),
            guesses: Bucket::new(unless_shared(Rate::per_minute(GUESS_BURST, GUESSES_PER_MINUTE)), now),
            lines: Bucket::new(Rate::new(LINE_BURST, LINES_PER_SECOND), now),
            lines_left_out: AtomicU64::new(0),
        }
    }
}

impl Table {
    /// Returns whether `host` has an entry or can get one. Makes space when the table is full: a host whose
    /// buckets are full is as good as a new one, and what was left out about it long ago is forgotten.
    fn has_place_for(&mut self, host: Host, now: Instant) -> bool {
        if self.hosts.len() < MAX_HOSTS || self.hosts.contains_key(&Some(host)) {
            return true;
        }
        if self.swept.is_none_or(|swept| now.duration_since(swept) >= SWEEP_INTERVAL) {
            self.swept = Some(now);
            self.hosts.retain(|_, buckets| Arc::strong_count(buckets) > 1 || !buckets.are_full(now));
        }
        self.hosts.len() < MAX_HOSTS
    }
}

impl HostBuckets {
    /// Returns what a new connection of this host may ask for. It looks at each own bucket of the host, which
    /// takes some 30 us for 1,000 of them.
    pub(super) fn allowance(self: &Arc<HostBuckets>, now: Instant) -> Allowance {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.retain(|bucket| is_held(bucket) || !bucket.is_full(now));
        let free = own.iter().filter(|bucket| !is_held(bucket));
        let emptiest = free.min_by(|one, other| one.tokens(now).total_cmp(&other.tokens(now)));
        let bucket = emptiest.map(Arc::clone).unwrap_or_else(|| {
            let bucket = Arc::new(Bucket::new(self.own_rate, now));
            own.push(Arc::clone(&bucket));
            bucket
        });
        Allowance { own: bucket, host: Arc::clone(self) }
    }

    /// Returns whether the host has a guess left.
    #[cfg(any(feature = "closed", test))]
    pub(super) fn has_guess(&self, now: Instant) -> bool {
        self.guesses.has_token(now)
    }

    /// Takes a guess for a passphrase if that is wrong. Returns false if the host had none left. A wrong one
    /// takes it in one step, so no number of connections that show one at the same time gets more guesses.
    pub(super) fn charge_guess(&self, is_right: bool, now: Instant) -> bool {
        match is_right {
            true => self.guesses.has_token(now),
            false => self.guesses.try_take(now),
        }
    }

    /// Returns a line about the host as it is to be logged, or `None` when there were too many. The next line
    /// says how many were left out; for hosts that share their buckets nothing is counted.
    pub(super) fn line_at(&self, line: impl fmt::Display, now: Instant) -> Option<String> {
        if !self.lines.try_take(now) {
            self.lines_left_out.fetch_add(1, Relaxed);
            return None;
        }
        match (self.host, self.lines_left_out.swap(0, Relaxed)) {
            (Some(host), left_out) if left_out > 0 => {
                Some(format!("{line} ({left_out} earlier lines about {host} were left out)"))
            }
            _ => Some(line.to_string()),
        }
    }

    /// Returns whether nothing is known of the host that new buckets would not know.
    fn are_full(&self, now: Instant) -> bool {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let of_host = [&self.requests, &self.connects, &self.lines, &self.guesses];
        of_host.into_iter().all(|bucket| bucket.is_full(now)) && own.iter().all(|bucket| bucket.is_full(now))
    }
}

/// Returns whether a connection holds the bucket. The list itself is its first owner.
fn is_held(bucket: &Arc<Bucket>) -> bool {
    Arc::strong_count(bucket) > 1
}

impl Allowance {
    /// Takes `cost` tokens from the connection's bucket and `host_cost` from that of its host. Returns how
    /// long the connection has to wait before it asks for more. What costs its host nothing waits for the own
    /// bucket alone.
    ///
    /// A caller that waits may stop waiting when the connection has ended, and the next one pays for it.
    pub(crate) fn take(&self, now: Instant, cost: u32, host_cost: u32) -> Duration {
        let wait = self.own.take(now, cost);
        match host_cost {
            0 => wait,
            _ => wait.max(self.host.requests.take(now, host_cost)),
        }
    }

    /// Puts a token back that was taken for a request that is not carried out.
    pub(crate) fn give_back(&self, now: Instant) {
        self.own.give_back(now);
        self.host.requests.give_back(now);
    }

    /// Returns what pays for the reading on behalf of this connection.
    pub(crate) fn reads(&self) -> ReadAllowance {
        ReadAllowance(Arc::clone(&self.host))
    }
}

impl ReadAllowance {
    /// Takes the tokens for so many bytes of files that were read. Returns how long to wait before more is
    /// read for this host.
    pub(crate) fn take(&self, now: Instant, bytes: usize) -> Duration {
        self.0.requests.take(now, bytes.div_ceil(READ_BYTES_PER_TOKEN) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn host(number: u32) -> IpAddr {
        number.to_be_bytes().into()
    }

    /// Rates at which only this one limits anything.
    fn of_a_connection(rate_burst: usize, rate: usize) -> HostRates {
        HostRates::new(&Limits { rate_burst, rate, address_burst: 0, ..Limits::default() })
    }

    fn of_a_host(address_burst: usize, address_rate: usize) -> HostRates {
        HostRates::new(&Limits { rate_burst: 1_000_000, address_burst, address_rate, ..Limits::default() })
    }

    fn of_connects(connect_burst: usize, connect_rate: usize) -> HostRates {
        HostRates::new(&Limits { connect_burst, connect_rate, ..Limits::default() })
    }

    #[test]
    fn a_flood_of_lines_about_a_host_is_cut_short_and_the_next_line_says_how_much_is_left_out() {
        let hosts = HostRates::new(&Limits::default());
        let [loud, quiet] = [1, 2].map(|last| IpAddr::from([10, 0, 0, last]));
        let start = Instant::now();
        let logged = (0..1000).filter_map(|number| hosts.of(loud, start).line_at(number, start)).count();
        assert_eq!(logged, LINE_BURST);
        assert_eq!(hosts.of(quiet, start).line_at("Sara joined", start).as_deref(), Some("Sara joined"));
        let later = start + Duration::from_secs(1);
        assert_eq!(
            hosts.of(loud, later).line_at("Tom joined", later).unwrap(),
            "Tom joined (940 earlier lines about 10.0.0.1 were left out)"
        );
        assert_eq!(hosts.of(loud, later).line_at("Tom left", later), None);
    }

    #[test]
    fn thirty_people_behind_one_address_who_join_and_leave_at_once_lose_no_line() {
        let hosts = HostRates::new(&Limits::default());
        let (school, now) = (IpAddr::from([192, 0, 2, 7]), Instant::now());
        for what in ["joined", "left (connection lost)"] {
            for number in 0..30 {
                let line = format!("pupil{number} {what}");
                assert_eq!(hosts.of(school, now).line_at(&line, now), Some(line));
            }
        }
    }

    #[test]
    fn all_connections_of_a_host_share_its_requests_and_another_host_has_its_own() {
        let (rates, now) = (HostRates::new(&Limits::default()), Instant::now());
        // A burst of 200 each is more than the memory of the room.
        let crowd: Vec<Allowance> = (0..64).map(|_| rates.of(host(1), now).allowance(now)).collect();
        let take = |allowance: &Allowance| (0..200).map(|_| allowance.take(now, 1, 1)).max();
        let longest = crowd.iter().filter_map(take).max();
        assert_eq!(longest, Some(Duration::from_secs((64 * 200 - 1000) / 200)));
        assert_eq!(rates.of(host(2), now).allowance(now).take(now, 1, 1), Duration::ZERO);
        let pings = crowd[0].take(now + Duration::from_secs(1), 1, 0);
        assert_eq!(pings, Duration::ZERO, "what is no work waits for the connection's own bucket alone");
    }

    #[test]
    fn thirty_pupils_behind_one_address_wait_for_each_other_connection_once_at_most() {
        const PUPILS: usize = 30;
        /// Connections of one flooder, and the cost of each of its requests.
        const FLOODS: usize = 34;
        const COST: u32 = 9;
        let (rates, start) = (HostRates::new(&Limits::default()), Instant::now());
        let join = || rates.of(host(1), start).allowance(start);
        let pupils: Vec<Allowance> = (0..PUPILS).map(|_| join()).collect();
        let mut floods: Vec<(Allowance, Instant)> = (0..FLOODS).map(|_| (join(), start)).collect();
        let longest = Duration::from_secs_f64((FLOODS as f64 * f64::from(COST) + PUPILS as f64) / 200.0);
        for tick in 0..10_000 {
            let now = start + tick * Duration::from_millis(5);
            for (flood, until) in floods.iter_mut().filter(|(_, until)| *until <= now) {
                *until = now + flood.take(now, COST, COST);
            }
            // Each pupil says something every three seconds.
            if tick % 600 < PUPILS as u32 {
                let wait = pupils[tick as usize % PUPILS].take(now, 1, 1);
                assert!(wait <= longest, "{wait:?}, and {longest:?} is the longest");
            }
        }
        // They talk by themselves, and then paste 30 lines each.
        let now = start + Duration::from_secs(600);
        assert!(pupils.iter().all(|pupil| (0..30).all(|_| pupil.take(now, 1, 1).is_zero())));
    }

    #[test]
    fn a_client_that_comes_back_gets_its_bucket_as_it_left_it() {
        let (rates, now) = (of_a_connection(10, 1), Instant::now());
        let join = |number| rates.of(host(number), now).allowance(now);
        for uses in [10, 0] {
            let allowance = join(1);
            for _ in 0..uses {
                assert_eq!(allowance.take(now, 1, 1), Duration::ZERO);
            }
            assert!(!allowance.take(now, 1, 1).is_zero(), "the burst is used up");
        }
        // A second client of the same host, at the same time, has its own bucket. So has another host.
        let _first = join(1);
        assert_eq!(join(1).take(now, 1, 1), Duration::ZERO);
        assert_eq!(join(2).take(now, 1, 1), Duration::ZERO);
    }

    #[test]
    fn a_new_connection_gets_the_emptiest_bucket_that_is_free() {
        let (rates, now) = (of_a_connection(10, 1), Instant::now());
        let join_three = || [(); 3].map(|()| rates.of(host(1), now).allowance(now));
        let tokens = |allowance: &Allowance| allowance.own.tokens(now);
        for uses in [2, 7, 4] {
            let held = join_three();
            let fullest = held.iter().max_by(|one, other| tokens(one).total_cmp(&tokens(other)));
            fullest.unwrap().take(now, uses, uses);
        }
        assert_eq!(join_three().each_ref().map(tokens), [3.0, 6.0, 8.0]);
    }

    #[test]
    fn each_host_has_its_own_burst_and_rate_of_connections() {
        let (rates, start) = (of_connects(2, 1), Instant::now());
        let taken =
            |number| (0..5).filter(|_| rates.of(host(number), start).connects.try_take(start)).count();
        assert_eq!((taken(1), taken(2)), (2, 2));
        let later = start + Duration::from_secs(1);
        assert_eq!([(); 2].map(|()| rates.of(host(1), later).connects.try_take(later)), [true, false]);
    }

    #[test]
    fn only_a_wrong_passphrase_spends_a_guess_and_without_one_none_is_judged() {
        let (rates, start) = (HostRates::new(&Limits::default()), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        let charge = |number, is_right, now| rates.of(host(number), now).charge_guess(is_right, now);
        assert!((0..1000).all(|_| charge(1, true, start)), "a crowd that knows it");
        // As many handshakes as there are places begin at the same moment, and all of them are wrong.
        let begun = (0..64).filter(|_| rates.of(host(1), start).has_guess(start)).count();
        assert_eq!(begun, 64);
        assert_eq!((0..64).filter(|_| charge(1, false, start)).count(), GUESS_BURST);
        assert!(!charge(1, true, start), "nor does anybody learn that one is right");
        assert!(!charge(1, true, after(11)) && charge(1, true, after(13)) && charge(2, false, start));
        // In a quarter of a year it has not tried more than it may.
        let guesses = |hour: u64| (0..64).filter(|_| charge(3, false, after(3600 * hour))).count();
        assert_eq!((1..24 * 90).map(guesses).max(), Some(GUESS_BURST));
    }

    #[test]
    fn a_host_that_finds_no_place_may_guess_because_it_would_share_that_with_an_attacker() {
        let (rates, now) = (HostRates::new(&Limits::default()), Instant::now());
        for number in 0..2 * MAX_HOSTS as u32 {
            let buckets = rates.of(host(number), now);
            assert!(buckets.charge_guess(false, now), "{number}");
        }
        assert!(rates.of(host(u32::MAX), now).has_guess(now));
    }

    #[test]
    fn all_addresses_of_an_ipv6_network_share_their_rates() {
        let (rates, now) = (of_a_host(2, 1), Instant::now());
        let waits = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"].map(|address| {
            let host = address.parse().unwrap();
            rates.of(host, now).allowance(now).take(now, 1, 1).as_secs()
        });
        assert_eq!(waits, [0, 0, 1, 0]);
    }

    #[test]
    fn memory_is_bounded_and_the_hosts_without_a_place_share_what_protects_the_machine() {
        let (rates, start) = (of_connects(2, 1), Instant::now());
        let many = 2 * MAX_HOSTS as u32;
        let connects = |number| rates.of(host(number), start).connects.try_take(start);
        let taken = (0..many).filter(|number| connects(*number)).count();
        assert!((MAX_HOSTS..MAX_HOSTS + 3).contains(&taken), "{taken}");
        assert!(rates.table.lock().unwrap().hosts.len() <= MAX_HOSTS + 1);
        let crowded_out = rates.of(host(many), start).allowance(start);
        assert!(crowded_out.take(start, 200, 200).is_zero() && crowded_out.host.requests.is_full(start));
        // When the others are full again, a host gets buckets of its own.
        let later = start + Duration::from_secs(2);
        for number in [many + 1, many + 2] {
            assert!((0..2).all(|_| rates.of(host(number), later).connects.try_take(later)));
        }
        assert!(rates.table.lock().unwrap().hosts.len() < 9, "the full ones are forgotten");
    }

    #[test]
    fn a_host_that_is_here_or_owes_something_is_not_forgotten() {
        let (rates, start) = (of_a_host(1000, 1), Instant::now());
        let here = rates.of(host(0), start).allowance(start);
        rates.of(host(1), start).allowance(start).take(start, 1000, 1000);
        for number in 2..2 * MAX_HOSTS as u32 {
            rates.of(host(number), start + Duration::from_secs(1));
        }
        here.take(start, 1000, 1000);
        let later = start + Duration::from_secs(2);
        for number in [0, 1] {
            assert!(!rates.of(host(number), later).allowance(later).take(later, 9, 9).is_zero(), "{number}");
        }
        assert!(rates.of(host(2), later).allowance(later).take(later, 9, 9).is_zero());
    }

    /// What an attacker does with one of its connections.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// Opens it, for a new session or to resume an old one. The server cannot tell them apart here.
        Join(usize),
        /// Sends a request of this cost, if the connection does not wait for an earlier one.
        Send(usize, u32),
        /// Closes it, with a Leave or without. No thread waits for a connection that has ended.
        Close(usize),
        /// Lets this many milliseconds pass.
        Wait(u64),
    }

    /// A connection: what it may ask for, how long it waits, and whether it has joined.
    struct Connection {
        allowance: Allowance,
        until: Instant,
        has_joined: bool,
    }

    /// The most connections that the attacker may have.
    const PLACES: usize = 4;
    const MOST: u32 = 30;

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            2 => (0..PLACES).prop_map(Step::Join),
            6 => (0..PLACES, 1..MOST).prop_map(|(place, cost)| Step::Send(place, cost)),
            2 => (0..PLACES).prop_map(Step::Close),
            1 => (0..300u64).prop_map(Step::Wait),
        ];
        prop::collection::vec(step, 1..400)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

        #[test]
        fn leaving_and_joining_gives_no_host_more_than_staying(
            steps in steps(), burst in 1..50usize, rate in 1..100usize, all in 1..100usize,
        ) {
            let rates = HostRates::new(&Limits {
                rate_burst: burst, rate, address_burst: all, address_rate: rate, ..Limits::default()
            });
            let start = Instant::now();
            let mut now = start;
            let mut places: [Option<Connection>; PLACES] = Default::default();
            // What was carried out, of each request at most the burst that it costs.
            let (mut done, mut done_by_host) = (0, 0);
            for step in steps {
                match step {
                    Step::Wait(time) => now += Duration::from_millis(time),
                    Step::Join(place) => {
                        places[place].get_or_insert_with(|| {
                            let allowance = rates.of(host(1), now).allowance(now);
                            let until = now + allowance.take(now, 1, 1);
                            Connection { allowance, until, has_joined: false }
                        });
                    }
                    Step::Send(place, cost) => if let Some(connection) = &mut places[place] {
                        if connection.until <= now {
                            connection.has_joined = true;
                            connection.until = now + connection.allowance.take(now, cost, cost);
                            done += cost.min(burst as u32);
                            done_by_host += cost.min(all as u32);
                        }
                    },
                    Step::Close(place) => if let Some(connection) = places[place].take() {
                        if !connection.has_joined && connection.until > now {
                            connection.allowance.give_back(now);
                        }
                    },
                }
                let seconds = (now - start).as_secs_f64();
                // Each connection owes its last request and its Join at most. A millionth more, because
                // tokens are counted in fractions.
                let owed = PLACES as f64 * f64::from(MOST + 1) + 1e-6;
                let most = PLACES as f64 * (burst as f64 + rate as f64 * seconds) + owed;
                prop_assert!(f64::from(done) <= most, "{done} tokens, and {most} are the most");
                let most = all as f64 + rate as f64 * seconds + owed;
                prop_assert!(f64::from(done_by_host) <= most, "{done_by_host} tokens of {most}");
            }
        }
    }
}
