//! The locks of the log and of the outbox: std's, or the model checker's, which tries every order in which threads can meet.
//!
//! `make model` builds with the feature `model`; nothing else does.

#[cfg(feature = "model")]
pub use shuttle::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
#[cfg(not(feature = "model"))]
pub use std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
