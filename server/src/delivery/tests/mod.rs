//! Tests of the send window with the log, without sockets.

#[cfg(feature = "model")]
mod model;
#[cfg(not(feature = "model"))]
mod properties;
