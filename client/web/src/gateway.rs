//! What all requests share. Any thread may call it.

use crate::{
    guests::{Guests, Turnstile},
    settings::Names,
};
use chat_client::JoinOptions;
use chat_common::program::tasks::Task;
use std::sync::{Arc, Mutex, PoisonError};

/// The gateway of one room.
pub(crate) struct Gateway {
    pub(crate) names: Names,
    pub(crate) guests: Arc<Guests>,
    pub(crate) turnstile: Turnstile,
    /// How each guest joins, but for its name and its session.
    pub(crate) join: JoinOptions,
    /// Each guest's thread has a clone. `None` when the gateway ends, and no guest begins any more.
    running: Mutex<Option<Task>>,
}

impl Gateway {
    /// A gateway without guests. `running` is cloned for each of them.
    pub(crate) fn new(names: Names, guests_per_address: usize, join: JoinOptions, running: Task) -> Gateway {
        let guests = Arc::new(Guests::new(guests_per_address));
        Gateway { names, guests, turnstile: Turnstile::new(), join, running: Mutex::new(Some(running)) }
    }

    /// Returns what a new guest's thread holds, unless the gateway ends.
    pub(crate) fn task(&self) -> Option<Task> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets all guests leave, and takes no new ones.
    pub(crate) fn close(&self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.guests.all().iter().for_each(|guest| guest.leave());
    }
}
