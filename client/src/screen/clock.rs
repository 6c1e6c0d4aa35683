//! The thread `clock`. It looks every hour whether the zone is another one, so no event waits for the disk.
//! It also shows what is to be shown at a certain time, while nothing else happens.

use crate::screen::output::{lock, Output};
use chat_common::program::zone::Zone;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

/// How often the zone is read. A new zone of the system is noticed at most this late.
const ZONE_INTERVAL: Duration = Duration::from_secs(3600);

/// The whole life of the thread `clock`. A message through `wake_rx` ends its wait, and the end of the sender
/// ends the thread.
pub(crate) fn clock_loop(output: &Mutex<Output>, wake_rx: &Receiver<()>) {
    let mut read = Instant::now();
    loop {
        if read.elapsed() >= ZONE_INTERVAL {
            match Zone::of_process() {
                Ok(zone) => lock(output).viewer.zone = zone,
                Err(why) => log::info!("the time zone stays as it was: {why}"),
            }
            read = Instant::now();
        }
        let pause = lock(output).on_time().min(ZONE_INTERVAL.saturating_sub(read.elapsed()));
        if wake_rx.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}
