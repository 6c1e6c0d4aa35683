//! A peer that a test drives by hand, one step at a time. It can follow the protocol and break it.

use crate::{
    sealing,
    watchdog::{poll, WATCHDOG_TIMEOUT},
};
use chat_common::{
    handshake::{
        callback,
        gateway::{self, GatewayKey},
    },
    wire::{
        error::RpcError,
        hello::{answer_bytes, Hello, Role, HELLO_BYTES},
        protocol::{Callback, CallbackReply, Join, Joined, Reply, Request, FRAME_BYTES},
        rpc::Connection,
        status::Status,
        stream::Stream,
        token::Token,
    },
};
use socket2::{Domain, Socket, Type};
use std::{
    io::{self, ErrorKind, Read},
    net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// One connection. No thread serves it: every step happens on the thread of the test.
#[derive(Debug)]
pub struct RawPeer {
    /// The socket, for what happens below the bytes. What stands on it is sealed in a closed room.
    pub stream: TcpStream,
    /// The same socket, for honest calls.
    pub connection: Connection,
}

impl RawPeer {
    /// Connects and sends nothing.
    ///
    /// # Panics
    /// When nobody accepts within the watchdog's timeout.
    pub fn connect(server: SocketAddr) -> RawPeer {
        RawPeer::try_connect(server).expect("the server accepts connections")
    }

    fn try_connect(server: SocketAddr) -> io::Result<RawPeer> {
        TcpStream::connect_timeout(&server, WATCHDOG_TIMEOUT).map(RawPeer::from_stream)
    }

    /// Connects from this address of the machine, and sends nothing. The connection leaves nothing behind
    /// when it is dropped, so a test can open any number of them.
    ///
    /// # Errors
    /// When nobody accepts within the watchdog's timeout, or the system has no port left.
    pub fn connect_from(address: IpAddr, server: SocketAddr) -> io::Result<RawPeer> {
        let socket = Socket::new(Domain::for_address(server), Type::STREAM, None)?;
        // The port of a connection that ends in the usual way cannot be used again for a minute.
        socket.set_linger(Some(Duration::ZERO))?;
        socket.bind(&SocketAddr::new(address, 0).into())?;
        socket.connect_timeout(&server.into(), WATCHDOG_TIMEOUT)?;
        Ok(RawPeer::from_stream(socket.into()))
    }

    /// Wraps a stream that is connected already.
    pub fn from_stream(stream: TcpStream) -> RawPeer {
        let same = stream.try_clone().expect("this process has descriptors left");
        RawPeer { connection: Connection::new(Arc::new(Stream::new(same)), FRAME_BYTES), stream }
    }

    /// Accepts one connection and sends nothing.
    ///
    /// # Panics
    /// When nobody connects within the watchdog's timeout.
    pub fn accept(listener: &TcpListener) -> RawPeer {
        // A blocking accept has no deadline.
        listener.set_nonblocking(true).unwrap();
        let (stream, _) = poll("a connection to the test's listener", || listener.accept().ok());
        stream.set_nonblocking(false).unwrap();
        RawPeer::from_stream(stream)
    }

    /// Accepts one connection as a server does: a call connection without `session`, or the next connection
    /// of a client with this call connection and token. Returns its hello too.
    ///
    /// # Panics
    /// When nobody connects within the watchdog's timeout, or the peer does not follow the protocol.
    pub fn serve(listener: &TcpListener, session: Option<(&Stream, Token)>) -> (Hello, RawPeer) {
        let mut peer = RawPeer::accept(listener);
        let hello = peer.connection.read_hello(WATCHDOG_TIMEOUT).unwrap().expect("the peer says hello");
        match session {
            None => sealing::welcome_call(&mut peer.connection, &hello).unwrap(),
            Some((call, token)) => {
                let admit = || Ok(());
                callback::accept(&mut peer.connection, &hello, call, token, admit, WATCHDOG_TIMEOUT).unwrap();
            }
        }
        (hello, peer)
    }

    /// Connects and says hello as a client that wants to call.
    pub fn connect_call(server: SocketAddr) -> Result<RawPeer, RpcError> {
        let mut peer = RawPeer::try_connect(server)?;
        peer.say_hello()?;
        Ok(peer)
    }

    /// Says hello as a client that wants to call, and does the handshake of a closed room.
    pub fn say_hello(&mut self) -> Result<(), RpcError> {
        sealing::greet_call(&mut self.connection, None)
    }

    /// Connects and says hello as a gateway that wants to call for a guest. The key is not shown yet.
    pub fn connect_for_guest(server: SocketAddr, guest: IpAddr) -> Result<RawPeer, RpcError> {
        let mut peer = RawPeer::connect(server);
        sealing::greet_call(&mut peer.connection, Some(guest)).map(|()| peer)
    }

    /// Connects as a gateway for a guest, and shows this key. The error is what the server answers otherwise.
    ///
    /// # Panics
    /// When the server does not welcome the hello, or does not answer the key.
    pub fn connect_guest(server: SocketAddr, guest: IpAddr, key: &GatewayKey) -> Result<RawPeer, Status> {
        let mut peer = RawPeer::connect_for_guest(server, guest).expect("the server welcomes a gateway");
        let shown = gateway::show_key(&mut peer.connection, key, WATCHDOG_TIMEOUT);
        match shown.expect("the server answers the key") {
            Status::Welcome => Ok(peer),
            other => Err(other),
        }
    }

    /// Connects and offers to serve `Receive` for the session with this token, which joined on this
    /// connection.
    pub fn connect_callback(&self, server: SocketAddr, token: Token) -> Result<RawPeer, RpcError> {
        let mut peer = RawPeer::try_connect(server)?;
        peer.open_callback(self, token)?;
        Ok(peer)
    }

    /// Offers to serve `Receive` for the session with this token, which joined on `call`.
    pub fn open_callback(&mut self, call: &RawPeer, token: Token) -> Result<(), RpcError> {
        let (connection, call) = (&mut self.connection, call.connection.stream());
        callback::dial(connection, Role::OpenedCallback, call, token, WATCHDOG_TIMEOUT)
    }

    /// Connects to a client's listener as its server does, for the session with this token.
    ///
    /// # Panics
    /// When the client does not accept it.
    pub fn call_back(&self, client: SocketAddr, token: Token) -> RawPeer {
        let mut peer = RawPeer::connect(client);
        let call = self.connection.stream();
        callback::dial(&mut peer.connection, Role::Callback, call, token, WATCHDOG_TIMEOUT).unwrap();
        peer
    }

    /// Sends one request and reads the reply.
    pub fn ask(&mut self, request: &Request) -> Result<Reply, RpcError> {
        self.connection.call(request, WATCHDOG_TIMEOUT)
    }

    /// Joins without a listener of its own. The error is the reply that is not `Joined`.
    pub fn join(&mut self, name: &str, token: Token) -> Result<Joined, Reply> {
        self.join_with(Join::new(name, token, 0))
    }

    /// Joins with exactly these fields. The error is the reply that is not `Joined`.
    pub fn join_with(&mut self, join: Join) -> Result<Joined, Reply> {
        match self.ask(&Request::Join(join)).expect("the server replies to a Join") {
            Reply::Joined(joined) => Ok(joined),
            other => Err(other),
        }
    }

    /// Serves one `Receive`, and answers it where the server asks for an answer. Returns `None` at the clean
    /// end.
    pub fn serve_receive(&mut self) -> Result<Option<Callback>, RpcError> {
        let callback = self.connection.next_request(WATCHDOG_TIMEOUT, WATCHDOG_TIMEOUT)?;
        if let Some(Callback::Receive { answer: true, .. }) = callback {
            self.connection.reply(&CallbackReply::Received, WATCHDOG_TIMEOUT)?;
        }
        Ok(callback)
    }

    /// Writes exactly these bytes, sealed after the handshake of a closed room. An error means that the
    /// server has closed the connection.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.connection.stream().write_all(bytes, Instant::now() + WATCHDOG_TIMEOUT).map(drop)
    }

    /// Reads exactly this many bytes, as they come on the wire.
    ///
    /// # Errors
    /// When the connection ends before that, or the bytes do not come within the watchdog's timeout.
    pub fn read(&self, count: usize) -> io::Result<Vec<u8>> {
        self.stream.set_read_timeout(Some(WATCHDOG_TIMEOUT))?;
        let mut bytes = vec![0; count];
        (&self.stream).read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Writes a frame whose header announces `announced` bytes, which may differ from the length of
    /// `payload`.
    pub fn write_frame(&self, announced: u32, payload: &[u8]) -> io::Result<()> {
        self.write(&[&announced.to_le_bytes(), payload].concat())
    }

    /// Writes one byte at a time with a pause after each. Fails when the server closes before the end.
    pub fn write_byte_by_byte(&self, bytes: &[u8], pause: Duration) -> io::Result<()> {
        for byte in bytes {
            self.write(&[*byte])?;
            thread::sleep(pause);
        }
        Ok(())
    }

    /// Tells the peer that nothing more comes. A peer that has closed the connection already does not mind.
    pub fn stop_writing(&self) {
        if let Err(error) = self.stream.shutdown(Shutdown::Write) {
            assert_eq!(error.kind(), ErrorKind::NotConnected, "{error}");
        }
    }

    /// Reads until the server closes, and returns the bytes as they came.
    ///
    /// # Panics
    /// When the server does not close within the watchdog's timeout.
    pub fn read_until_closed(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // This fails on a socket that is shut down already. The read below then ends at once.
        let _ = self.stream.set_read_timeout(Some(WATCHDOG_TIMEOUT));
        match (&self.stream).read_to_end(&mut bytes) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!(
                    "waited {WATCHDOG_TIMEOUT:?} for the server to close the connection; it sent {bytes:?}"
                )
            }
            // A reset closes the connection as well as a clean end does.
            Ok(_) | Err(_) => bytes,
        }
    }
}

/// The bytes of the hello that opens a call connection.
pub fn caller_hello() -> [u8; HELLO_BYTES] {
    sealing::hello(Role::Call, Token::NONE).to_bytes()
}

/// The bytes of the answer that welcomes a caller.
pub fn welcome() -> Vec<u8> {
    answer_bytes(Status::Welcome).to_vec()
}

/// A token that no other session has.
pub fn random_token() -> Token {
    Token::random().expect("this system has a random source")
}
