//! The locks of the log and of the send window. Usually they are std's. For `make model` they are the
//! model checker's, which tries many orders in which threads can meet.
//!
//! Only `make model` sets the feature `model`.

#[cfg(not(feature = "model"))]
pub(crate) use chat_common::trace::lock;
#[cfg(feature = "model")]
pub(crate) use shuttle::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
#[cfg(not(feature = "model"))]
pub(crate) use std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// As the other `lock`, without a trace.
#[cfg(feature = "model")]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
