//! The seal of a stream in a closed room: what is written is sealed, and only the peer can open it. Runs on
//! its callers' threads, and does no I/O.
//!
//! This folder lies below [`stream`](super::stream), which calls it, and [`handshake`](crate::handshake) lies
//! above the connection and agrees on the keys. The wire is specified in the documentation of the crate.
//!
//! | file | content |
//! |---|---|
//! | [`noise`] | keys, the Noise handshakes, and [`Seal`]; names the crate snow |
//! | [`opener`] | reads records, and returns what they hold |

pub(crate) mod noise;
pub(crate) mod opener;

pub use noise::{KeyPair, NotGenuine, PublicKey, Seal};
