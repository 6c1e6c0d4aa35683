//! The locks of the log and of the send window. Usually they are std's. For `make model` they are the
//! model checker's, which tries many orders in which threads can meet.
//!
//! Only `make model` sets the feature `model`.

#[cfg(feature = "model")]
pub(crate) use shuttle::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
#[cfg(not(feature = "model"))]
pub(crate) use std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
