//! A person's terminal: how wide it is, what fits into its rows, and the line being typed. Only [`width`]
//! starts a thread.

pub mod cells;
pub mod color;
pub mod foreground;
pub mod rows;
pub mod typed_line;
pub mod width;
pub mod wrap;
