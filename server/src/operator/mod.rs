//! The operator: commands from the server's own terminal, and a line in the log each minute.

pub(crate) mod console;
pub(crate) mod stats;
