//! A person's terminal: how large it is, and what fits into its rows. Only [`shell_probe`] starts a
//! thread.

pub mod cells;
pub mod color;
pub mod foreground;
pub mod progress;
pub mod rows;
pub mod shell_probe;
pub mod wrap;
