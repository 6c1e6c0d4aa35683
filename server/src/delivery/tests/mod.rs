//! Tests of the send window with the log, without sockets.

#[cfg(feature = "model")]
pub(super) mod model;
#[cfg(not(feature = "model"))]
mod properties;
