//! TLS for the members of the other systems, and the certificate of their servers. Nothing here does I/O.
//!
//! TLS 1.3 with AES-256-GCM, which is also the cipher of a closed room, and with an ECDSA certificate, which
//! costs a server less than RSA.

use rcgen::generate_simple_self_signed;
use rustls::{
    crypto::ring::{cipher_suite::TLS13_AES_256_GCM_SHA384, default_provider},
    pki_types::ServerName,
    ClientConfig, ClientConnection, RootCertStore,
};
use std::{
    io::{self, ErrorKind, Read},
    sync::{Arc, OnceLock},
};

/// The longest record of TLS 1.3 with what is around it, in bytes, rounded up.
pub const RECORD_BYTES: usize = 17 * 1024;
/// The name in the certificate.
const NAME: &str = "bench.local";

/// The certificate of this run, which every member trusts.
pub struct Identity {
    /// The certificate, as a server reads it from a file.
    pub certificate_pem: String,
    /// The private key, likewise.
    pub key_pem: String,
    config: Arc<ClientConfig>,
}

/// Returns the certificate of this run. The first call makes it.
pub fn identity() -> io::Result<&'static Identity> {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    match IDENTITY.get() {
        Some(identity) => Ok(identity),
        None => make().map(|made| IDENTITY.get_or_init(|| made)),
    }
}

fn make() -> io::Result<Identity> {
    let made = generate_simple_self_signed([NAME.to_owned()]).map_err(io::Error::other)?;
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).map_err(io::Error::other)?;
    let provider = rustls::crypto::CryptoProvider {
        cipher_suites: vec![TLS13_AES_256_GCM_SHA384],
        ..default_provider()
    };
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Identity {
        certificate_pem: made.cert.pem(),
        key_pem: made.key_pair.serialize_pem(),
        config: Arc::new(config),
    })
}

/// Returns the member's side of a new connection.
pub(super) fn client() -> io::Result<ClientConnection> {
    let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
    ClientConnection::new(Arc::clone(&identity()?.config), name).map_err(io::Error::other)
}

/// Takes all of `sealed`, and returns how many bytes of `plain` it has filled. What is in `plain` is never
/// longer than `sealed` and one record.
pub(super) fn open(session: &mut ClientConnection, mut sealed: &[u8], plain: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while !sealed.is_empty() {
        session.read_tls(&mut sealed)?;
        session.process_new_packets().map_err(io::Error::other)?;
        loop {
            match session.reader().read(&mut plain[filled..]) {
                Ok(0) => return Ok(filled),
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(filled)
}
