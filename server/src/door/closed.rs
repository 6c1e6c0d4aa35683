//! What only the door of a closed room has: how many passphrases were wrong, and the names that stay with
//! their keys. Any thread may use it.

use super::guesses::Guesses;
use crate::identity::KeptNames;
use chat_common::wire::{seal::PublicKey, stream::Stream};
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

    /// Returns whether the client with this key may have a name.
    pub(super) fn is_name_free_for(&self, name: &str, key: &ClientKey) -> bool {
        self.names.as_ref().is_none_or(|names| names.is_free_for(name, key))
    }

    /// Records that the client with this key has a name.
    pub(super) fn bind_name(&self, name: &str, key: ClientKey) {
        self.names.iter().for_each(|names| names.bind(name, key));
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
