//! The operator: commands from the terminal, and a line in the log each minute.

pub mod console;
pub mod stats;
