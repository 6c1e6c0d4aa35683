//! How many passphrases were wrong, for the operator. The threads of the connections count; nothing blocks.
//!
//! What a host may try is in `host_rates`: only a wrong passphrase counts, so any number of people who know
//! it join at the same moment, also from one address. Loopback is not exempt, because all peers of a tunnel
//! or a proxy on the server's machine have its address. There is no limit for all hosts together: a host
//! that reached it would keep everybody out. The sum that says why none is needed is in `words`.

use chat_common::trace;
use log::warn;
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

const MINUTE: Duration = Duration::from_secs(60);
/// The wrong passphrases of a minute after which the operator is told.
const MANY: usize = 60;
/// The wrong passphrases of a minute below which the operator is told again when there are many.
const FEW: usize = MANY / 2;

/// The wrong passphrases of all hosts.
#[derive(Debug, Default)]
pub(crate) struct Guesses(Mutex<Count>);

#[derive(Debug, Default)]
struct Count {
    /// When the last ones came, oldest first. At most one more than [`MANY`].
    recent: VecDeque<Instant>,
    /// How many there were.
    wrong: u64,
    /// Whether the operator knows that there are many.
    told: bool,
}

impl Guesses {
    /// Counts a wrong passphrase. Tells the operator when there are many.
    pub(super) fn count_wrong(&self) {
        let is_news = self.lock().count_wrong(Instant::now());
        if is_news {
            warn!("more than {MANY} wrong passphrases within a minute: somebody guesses; /stats counts them");
        }
    }

    /// Returns how many passphrases were wrong since the start.
    pub(crate) fn wrong(&self) -> u64 {
        self.lock().wrong
    }

    /// Returns the statistics in words.
    pub(crate) fn summary(&self) -> String {
        let mut count = self.lock();
        let recent = match count.recently_wrong(Instant::now()) {
            recent if recent > MANY => format!("more than {MANY}"),
            recent => recent.to_string(),
        };
        format!("wrong guesses {} ({recent} in a minute)", count.wrong)
    }

    fn lock(&self) -> MutexGuard<'_, Count> {
        trace::lock(&self.0)
    }
}

impl Count {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_is_told_once_of_many_failures_and_again_after_a_quiet_time() {
        let (mut count, start) = (Count::default(), Instant::now());
        let news = |count: &mut Count, at| (0..200).filter(|_| count.count_wrong(at)).count();
        assert_eq!(news(&mut count, start), 1);
        assert_eq!(news(&mut count, start + MINUTE / 2), 0);
        assert_eq!(news(&mut count, start + 2 * MINUTE), 1);
        assert_eq!((count.wrong, count.recent.len()), (600, MANY + 1));
    }
}
