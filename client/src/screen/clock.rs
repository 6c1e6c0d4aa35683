//! The current time, and the local time of any moment.
//!
//! The thread `clock` looks every hour whether the zone is another one, so no event waits for the disk. The
//! same thread shows what is to be shown at a certain time, while nothing else happens.

use crate::screen::zone::Zone;
use chat_common::{
    program::background_writer::BackgroundWriter,
    text::calendar::{DateTime, DAY_SECONDS},
};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::{
    io,
    sync::{Arc, PoisonError, RwLock},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How often the zone is read. A new zone of the system is noticed at most this late.
const ZONE_INTERVAL: Duration = Duration::from_secs(3600);

/// Returns the current time in milliseconds since the epoch.
pub(crate) fn now() -> u64 {
    // A clock that shows a time before 1970 is wrong, so any value will do.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Converts to local time. Clones share the zone. The default is UTC.
#[derive(Clone, Default)]
pub(crate) struct LocalClock {
    zone: Arc<RwLock<Zone>>,
}

impl LocalClock {
    pub(crate) fn local(&self, milliseconds: u64) -> DateTime {
        let seconds = (milliseconds / 1000) as i64;
        DateTime::from_seconds(seconds + self.utc_offset(seconds))
    }

    /// Returns how long it takes from this time to the next midnight.
    pub(crate) fn until_midnight(&self, milliseconds: u64) -> Duration {
        let now = (milliseconds / 1000) as i64;
        let offset = self.utc_offset(now);
        let midnight = now + DAY_SECONDS - (now + offset).rem_euclid(DAY_SECONDS);
        // The clocks may change before that.
        let midnight = midnight + offset - self.utc_offset(midnight);
        let of_second = Duration::from_millis(milliseconds % 1000);
        Duration::from_secs(u64::try_from(midnight - now).unwrap_or(1)).saturating_sub(of_second)
    }

    fn utc_offset(&self, seconds: i64) -> i64 {
        // A zone is replaced as a whole, so it is valid after any panic.
        self.zone.read().unwrap_or_else(PoisonError::into_inner).utc_offset(seconds)
    }

    /// Starts the thread `clock`. It calls `on_time`, which returns how long to wait until the next call. A
    /// message through `wake_rx` ends the wait, and the end of its sender ends the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn follow(
        &self,
        wake_rx: Receiver<()>,
        mut on_time: impl FnMut() -> Duration + Send + 'static,
    ) -> io::Result<()> {
        let (clock, mut read) = (self.clone(), Instant::now());
        thread::Builder::new().name("clock".into()).spawn(move || loop {
            if read.elapsed() >= ZONE_INTERVAL {
                clock.read_zone().unwrap_or_else(|why| log::info!("the time zone stays as it was: {why}"));
                read = Instant::now();
            }
            let pause = on_time().min(ZONE_INTERVAL.saturating_sub(read.elapsed()));
            if wake_rx.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
                return;
            }
        })?;
        Ok(())
    }

    /// Reads the zone. Without one, times are in UTC, and `stderr` says so.
    ///
    /// # Blocking
    /// On the disk.
    pub(crate) fn begin(&self, stderr: &BackgroundWriter) {
        if let Err(why) = self.read_zone() {
            stderr.write_text(&format!("chat-client: {why}; times are in UTC\n"));
        }
    }

    /// Reads the zone. Without one it stays as it is.
    fn read_zone(&self) -> Result<(), String> {
        let zone = Zone::of_process()?;
        *self.zone.write().unwrap_or_else(PoisonError::into_inner) = zone;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;

    #[test]
    fn the_next_midnight_is_that_of_the_local_zone_on_days_of_any_length() {
        let clock = LocalClock::default();
        let until = |milliseconds| clock.until_midnight(milliseconds);
        assert_eq!(until(0), Duration::from_secs(24 * HOUR));
        assert_eq!(until(86_399_999), Duration::from_millis(1));
        *clock.zone.write().unwrap() = Zone::named("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        assert_eq!(until(0), Duration::from_secs(23 * HOUR));
        // Midnight before the two days on which the clocks change, 29 March and 25 October 2026.
        for (midnight, hours) in [(1_774_738_800, 23), (1_792_879_200, 25)] {
            assert_eq!(until(midnight * 1000), Duration::from_secs(hours * HOUR));
            assert_eq!(until((midnight + hours * HOUR) * 1000 - 1), Duration::from_millis(1));
        }
    }

    #[test]
    fn any_number_of_milliseconds_has_a_local_time_and_a_next_midnight() {
        let clock = LocalClock::default();
        for zone in ["UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", "<-12>12", "NZST-12NZDT,M9.5.0,M4.1.0/3"] {
            *clock.zone.write().unwrap() = Zone::named(zone).unwrap();
            for number in 0..64 {
                for milliseconds in [1 << number, (1 << number) - 1, !(1 << number), u64::MAX >> number] {
                    let local = clock.local(milliseconds);
                    assert_eq!(local.date_and_seconds(), format!("{} {}", local.date(), local.seconds()));
                    let until = clock.until_midnight(milliseconds);
                    assert!(until <= Duration::from_secs(25 * HOUR), "{zone} {milliseconds}: {until:?}");
                }
            }
        }
    }
}
