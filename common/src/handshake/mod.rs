//! How connections begin. The handshakes of closed rooms need the feature `closed`. Runs on its callers'
//! threads.
//!
//! What makes a room closed: without its passphrase nobody can read or change anything. The documentation of
//! the crate specifies the wire. Nothing here is invented: SPAKE2 turns the passphrase into a key that a
//! listener cannot search for, as magic-wormhole does, and Noise makes a sealed connection of that key. With
//! the passphrase itself as Noise's pre-shared key, somebody who recorded one handshake could try all
//! passphrases without asking the server again; the scenario `closed_room_attacked` of the tests does that to
//! a build with this bug.
//!
//! | file | content |
//! |---|---|
//! | [`gateway`] | how a gateway shows that it may speak for its guests |
//! | [`callback`] | how the callback connection of a session begins |
//! | `sealed` | how the two kinds of connection are sealed |
//! | `credentials` | what each side of a closed room needs: its passphrase and its own key |
//! | [`passphrase`] | a passphrase, of a closed room or of the operators |
//! | `exchange` | SPAKE2, which makes a key of the passphrase; names the crate spake2 |
//! | [`state`] | the directory in which a program keeps its key, and files with secrets |

pub mod callback;
#[cfg(feature = "closed")]
pub mod credentials;
#[cfg(feature = "closed")]
mod exchange;
pub mod gateway;
pub mod passphrase;
#[cfg(feature = "closed")]
pub mod sealed;
pub mod state;
