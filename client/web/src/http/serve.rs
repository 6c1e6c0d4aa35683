//! Accepts connections, and serves one request on each. The calling thread accepts; each connection has a
//! thread `http` of its own.

use crate::http::{
    crowd::Crowd,
    request::{NoRequest, Request},
    response::{Response, StreamHead},
};
use chat_common::{
    program::{on_drop::OnDrop, shutdown::Shutdown, tasks},
    wire::stream::Stream,
};
use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    panic::{catch_unwind, AssertUnwindSafe},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// The stack of a connection's thread, as long as one of the server's. In bytes.
const STACK_BYTES: usize = 128 * 1024;
/// The time for a whole answer, and for a piece of a stream.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection is read after its answer. A reset, which is the alternative, can take the answer
/// away from its reader.
const LINGER: Duration = Duration::from_secs(1);
/// The pause after a failed `accept`, so that a lack of file descriptors does not make a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long the last lines of the streams may take when the program ends.
const LAST_LINES: Duration = Duration::from_millis(300);

/// One connection, as those see it that answer requests.
pub(crate) struct Connection {
    stream: Arc<Stream>,
    pub(crate) peer: SocketAddr,
    /// Our own address of the connection.
    pub(crate) local: SocketAddr,
}

impl Connection {
    /// Begins an answer that goes on.
    ///
    /// # Blocking
    /// On the peer, for 5 s at most.
    ///
    /// # Errors
    /// When the peer is gone, or does not read.
    pub(crate) fn begin_stream(&self) -> io::Result<()> {
        self.write(&StreamHead.to_bytes())
    }

    /// Writes a piece of the stream.
    ///
    /// # Blocking
    /// On the peer, for 5 s at most.
    ///
    /// # Errors
    /// When the peer is gone, or does not read.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes, Instant::now() + WRITE_TIMEOUT).map(drop)
    }
}

/// What becomes of a request.
pub(crate) enum Answer {
    /// It gets this answer.
    Response(Response),
    /// It was answered with a stream, which has ended.
    Streamed,
}

/// What answers requests, on the threads of the connections.
pub(crate) struct Handlers<'a> {
    /// Looks at a request before its body is read. An error is the answer to a request that is refused.
    pub(crate) check: &'a (dyn Fn(&Connection, &Request) -> Result<(), Response> + Sync),
    /// Answers a request.
    pub(crate) answer: &'a (dyn Fn(&Connection, &Request) -> Answer + Sync),
    /// Whether connections from this address are not counted.
    pub(crate) is_exempt: &'a (dyn Fn(IpAddr) -> bool + Sync),
}

/// Serves until the request to stop. Then `stopping` runs, and all connections end.
///
/// # Blocking
/// In `accept`. The request to stop wakes it. Then on `stopping`, and for less than a second on the threads
/// of the connections.
pub(crate) fn serve_loop(
    listener: &TcpListener,
    shutdown: &Shutdown,
    handlers: &Handlers<'_>,
    stopping: impl FnOnce(),
) {
    let (crowd, (task, serving)) = (Crowd::default(), tasks::begin());
    thread::scope(|scope| {
        for number in 0.. {
            let accepted = listener.accept();
            if shutdown.is_requested() {
                break;
            }
            let (socket, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    log::warn!("cannot accept a connection: {error}");
                    shutdown.sleep(ACCEPT_PAUSE);
                    continue;
                }
            };
            let Ok(local) = socket.local_addr() else { continue };
            let stream = Arc::new(Stream::new(socket));
            let ip = peer.ip().to_canonical();
            if !crowd.enter(number, ip, (handlers.is_exempt)(ip), &stream) {
                let busy = Response::text(503, "too many connections from your address").retry_after(5);
                let _ = stream.dismiss(&busy.to_bytes());
                continue;
            }
            let connection = Connection { stream, peer, local };
            let (crowd, task) = (&crowd, task.clone());
            let serve = move || {
                let _held_to_the_end = task;
                let _leave = OnDrop(|| crowd.leave(number));
                // A panic has been logged. It ends this connection alone.
                let _ = catch_unwind(AssertUnwindSafe(|| serve_connection(&connection, handlers)));
                connection.stream.shut_down();
            };
            let http = thread::Builder::new().name("http".into()).stack_size(STACK_BYTES);
            if let Err(error) = http.spawn_scoped(scope, serve) {
                crowd.leave(number);
                log::warn!("cannot start a thread: {error}");
            }
        }
        stopping();
        drop(task);
        serving.wait_for(LAST_LINES);
        crowd.shut_down();
    });
}

/// Reads one request and answers it.
///
/// # Blocking
/// On the peer, within the limits of the module.
fn serve_connection(connection: &Connection, handlers: &Handlers<'_>) {
    let stream = &connection.stream;
    let answer = match Request::read_head(stream) {
        Err(NoRequest::Gone(error)) => return log::debug!("no request from {}: {error}", connection.peer),
        Err(NoRequest::Refused(response)) => Answer::Response(response),
        Ok(mut request) => match (handlers.check)(connection, &request) {
            Err(response) => Answer::Response(response),
            Ok(()) => {
                if let Err(error) = request.read_body(stream) {
                    return log::debug!("no body from {}: {error}", connection.peer);
                }
                (handlers.answer)(connection, &request)
            }
        },
    };
    if let Answer::Response(response) = answer {
        if let Err(error) = connection.write(&response.to_bytes()) {
            return log::debug!("no answer to {}: {error}", connection.peer);
        }
    }
    linger(stream);
}

/// Ends the answer, and reads what the peer still sends.
///
/// # Blocking
/// On the peer, for a second at most.
fn linger(stream: &Stream) {
    let deadline = Instant::now() + LINGER;
    stream.shut_down_writing();
    let mut buffer = [0; 1024];
    while stream.read(&mut buffer, deadline).is_ok_and(|count| count > 0) {}
}
