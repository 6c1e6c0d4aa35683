//! What both programs need of the system: outputs, files, signals, and an end in good order. Only
//! [`background_writer`] starts a thread.

pub mod background_writer;
pub mod flags;
pub mod given_file;
pub mod kept_file;
pub mod logging;
pub mod on_drop;
pub mod own_addresses;
pub mod shutdown;
pub mod signals;
pub mod tasks;
pub mod transcript_file;
pub mod wall_clock;
pub mod zone;
mod zone_rule;
