//! Text: characters, and values that people write as text. Pure functions, for any thread.

pub mod address;
pub mod calendar;
pub mod clusters;
pub mod escape;
pub mod excerpt;
pub(crate) mod hex;
pub mod invisible;
pub mod text_file;
pub mod units;
