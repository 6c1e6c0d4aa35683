//! One connection of a member: a thread for each.

pub mod connection;
pub mod dial;
pub mod service;
