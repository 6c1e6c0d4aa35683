//! A member's connection: a socket, and what seals its bytes, if something does. Runs on the thread of the
//! caller: first a joiner, then the one of the room.
//!
//! The parsers see plain bytes in every system. So this file opens what comes and seals what goes out, and
//! all of that is time of the load generator. It MUST open everything that it has read before it returns,
//! because nothing wakes the room for bytes that have left the socket.

use super::tls;
use chat_common::wire::{seal::Seal, stream::Stream};
use rustix::{
    event::{poll, PollFd, PollFlags, Timespec},
    fd::{AsFd, BorrowedFd},
};
use rustls::ClientConnection;
use std::{
    cell::RefCell,
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

/// How long a write waits for space in the send buffer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// The shortest buffer for [`Channel::read`]: what is kept of a record, and space for more.
pub const SHORTEST_BUFFER_BYTES: usize = 2 * tls::RECORD_BYTES;
/// The length of the length of a record of a closed room, in bytes.
const LENGTH_BYTES: usize = 2;

thread_local! {
    /// What was read and is not opened yet. A channel keeps only what is left of it.
    static SEALED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A connection of a member, blocking or not, as its socket is.
pub struct Channel {
    socket: TcpStream,
    sealing: Sealing,
}

/// What seals the bytes.
enum Sealing {
    None,
    /// The records of a closed room.
    Records(Records),
    Tls(Box<ClientConnection>),
}

impl From<TcpStream> for Channel {
    fn from(socket: TcpStream) -> Channel {
        Channel { socket, sealing: Sealing::None }
    }
}

impl Channel {
    /// Returns a channel for a socket after the handshake of a closed room. `stream` has the seal.
    pub fn sealed(socket: TcpStream, stream: Arc<Stream>) -> Channel {
        Channel { socket, sealing: Sealing::Records(Records { stream, opened: 0, begun: Vec::new() }) }
    }

    /// Begins TLS on a socket. The handshake takes place with the first bytes.
    pub fn with_tls(socket: TcpStream) -> io::Result<Channel> {
        Ok(Channel { socket, sealing: Sealing::Tls(Box::new(tls::client()?)) })
    }

    /// Returns the socket.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Read for Channel {
    /// Reads the socket once or, if nothing of it can be shown yet, until something can. `buffer` must have
    /// [`SHORTEST_BUFFER_BYTES`], unless nothing is sealed.
    ///
    /// # Blocking
    /// On the server, as the socket does.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Channel { socket, sealing } = self;
        if matches!(sealing, Sealing::None) {
            return socket.read(buffer);
        }
        SEALED.with_borrow_mut(|sealed| {
            sealed.resize(sealed.len().max(buffer.len()), 0);
            let sealed = &mut sealed[..buffer.len()];
            loop {
                let plain = match sealing {
                    Sealing::None => unreachable!("this case has returned"),
                    Sealing::Records(records) => {
                        let begun = records.begun.len();
                        sealed[..begun].copy_from_slice(&records.begun);
                        let count = socket.read(&mut sealed[begun..])?;
                        if count == 0 {
                            return Ok(0);
                        }
                        records.open(&sealed[..begun + count], buffer)?
                    }
                    Sealing::Tls(session) => {
                        // The rest of a record is in the session, and comes out with what is read now.
                        let most = sealed.len() - tls::RECORD_BYTES;
                        let count = socket.read(&mut sealed[..most])?;
                        if count == 0 {
                            return Ok(0);
                        }
                        let plain = tls::open(session, &sealed[..count], buffer)?;
                        write_tls(session, socket)?;
                        plain
                    }
                };
                if plain > 0 {
                    return Ok(plain);
                }
            }
        })
    }
}

impl Write for Channel {
    /// Writes all of `bytes`. Members send little and wait for replies, so a send buffer is full only when
    /// the server does not read.
    ///
    /// # Blocking
    /// On the server's reading, for [`WRITE_TIMEOUT`] at most without progress.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.sealing {
            Sealing::None => write_socket(&self.socket, bytes)?,
            Sealing::Records(records) => write_socket(&self.socket, &records.seal()?.seal(bytes)?)?,
            Sealing::Tls(session) => {
                // During the handshake it keeps the bytes, and they go out when it is done.
                session.writer().write_all(bytes)?;
                write_tls(session, &self.socket)?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The records of a closed room on one connection.
struct Records {
    stream: Arc<Stream>,
    /// How many records were opened.
    opened: u64,
    /// The beginning of a record whose rest has not come.
    begun: Vec<u8>,
}

impl Records {
    fn seal(&self) -> io::Result<&Seal> {
        self.stream.seal().ok_or_else(|| io::Error::other("rpc-chat: the connection is not sealed"))
    }

    /// Opens all whole records in `sealed`, keeps the rest, and returns how many bytes of `plain` it has
    /// filled. `plain` is at least as long as `sealed`.
    fn open(&mut self, mut sealed: &[u8], plain: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some((length, rest)) = sealed.split_first_chunk::<LENGTH_BYTES>() {
            let Some((record, rest)) = rest.split_at_checked(u16::from_le_bytes(*length).into()) else {
                break;
            };
            let opened = self.seal()?.open(self.opened, record, &mut plain[filled..]);
            filled += opened.map_err(|_| io::Error::other("rpc-chat: a record is not genuine"))?;
            self.opened += 1;
            sealed = rest;
        }
        self.begun.clear();
        self.begun.extend_from_slice(sealed);
        Ok(filled)
    }
}

/// Writes what a session has to say.
fn write_tls(session: &mut ClientConnection, socket: &TcpStream) -> io::Result<()> {
    while session.wants_write() {
        let mut bytes = Vec::with_capacity(512);
        session.write_tls(&mut bytes)?;
        write_socket(socket, &bytes)?;
    }
    Ok(())
}

fn write_socket(mut socket: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match socket.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let timeout = Timespec { tv_sec: WRITE_TIMEOUT.as_secs() as i64, tv_nsec: 0 };
                if poll(&mut [PollFd::new(socket, PollFlags::OUT)], Some(&timeout))? == 0 {
                    return Err(ErrorKind::TimedOut.into());
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_common::{
        handshake::{
            credentials::Credentials,
            passphrase::Passphrase,
            sealed::{accept_call, dial_call},
        },
        wire::{protocol::FRAME_BYTES, rpc::Connection, seal::KeyPair},
    };
    use rustls::{
        pki_types::{pem::PemObject, CertificateDer, PrivateKeyDer},
        ServerConfig, ServerConnection,
    };
    use std::{net::TcpListener, thread};

    const LONG: Duration = Duration::from_secs(60);
    /// Longer than a record of either kind.
    const TEXT_BYTES: usize = 40_000;

    fn text() -> Vec<u8> {
        (0..TEXT_BYTES).map(|at| (at % 251) as u8).collect()
    }

    fn sockets() -> [TcpStream; 2] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        [near, listener.accept().unwrap().0]
    }

    fn read_all(channel: &mut Channel) -> Vec<u8> {
        let (mut plain, mut buffer) = (Vec::new(), vec![0; SHORTEST_BUFFER_BYTES]);
        while plain.len() < TEXT_BYTES {
            let count = channel.read(&mut buffer).unwrap();
            assert!(count > 0, "the stream ends after {} bytes", plain.len());
            plain.extend_from_slice(&buffer[..count]);
        }
        plain
    }

    #[test]
    fn records_are_opened_in_whatever_pieces_they_come() {
        let [near, far] = sockets();
        let (passphrase, key) = (Passphrase::new("lamp river").unwrap(), KeyPair::generate().unwrap());
        let credentials = Credentials { passphrase, key };
        let [mut dialling, mut accepting] = [&near, &far]
            .map(|socket| Connection::new(Arc::new(Stream::new(socket.try_clone().unwrap())), FRAME_BYTES));
        thread::scope(|scope| {
            scope.spawn(|| {
                let hello = accepting.read_hello(LONG).unwrap().unwrap();
                accept_call(&mut accepting, &hello, &credentials, |_| true, LONG).unwrap();
            });
            dial_call(&mut dialling, None, &credentials, |_| true, LONG).unwrap();
        });
        let [mut near, mut far] = [(near, dialling), (far, accepting)].map(|(socket, connection)| {
            socket.set_read_timeout(Some(LONG)).unwrap();
            Channel::sealed(socket, Arc::clone(connection.stream()))
        });
        thread::scope(|scope| {
            scope.spawn(|| {
                let Sealing::Records(records) = &far.sealing else { panic!("it is sealed") };
                let sealed = records.seal().unwrap().seal(&text()).unwrap();
                sealed.chunks(777).for_each(|piece| write_socket(&far.socket, piece).unwrap());
            });
            assert_eq!(read_all(&mut near), text());
        });
        near.write_all(&text()).unwrap();
        assert_eq!(read_all(&mut far), text());
    }

    #[test]
    fn a_member_speaks_tls_with_a_server_that_has_the_certificate_of_the_run() {
        let [near, mut far] = sockets();
        let identity = tls::identity().unwrap();
        let certificate = CertificateDer::from_pem_slice(identity.certificate_pem.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth();
        let config = Arc::new(config.with_single_cert(vec![certificate], key).unwrap());
        let mut near = Channel::with_tls(near).unwrap();
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut session = ServerConnection::new(config).unwrap();
                let mut stream = rustls::Stream::new(&mut session, &mut far);
                let mut heard = [0; 5];
                stream.read_exact(&mut heard).unwrap();
                assert_eq!(&heard, b"hello");
                stream.write_all(&text()).unwrap();
            });
            near.write_all(b"hello").unwrap();
            assert_eq!(read_all(&mut near), text());
        });
    }
}
