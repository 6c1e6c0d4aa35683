//! A peer driven by hand: it speaks the wire, or misspeaks it, one step at a time, on the thread of its test.

use crate::watchdog::PATIENCE;
use chat_common::{
    error::RpcError,
    hello::{answer_bytes, Hello, Role, HELLO_BYTES},
    protocol::{Callback, CallbackReply, Join, Joined, Reply, Request, FRAME_BYTES},
    rpc::Connection,
    status::Status,
    stream::Stream,
    token::Token,
};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

/// One connection, with all that is needed to do right and wrong on it.
#[derive(Debug)]
pub struct RawPeer {
    /// The socket, for bytes that no honest peer sends.
    pub stream: TcpStream,
    /// The same socket, for honest calls.
    pub connection: Connection,
}

impl RawPeer {
    /// Connects and says nothing.
    pub fn dial(server: SocketAddr) -> RawPeer {
        let stream = TcpStream::connect_timeout(&server, PATIENCE).expect("the server accepts connections");
        RawPeer::over(stream)
    }

    /// Takes over a stream that somebody else has connected or accepted.
    pub fn over(stream: TcpStream) -> RawPeer {
        let same = stream.try_clone().expect("this process has descriptors left");
        RawPeer { connection: Connection::new(Arc::new(Stream::new(same)), FRAME_BYTES), stream }
    }

    /// Connects and says hello as a caller.
    pub fn call(server: SocketAddr) -> Result<RawPeer, RpcError> {
        let mut peer = RawPeer::dial(server);
        peer.connection.greet(Role::Call, Token::NONE, PATIENCE)?;
        Ok(peer)
    }

    /// Connects and offers to serve `Receive` for the session with this token.
    pub fn open_callback(server: SocketAddr, token: Token) -> Result<RawPeer, RpcError> {
        let mut peer = RawPeer::dial(server);
        peer.connection.greet(Role::OpenedCallback, token, PATIENCE)?;
        Ok(peer)
    }

    /// Waits for the server's callback on a listener of its own and welcomes it, whatever its token.
    pub fn be_called_back(listener: &TcpListener) -> RawPeer {
        let mut peer = RawPeer::over(listener.accept().unwrap().0);
        let hello = peer.connection.read_hello(PATIENCE).unwrap().expect("whoever dials says hello");
        assert_eq!(hello.role, Role::Callback);
        peer.connection.welcome(&hello, PATIENCE).unwrap();
        peer
    }

    /// Asks one thing and reads the reply.
    pub fn ask(&mut self, request: &Request) -> Result<Reply, RpcError> {
        self.connection.call(request, PATIENCE)
    }

    /// Joins without a listener of its own.
    pub fn join(&mut self, name: &str, token: Token) -> Result<Joined, Reply> {
        self.join_with(Join { name: name.to_owned(), token, port: 0, history: 0, resume: None })
    }

    /// Joins with these very fields.
    pub fn join_with(&mut self, join: Join) -> Result<Joined, Reply> {
        match self.ask(&Request::Join(join)).expect("a Join is answered") {
            Reply::Joined(joined) => Ok(joined),
            other => Err(other),
        }
    }

    /// Serves one `Receive` and answers it where an answer is wanted. `None` at the clean end.
    pub fn serve_one(&mut self) -> Result<Option<Callback>, RpcError> {
        let callback = self.connection.next_request(PATIENCE, PATIENCE)?;
        if let Some(Callback::Receive { answer: true, .. }) = callback {
            self.connection.reply(&CallbackReply::Received, PATIENCE)?;
        }
        Ok(callback)
    }

    /// Writes these very bytes. An error means that the server has closed already.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        // Honest calls leave their own deadlines on the socket.
        self.stream.set_write_timeout(Some(PATIENCE))?;
        (&self.stream).write_all(bytes)
    }

    /// Writes a frame with this payload, whose header announces `announced` bytes.
    pub fn write_frame(&self, announced: u32, payload: &[u8]) -> io::Result<()> {
        self.write(&[&announced.to_le_bytes(), payload].concat())
    }

    /// Writes one byte at a time with a pause after each, until all is written or the server has had enough.
    pub fn dribble(&self, bytes: &[u8], pause: Duration) -> io::Result<()> {
        for byte in bytes {
            self.write(&[*byte])?;
            thread::sleep(pause);
        }
        Ok(())
    }

    /// Reads whatever still comes until the server closes.
    ///
    /// # Panics
    /// When it does not close within the watchdog's patience.
    pub fn read_until_closed(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // On a socket that is shut down already this fails, and so does the read.
        let _ = self.stream.set_read_timeout(Some(PATIENCE));
        match (&self.stream).read_to_end(&mut bytes) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("waited {PATIENCE:?} for the server to close the connection, and read {bytes:?}")
            }
            // A reset closes as well as a clean end does.
            Ok(_) | Err(_) => bytes,
        }
    }
}

/// The hello of a caller, as bytes.
pub fn caller_hello() -> [u8; HELLO_BYTES] {
    Hello::new(Role::Call, Token::NONE).to_bytes()
}

/// The answer that welcomes a caller, as bytes.
pub fn welcome() -> Vec<u8> {
    answer_bytes(Status::Welcome, 1).to_vec()
}

/// A token nobody else has.
pub fn token() -> Token {
    Token::random().expect("this system has a random source")
}
