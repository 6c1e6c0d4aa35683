//! One recipient: its position in the log, and the calls to its `Receive` that move it on.
//!
//! A call is started by whoever can. While a recipient has caught up, the broadcaster starts its next call as soon as there
//! is something to say; the recipient's own thread, `delivery`, sits in `read` and is not even woken. When a call wants an
//! answer, it is the thread's turn: the answer wakes it, and it goes on with all that has gathered in the log since, until the
//! recipient has caught up again. So a slow recipient gets fewer and larger calls, and a stuck one costs its position.
//!
//! Why the broadcaster can write to a socket and never block: it does so only while the calls that have not been
//! answered, this one included, are at most [`WINDOW_CALLS`] and [`WINDOW_BYTES`]. That fits into any send buffer. If the system
//! still says no, the recipient's line is ended, and its client resumes: nothing waits.
//!
//! Go: a goroutine per recipient per message, each free to overtake the other.
//!
//! ```go
//! for name, client := range clients { // the loop variable is shared by all the goroutines: half the room gets another's copy
//!     go func() { client.Call("Client.Receive", message, &reply) }()
//! }
//! ```

use crate::{
    limits::Limits,
    log::SharedLog,
    session::{Ending, Line},
    stats::Stats,
};
use chat_common::{
    batch::Batch,
    deadline::write_all,
    error::RpcError,
    protocol::CallbackReply,
    rpc::{Connection, Wait},
};
use std::{
    io::Write,
    net::TcpStream,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Calls without an answer in flight at the most. A call takes up to 2 KiB in the sender's kernel whatever its size, and the
/// smallest send buffer in use (Linux, a new connection) holds 46 KiB.
const WINDOW_CALLS: u32 = 16;
/// Bytes in them at the most, the call that starts included.
const WINDOW_BYTES: usize = 16 * 1024;
/// Payload of a call that the broadcaster starts: what one round of many senders brings, and half of the window.
pub const EAGER_BYTES: usize = 8 * 1024;
/// The time that a write which cannot block is allowed to take; the system rounds it up to its clock's tick.
const EAGER_WRITE_TIMEOUT: Duration = Duration::from_millis(1);
/// The memory that a recipient keeps for its next batch while it is idle, in bytes.
const KEPT_BYTES: usize = 1024;

/// A recipient, shared by the broadcaster and the recipient's thread.
#[derive(Debug)]
pub struct Recipient {
    line: Arc<Line>,
    stream: Arc<TcpStream>,
    /// Protects what follows, and which of the two may write to the stream.
    turn: Mutex<Turn>,
}

#[derive(Debug)]
struct Turn {
    /// The next sequence number to deliver.
    cursor: u64,
    /// When the call that wants an answer was started. `Some`: the thread is the writer. `None`: whoever holds the lock is.
    calling: Option<Instant>,
    /// Calls, and bytes in them, since the last answer.
    unanswered_calls: u32,
    unanswered_bytes: usize,
}

/// What the broadcaster has appended in one round, as one call that fits all who have no part in it.
#[derive(Debug, Default)]
pub struct Round {
    start: u64,
    /// Where `batch` ends, and where the log does.
    end: u64,
    next: u64,
    room_ended: bool,
    /// Sessions that must not get this call as it is, because they wrote some of it.
    authors: Vec<u64>,
    /// Whether some of it was private, so that nobody gets it as it is.
    private: bool,
    batch: Batch,
}

impl Round {
    /// Collects what `log` holds from `start` on. `authors` are the sessions that have said something in it.
    pub fn collect(&mut self, log: &SharedLog, start: u64, authors: &[u64], private: bool) {
        /// No session has this number, so nobody's own events are left out.
        const NOBODY: u64 = 0;
        self.start = start;
        self.end = start;
        self.private = private;
        self.authors.clear();
        self.authors.extend_from_slice(authors);
        self.batch.clear();
        let log = log.read();
        log.read_into(&mut self.end, NOBODY, EAGER_BYTES, &mut self.batch);
        self.next = log.next();
        self.room_ended = log.has_ended();
    }

    fn fits(&self, cursor: u64, id: u64) -> bool {
        cursor == self.start && self.batch.events() > 0 && !self.private && !self.authors.contains(&id)
    }
}

impl Recipient {
    /// A recipient on `line`, whose callback connection is `stream`, from position `cursor` on.
    pub fn new(line: Arc<Line>, stream: Arc<TcpStream>, cursor: u64) -> Recipient {
        let turn = Turn { cursor, calling: None, unanswered_calls: 0, unanswered_bytes: 0 };
        Recipient { line, stream, turn: Mutex::new(turn) }
    }

    /// The line that it is on.
    pub fn line(&self) -> &Arc<Line> {
        &self.line
    }

    /// The next sequence number to deliver.
    pub fn cursor(&self) -> u64 {
        self.lock().cursor
    }

    /// Starts a call with what the log holds for this recipient, unless one is in flight: its answer will bring the thread here.
    /// The broadcaster calls this after it has appended; `spare` is its scratch space.
    ///
    /// Invariant: it appends first and looks at the turn afterwards, and the thread looks at the log while it holds the turn. So
    /// either the thread sees the new events, or the broadcaster sees that the thread has gone to sleep.
    pub fn offer(&self, log: &SharedLog, round: &mut Round, spare: &mut Batch, stats: &Stats) {
        let mut turn = self.lock();
        if turn.calling.is_some() {
            return;
        }
        let batch = if round.fits(turn.cursor, self.line.session.id) {
            turn.cursor = round.end;
            &mut round.batch
        } else {
            spare.clear();
            log.read().read_into(&mut turn.cursor, self.line.session.id, EAGER_BYTES, spare);
            spare
        };
        // A call can be empty and still have more to come: an event too long to be started from here. Its answer, as that of
        // any ping, sends the thread to the log.
        let more = turn.cursor < round.next;
        if batch.events() == 0 && !more {
            return; // All of it was this recipient's own.
        }
        turn.unanswered_calls += 1;
        turn.unanswered_bytes += batch.payload_bytes();
        let full =
            turn.unanswered_calls >= WINDOW_CALLS || turn.unanswered_bytes > WINDOW_BYTES - EAGER_BYTES;
        let answer = more || round.room_ended || full;
        // Before the write, because the answer may come before the write returns.
        turn.calling = answer.then(Instant::now);
        stats.delivered(batch.events());
        let frame = batch.finish(answer);
        let length = frame.len();
        // One call and no loop: what is not taken at once shows that the peer, or the system, is in trouble.
        if !matches!((&*self.stream).write(frame), Ok(count) if count == length) {
            self.line.end(Ending::Lost("connection lost"));
        }
    }

    /// After an answer: the next call into `batch`, or `None` when the recipient has caught up and the turn is given back.
    fn next_call(&self, log: &SharedLog, limit: usize, batch: &mut Batch) -> Result<Next, RpcError> {
        let mut turn = self.lock();
        if turn.calling.take().is_none() {
            return Err(RpcError::Unasked);
        }
        turn.unanswered_calls = 0;
        turn.unanswered_bytes = 0;
        batch.clear();
        let log = log.read();
        log.read_into(&mut turn.cursor, self.line.session.id, limit, batch);
        if batch.events() > 0 {
            turn.calling = Some(Instant::now());
            return Ok(Next::Call);
        }
        Ok(if log.has_ended() { Next::Done } else { Next::Idle })
    }

    /// Until when the thread should wait for the peer, and whether the peer owes an answer.
    fn patience(&self, limits: &Limits) -> (Instant, bool) {
        match self.lock().calling {
            Some(since) => (since + limits.receive_timeout, true),
            None => (Instant::now() + limits.ping_after, false),
        }
    }

    /// Takes the turn for a ping. False when the broadcaster has just started a call.
    fn begin_ping(&self) -> bool {
        let mut turn = self.lock();
        let idle = turn.calling.is_none();
        if idle {
            turn.calling = Some(Instant::now());
        }
        idle
    }

    fn lock(&self) -> MutexGuard<'_, Turn> {
        // A panic while it was held ends this recipient; the others have their own.
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Next {
    Call,
    Idle,
    Done,
}

/// The whole life of a recipient's thread: waits for answers, and goes on with what has gathered.
///
/// # Blocking
/// On the recipient, under the limits' deadlines; [`Line::end`] wakes it.
///
/// # Errors
/// Why the recipient was lost. `Ok` is the end of the room, with everything delivered.
pub fn delivery_loop(
    recipient: &Recipient,
    connection: &mut Connection,
    log: &SharedLog,
    limits: &Limits,
    stats: &Stats,
) -> Result<(), RpcError> {
    recipient.stream.set_write_timeout(Some(EAGER_WRITE_TIMEOUT))?;
    let mut batch = Batch::new();
    loop {
        let (deadline, owes_answer) = recipient.patience(limits);
        match connection.wait(deadline)? {
            Wait::Ended => return Err(RpcError::Closed),
            Wait::Ready => {
                connection
                    .receive::<CallbackReply>(Instant::now() + limits.frame_timeout)?
                    .ok_or(RpcError::Closed)?;
                match recipient.next_call(log, limits.max_frame.0, &mut batch)? {
                    Next::Call => call(recipient, &mut batch, limits, stats)?,
                    Next::Idle => batch.shrink_to(KEPT_BYTES),
                    Next::Done => return Ok(()),
                }
            }
            Wait::Silence if owes_answer => return Err(RpcError::TimedOut),
            Wait::Silence => {
                if recipient.begin_ping() {
                    batch.clear();
                    call(recipient, &mut batch, limits, stats)?;
                }
            }
        }
    }
}

/// Starts a call that wants an answer. The caller has the turn.
fn call(recipient: &Recipient, batch: &mut Batch, limits: &Limits, stats: &Stats) -> Result<(), RpcError> {
    stats.delivered(batch.events());
    write_all(&recipient.stream, batch.finish(true), Instant::now() + limits.receive_timeout)?;
    Ok(recipient.stream.set_write_timeout(Some(EAGER_WRITE_TIMEOUT))?)
}
