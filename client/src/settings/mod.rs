//! What all of the client agrees on: options, and what goes between its threads. No I/O.

pub mod channels;
pub mod options;
pub mod shown;
