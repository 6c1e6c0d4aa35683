//! How a gateway shows that it may speak for its guests. Runs on the thread that owns the connection.
//!
//! A gateway is a program through which others take part, its guests. Its hello says which guest a connection
//! is for. After the welcome it shows the key that it shares with the server. From then on the connection
//! counts for the guest's address.
//!
//! In a closed room the key goes over the sealed connection. In an open room everybody on the way can read
//! it, as the tokens of sessions.

use super::state;
use crate::{
    text::hex::{from_hex, hex},
    wire::{error::RpcError, rpc::Connection, status::Status, token::Token},
};
use std::{
    fmt,
    path::Path,
    time::{Duration, Instant},
};

/// The secret that a server and its gateways share. `Debug` hides it. `==` takes the same time wherever two
/// keys differ.
#[derive(Clone, Copy)]
pub struct GatewayKey([u8; GatewayKey::BYTES]);

impl GatewayKey {
    /// The length of a key in bytes.
    pub const BYTES: usize = 32;

    /// Returns the key in a file, where it stands in 64 hexadecimal digits. Makes a key and the file if there
    /// is none, for its owner alone.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// When the file cannot be read or written, or holds no key. One line for people.
    pub fn load(path: &Path) -> Result<GatewayKey, String> {
        let generate = || {
            let halves = [Token::random()?, Token::random()?];
            Ok(halves.iter().map(|half| hex(half.as_bytes())).collect())
        };
        state::load_or_make(path, "the gateway's key", |text| from_hex(text).map(GatewayKey), generate)
    }

    /// Returns the key with these bytes.
    pub const fn from_bytes(bytes: [u8; GatewayKey::BYTES]) -> GatewayKey {
        GatewayKey(bytes)
    }
}

impl PartialEq for GatewayKey {
    fn eq(&self, other: &GatewayKey) -> bool {
        // There is no early exit, as for tokens.
        self.0.iter().zip(other.0).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
    }
}

impl Eq for GatewayKey {}

impl fmt::Debug for GatewayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GatewayKey(..)")
    }
}

/// Shows the key on a call connection for a guest, after the welcome. Returns what the server answers.
///
/// # Blocking
/// On the server, for `timeout` at most. Shutting the stream down wakes it.
///
/// # Errors
/// When there is no answer. After any error the connection is lost.
pub fn show_key(
    connection: &mut Connection,
    key: &GatewayKey,
    timeout: Duration,
) -> Result<Status, RpcError> {
    let deadline = Instant::now() + timeout;
    connection.write_bytes(&key.0, deadline)?;
    match connection.read_answer(deadline) {
        Ok(()) => Ok(Status::Welcome),
        Err(RpcError::Refused { status, .. }) => Ok(status),
        Err(error) => Err(error),
    }
}

/// Reads the key that a gateway shows. [`Connection::welcome`] or [`Connection::refuse`] answers it.
///
/// # Blocking
/// On the gateway, for `timeout` at most. Shutting the stream down wakes it.
///
/// # Errors
/// When the connection ends first. After any error the connection is lost.
pub fn read_key(connection: &mut Connection, timeout: Duration) -> Result<GatewayKey, RpcError> {
    let mut key = [0; GatewayKey::BYTES];
    connection.read_bytes(&mut key, Instant::now() + timeout)?;
    Ok(GatewayKey(key))
}
