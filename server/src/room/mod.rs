//! The room: who is here, and the broadcaster through which everything passes.

pub mod broadcaster;
pub mod command;
pub mod effects;
pub mod rate;
pub mod registry;
