//! The locks of the log and of the send window: std's, or the model checker's, which tries every order in which threads can meet.
//!
//! Only `make model` builds with the feature `model`.

#[cfg(feature = "model")]
pub(crate) use shuttle::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard};
#[cfg(not(feature = "model"))]
pub(crate) use std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard};
