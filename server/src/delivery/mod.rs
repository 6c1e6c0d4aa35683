//! Calling the recipients: one thread for each of them.

pub mod fanout;
pub mod outbox;
pub mod recipient;
pub mod round;
pub mod session;
