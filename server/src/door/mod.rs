//! Who may come in, and the accept loop. Runs on the thread that called [`Server::run`](crate::Server::run).

pub mod admission;
pub mod bans;
pub mod complaints;
pub mod listener;
pub mod name;
