//! The scenarios with a client that has its editor: those of the editor alone, and those of the usual run
//! that an editor could change.
// A panic is how a test reports a failure.
#![allow(clippy::unwrap_used)]
#[path = "../it/background.rs"]
mod background;
#[cfg(feature = "closed")]
#[path = "../it/closed_client.rs"]
mod closed_client;
mod keys;
#[path = "../it/leaving.rs"]
mod leaving;
