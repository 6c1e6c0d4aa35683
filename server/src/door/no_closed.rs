//! Stands in the place of `closed.rs` in a build without the feature `closed`, whose rooms are all open.
//! There are never values of its types.

use chat_common::wire::stream::Stream;
use std::io;

/// The key of a client of a closed room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientKey {}

/// Returns the key of the client of a call connection, which has none.
pub(crate) fn key_of(_call: &Stream) -> Option<ClientKey> {
    None
}

/// The tables of a closed room.
#[derive(Debug)]
pub(crate) enum ClosedTables {}

impl ClosedTables {
    pub(super) fn is_name_free_for(&self, _name: &str, _key: &ClientKey) -> bool {
        match *self {}
    }

    pub(super) fn bind_name(&self, _name: &str, _key: ClientKey) {
        match *self {}
    }

    pub(super) fn keeps_names(&self) -> bool {
        match *self {}
    }

    pub(super) fn save_names(&self) -> io::Result<()> {
        match *self {}
    }

    pub(super) fn forget_name(&self, _name: &str) -> Option<io::Result<bool>> {
        match *self {}
    }

    pub(super) fn guess_summary(&self) -> String {
        match *self {}
    }

    pub(super) fn wrong_guesses(&self) -> u64 {
        match *self {}
    }
}
