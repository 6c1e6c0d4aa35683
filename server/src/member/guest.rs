//! The connections of a gateway's guests: they count for the guest from the moment that the gateway has shown
//! its key, or the token of the guest's session. Runs on the connection's thread.
//!
//! Before that moment nothing here charges the guest for anything: everybody can name its address.

use super::Service;
#[cfg(feature = "seeded-bugs")]
use crate::settings::seeded::Bug;
use crate::{door::Slot, identity::Origin};
use chat_common::{
    handshake::gateway,
    wire::{error::RpcError, rpc::Connection, status::Status},
};
use log::Level;
use std::net::IpAddr;

/// Reads the key of a gateway after the welcome, and answers it. `origin` is then the guest's. Returns false
/// when the guest does not get in, and the reason is logged. A guest that is banned gets in, and is told why
/// when it joins.
///
/// # Blocking
/// On the gateway, for the hello timeout and the frame timeout at most, and for a second where it is refused.
///
/// # Errors
/// When the connection ends first, or the key does not come in time.
pub(super) fn check_key(
    service: &Service<'_>,
    connection: &mut Connection,
    guest: IpAddr,
    origin: &mut Origin,
    slot: &mut Slot,
) -> Result<bool, RpcError> {
    let (door, limits, gateway) = (service.door, service.limits, *origin);
    let key = gateway::read_key(connection, limits.hello_timeout)?;
    let log = |why| door.log(gateway.address, Level::Warn, format_args!("{gateway}: refused: {why}"));
    let counted = match Origin::of_guest(gateway.peer, guest) {
        _ if !door.is_gateway_key(&key, gateway.address) => {
            log("its gateway key is not that of this server");
            Err(Status::WrongRole)
        }
        None => {
            log("no machine can have the address of its guest");
            Err(Status::WrongRole)
        }
        Some(guest) => count_for(service, slot, guest).map(|()| *origin = guest),
    };
    if let Err(status) = counted {
        connection.refuse(status);
        return Ok(false);
    }
    connection.welcome(limits.frame_timeout).map(|()| true)
}

/// Counts a connection for a guest from now on.
///
/// # Errors
/// The status for the gateway, when the guest's host has too many connections. It is logged.
pub(super) fn count_for(service: &Service<'_>, slot: &mut Slot, origin: Origin) -> Result<(), Status> {
    #[cfg(feature = "seeded-bugs")]
    if service.limits.seeded.has(Bug::AddressNotMoved) {
        return Ok(());
    }
    let counted = service.door.count_for(slot, origin.address);
    counted.inspect_err(|status| {
        service.door.log(origin.address, Level::Warn, format_args!("{origin}: refused: {status}"));
    })
}
