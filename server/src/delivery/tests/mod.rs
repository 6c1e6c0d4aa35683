//! The send window alone, with the log and without sockets.

#[cfg(feature = "model")]
mod model;
#[cfg(not(feature = "model"))]
mod properties;
