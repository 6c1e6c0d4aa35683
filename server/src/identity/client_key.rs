//! The key by which the client of a closed room is known again. Plain values, for any thread.
//!
//! In a build without the feature `closed` all rooms are open, and no client has a key.

#[cfg(feature = "closed")]
pub(crate) use chat_common::wire::seal::PublicKey as ClientKey;
use chat_common::wire::stream::Stream;

/// Returns the key of the client of a call connection.
#[cfg(feature = "closed")]
pub(crate) fn key_of(call: &Stream) -> Option<ClientKey> {
    call.seal()?.peer_key()
}

#[cfg(not(feature = "closed"))]
pub(crate) use open::{key_of, ClientKey};

#[cfg(not(feature = "closed"))]
mod open {
    use super::Stream;

    /// A type without values.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum ClientKey {}

    impl ClientKey {
        pub(crate) fn from_hex(_text: &str) -> Option<ClientKey> {
            None
        }

        pub(crate) fn to_hex(self) -> String {
            match self {}
        }
    }

    pub(crate) fn key_of(_call: &Stream) -> Option<ClientKey> {
        None
    }
}
