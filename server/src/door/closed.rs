//! What only the door of a closed room has: how many passphrases were wrong, and the names that stay with
//! their keys. Any thread may use it.

use super::guesses::Guesses;
use crate::identity::KeptNames;
use chat_common::wire::{protocol::Refusal, seal::PublicKey, stream::Stream};
use std::io;

/// By which the client of a closed room is known again.
pub(crate) type ClientKey = PublicKey;

/// Returns the key of the client of a call connection.
pub(crate) fn key_of(call: &Stream) -> Option<ClientKey> {
    call.seal()?.peer_key()
}

/// The tables that only a closed room has.
#[derive(Debug)]
pub(crate) struct ClosedTables {
    pub(super) guesses: Guesses,
    /// `None` if names belong to nobody.
    names: Option<KeptNames>,
}

impl ClosedTables {
    pub(crate) fn new(names: Option<KeptNames>) -> ClosedTables {
        ClosedTables { guesses: Guesses::default(), names }
    }

    /// Checks that the client of a call connection may have a name.
    pub(super) fn check_name(&self, name: &str, call: &Stream) -> Result<(), Refusal> {
        self.names_and_key(call).map_or(Ok(()), |(names, key)| names.check(name, &key))
    }

    /// Records that the client of a call connection has a name.
    pub(super) fn bind_name(&self, name: &str, call: &Stream) {
        if let Some((names, key)) = self.names_and_key(call) {
            names.bind(name, key);
        }
    }

    /// Returns the names that are kept, and the key of the client, if the room keeps names.
    fn names_and_key(&self, call: &Stream) -> Option<(&KeptNames, PublicKey)> {
        Some((self.names.as_ref()?, key_of(call)?))
    }

    pub(super) fn keeps_names(&self) -> bool {
        self.names.is_some()
    }

    /// Writes the names that are not in their file yet.
    pub(super) fn save_names(&self) -> io::Result<()> {
        self.names.as_ref().map_or(Ok(()), KeptNames::save)
    }

    /// Lets everybody have a name again. Returns `None` when the room keeps no names.
    pub(super) fn forget_name(&self, name: &str) -> Option<io::Result<bool>> {
        Some(self.names.as_ref()?.forget(name))
    }

    pub(super) fn guess_summary(&self) -> String {
        self.guesses.summary()
    }

    pub(super) fn wrong_guesses(&self) -> u64 {
        self.guesses.wrong()
    }
}
