//! The gateways that may speak for their guests: the key that they show, and the hosts that have shown it.
//! Any thread may ask; nothing blocks under the lock.

use crate::identity::Host;
use chat_common::{handshake::gateway::GatewayKey, trace};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// For how long a host that has shown the key has no limits of its own. Each guest that joins begins it anew.
const TRUSTED_FOR: Duration = Duration::from_secs(3600);

/// What gateways show, and who has shown it.
#[derive(Debug)]
pub(crate) struct Gateways {
    key: GatewayKey,
    /// When each host has last shown the key.
    shown: Mutex<HashMap<Host, Instant>>,
}

impl Gateways {
    pub(crate) fn new(key: GatewayKey) -> Gateways {
        Gateways { key, shown: Mutex::default() }
    }

    /// Returns whether this is the key, and remembers the host at `address` if it is. It takes the same time
    /// for all keys.
    pub(super) fn check(&self, key: &GatewayKey, address: IpAddr, now: Instant) -> bool {
        let is_right = *key == self.key;
        if is_right {
            let mut shown = self.lock();
            shown.retain(|_, shown| is_trusted(*shown, now));
            shown.insert(Host::of(address), now);
        }
        is_right
    }

    /// Returns whether the host at `address` has shown the key within the last hour.
    pub(super) fn have(&self, address: IpAddr, now: Instant) -> bool {
        self.lock().get(&Host::of(address)).is_some_and(|shown| is_trusted(*shown, now))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Host, Instant>> {
        trace::lock(&self.shown)
    }
}

fn is_trusted(shown: Instant, now: Instant) -> bool {
    now.duration_since(shown) < TRUSTED_FOR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_has_shown_the_key_is_trusted_for_an_hour_and_no_other_host_is() {
        let [right, wrong] = [1, 2].map(|byte| GatewayKey::from_bytes([byte; GatewayKey::BYTES]));
        let [own, other] = [7, 8].map(|last| IpAddr::from([192, 0, 2, last]));
        let (gateways, start) = (Gateways::new(right), Instant::now());
        assert!(!gateways.check(&wrong, own, start) && !gateways.have(own, start));
        assert!(gateways.check(&right, own, start) && !gateways.have(other, start));
        let almost = start + TRUSTED_FOR - Duration::from_secs(1);
        assert!(gateways.have(own, almost) && !gateways.have(own, start + TRUSTED_FOR));
        // A wrong key ends nothing, and a host that is not trusted any more is forgotten.
        assert!(!gateways.check(&wrong, own, almost) && gateways.have(own, almost));
        assert!(gateways.check(&right, other, start + TRUSTED_FOR));
        assert_eq!(gateways.lock().len(), 1);
    }
}
