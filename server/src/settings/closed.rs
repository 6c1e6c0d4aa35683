//! What a closed room is made of. Plain values, for any thread.

use chat_common::{handshake::passphrase::Passphrase, wire::seal::KeyPair};

/// The secrets of a closed room.
#[derive(Clone, Debug)]
pub struct ClosedRoom {
    /// Who knows it may join.
    pub passphrase: Passphrase,
    /// The room's key, by which clients know it again.
    pub key: KeyPair,
}
