//! The connections of members: each has a thread of its own.
//!
//! | file | what |
//! |---|---|
//! | [`connection`] | one connection's life: hello, Join, requests, the end |
//! | [`join`] | how a client gets in, or back in |
//! | [`service`] | what each request of a member does |
//! | [`dial`] | calling a client back |
//! | [`rate`] | how fast a member may send |

pub(crate) mod connection;
mod dial;
mod join;
mod rate;
mod service;

use crate::{door::Door, room::Room, settings::limits::Limits};
use chat_common::shutdown::Shutdown;
use rate::Buckets;

/// What the threads of connections use.
#[derive(Debug)]
pub(crate) struct Service<'env> {
    pub(crate) room: &'env Room,
    pub(crate) door: &'env Door,
    pub(crate) limits: &'env Limits,
    pub(crate) shutdown: &'env Shutdown,
    /// What everybody who joins is told.
    pub(crate) motd: Option<&'env str>,
    buckets: Buckets,
}

impl<'env> Service<'env> {
    pub(crate) fn new(
        room: &'env Room,
        door: &'env Door,
        limits: &'env Limits,
        shutdown: &'env Shutdown,
        motd: Option<&'env str>,
    ) -> Service<'env> {
        Service { room, door, limits, shutdown, motd, buckets: Buckets::new(limits) }
    }
}
