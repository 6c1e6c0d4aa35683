//! Who may not come in: addresses and names that the operator has banned.

use crate::name::folded;
use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The bans, shared by the listener, the connections and the console.
#[derive(Debug, Default)]
pub struct Bans(Mutex<Lists>);

#[derive(Debug, Default)]
struct Lists {
    addresses: BTreeSet<IpAddr>,
    names: BTreeSet<String>,
}

impl Bans {
    /// Whether connections from `address` are refused.
    pub fn covers_address(&self, address: IpAddr) -> bool {
        self.lock().addresses.contains(&address.to_canonical())
    }

    /// What somebody who wants the name `name` is told, if it is banned.
    pub fn reason_for_name(&self, name: &str) -> Option<String> {
        self.lock().names.contains(&folded(name)).then(|| format!("the name {name} is banned from the room"))
    }

    fn lock(&self) -> MutexGuard<'_, Lists> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
