//! What each side of a closed room needs. Plain values, for any thread.

use super::passphrase::Passphrase;
use crate::wire::seal::KeyPair;

/// What a program shows of itself in the handshake of a closed room.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The passphrase of the room.
    pub passphrase: Passphrase,
    /// The program's own key. Clients know the room again by its key, and the room can keep a name for the
    /// key of a client.
    pub key: KeyPair,
}
