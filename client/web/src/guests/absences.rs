//! The thread `absences`: guests whose page stays away leave the room.

use crate::guests::list::Guests;
use chat_common::program::shutdown::Shutdown;
use std::time::{Duration, Instant};

/// How often it looks. A guest may stay so much longer.
const LOOK: Duration = Duration::from_secs(1);

/// Lets those leave whose page has been away for too long, until the request to stop.
///
/// # Blocking
/// For a second after each look. The request to stop wakes it.
pub(crate) fn absences_loop(guests: &Guests, shutdown: &Shutdown) {
    while !shutdown.sleep(LOOK) {
        let now = Instant::now();
        guests.all().iter().filter(|guest| guest.is_abandoned(now)).for_each(|guest| guest.leave());
    }
}
