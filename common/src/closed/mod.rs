//! What makes a room closed: who does not know its passphrase reads nothing and changes nothing. Feature
//! `closed`. Runs on its callers' threads.
//!
//! The documentation of the crate specifies the wire. Nothing here is invented: SPAKE2 turns the passphrase
//! into a key that a listener cannot search for, as magic-wormhole does, and Noise makes a sealed connection
//! of that key. With the passphrase itself as Noise's pre-shared key, somebody who recorded one handshake
//! could try all passphrases without asking the server again; the scenario `closed_room_attacked` of the
//! tests does that to a build with this bug.
//!
//! | file | content |
//! |---|---|
//! | [`handshake`] | how the two kinds of connection are sealed |
//! | [`passphrase`] | the passphrase, and SPAKE2; names the crate spake2 |
//! | [`state`] | the directory in which a program keeps its key |

pub mod handshake;
pub mod passphrase;
pub mod state;

pub use crate::seal::{KeyPair, PublicKey};
pub use passphrase::Passphrase;
