//! The harness: runs a client, and lets the test play the server.

use chat_client::{Channels, Input, JoinOptions, Outcome, Stop, UiEvent};
use chat_common::wire::{
    error::RpcError,
    hello::Role,
    protocol::{Callback, Cause, Event, EventKind, Join, Joined, Refusal, Reply, Request, FRAME_BYTES},
    rpc::Connection,
    status::Status,
    stream::Stream,
    token::Token,
};
use crossbeam_channel::{bounded, unbounded, Receiver, Sender};
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

/// Only a test that hangs takes longer than this.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(20);

/// The test's ends of all channels of the client, and the server's listener.
pub(crate) struct Harness {
    pub(crate) listener: TcpListener,
    pub(crate) input_tx: Sender<Input>,
    pub(crate) stop_tx: Sender<Stop>,
    pub(crate) event_rx: Receiver<UiEvent>,
    pub(crate) outcome_rx: Receiver<Outcome>,
}

/// Runs a client during a test. `change` may change its options.
pub(crate) fn run_client(change: impl FnOnce(&mut JoinOptions), test: impl FnOnce(Harness)) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut options = JoinOptions::new(listener.local_addr().unwrap().to_string());
    options.member.name = Some("Alice".into());
    change(&mut options);
    let (input_tx, input_rx) = bounded(100);
    let (stop_tx, stop_rx) = bounded(1);
    let (event_tx, event_rx) = unbounded();
    let (outcome_tx, outcome_rx) = bounded(1);
    let channels = Channels { input_rx, stop_rx };
    thread::scope(|scope| {
        let client = thread::Builder::new().name("client".into());
        client
            .spawn_scoped(scope, || {
                let event_tx = event_tx;
                let show = |event| event_tx.send(event).unwrap_or(());
                let outcome = chat_client::run(&options, &channels, &show);
                outcome_tx.send(outcome).unwrap_or(());
            })
            .unwrap();
        test(Harness { listener, input_tx, stop_tx, event_rx, outcome_rx });
    });
}

impl Harness {
    pub(crate) fn says(&self, text: &str) {
        self.wants(Input::message(text));
    }

    pub(crate) fn wants(&self, input: Input) {
        self.input_tx.send(input).unwrap();
    }

    /// Returns the next event that a person is shown.
    pub(crate) fn next_event(&self) -> UiEvent {
        loop {
            match self.event_rx.recv_timeout(TEST_TIMEOUT).expect("the client shows another event") {
                UiEvent::JoinRefused(_) => {}
                event => return event,
            }
        }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome_rx.recv_timeout(TEST_TIMEOUT).expect("the client ends")
    }

    /// Stops the client, and expects that it leaves.
    pub(crate) fn stop(&self, call: &mut Connection) {
        self.stop_tx.send(Stop::Now).unwrap();
        assert_eq!(next_request(call), Request::Leave);
    }

    /// Accepts the next connection.
    pub(crate) fn accept_stream(&self) -> Connection {
        let accepting = self.listener.try_clone().unwrap();
        let (accepted_tx, accepted_rx) = bounded(1);
        let listener = thread::Builder::new().name("listener".into());
        listener.spawn(move || accepted_tx.send(accepting.accept().unwrap().0)).unwrap();
        let accepted = accepted_rx.recv_timeout(TEST_TIMEOUT).expect("the client connects");
        Connection::new(Arc::new(Stream::new(accepted)), FRAME_BYTES)
    }

    /// Refuses the hello of the next connection.
    pub(crate) fn refuse_hello(&self, status: Status) {
        let mut call = self.accept_stream();
        call.read_hello(TEST_TIMEOUT).unwrap();
        call.refuse(status);
    }

    /// Accepts the next connection and its hello.
    pub(crate) fn accept(&self) -> (Connection, Role, Token) {
        let mut connection = self.accept_stream();
        let hello = connection.read_hello(TEST_TIMEOUT).unwrap().unwrap();
        connection.welcome(TEST_TIMEOUT).unwrap();
        (connection, hello.role, hello.token)
    }

    /// Lets a client without a name find the server. Its connection ends before the question for the name.
    pub(crate) fn is_found(&self) {
        let (mut call, role, _) = self.accept();
        assert_eq!(role, Role::Call);
        assert_eq!(call.next_request::<Request>(TEST_TIMEOUT, TEST_TIMEOUT).unwrap(), None);
    }

    /// Accepts a call connection and its Join.
    pub(crate) fn accept_join(&self) -> (Connection, Join) {
        let (mut call, role, _) = self.accept();
        assert_eq!(role, Role::Call);
        let Request::Join(join) = next_request(&mut call) else { panic!("the first request is a Join") };
        (call, join)
    }

    /// Lets the client join: returns the call connection, the callback connection, and the Join.
    pub(crate) fn accept_member(&self, room: u64) -> (Connection, Connection, Join) {
        let (mut call, join) = self.accept_join();
        let callback = dial(&join).unwrap();
        reply(&mut call, &joined_reply(room, true));
        (call, callback, join)
    }
}

/// Returns the next request that is not a ping.
pub(crate) fn next_request(call: &mut Connection) -> Request {
    loop {
        match call.next_request(TEST_TIMEOUT, TEST_TIMEOUT).unwrap().unwrap() {
            Request::Ping => reply(call, &Reply::Pong),
            request => return request,
        }
    }
}

pub(crate) fn reply(call: &mut Connection, reply: &Reply) {
    call.reply(reply, TEST_TIMEOUT).unwrap();
}

pub(crate) fn refuse(call: &mut Connection, cause: Cause) {
    reply(call, &Reply::Refused(Refusal { cause, text: format!("{cause:?}") }));
}

pub(crate) fn joined_reply(room: u64, called_back: bool) -> Reply {
    Reply::Joined(Joined { room, sequence: 5, called_back, text_limit: 10, kept_for: None, motd: None })
}

pub(crate) fn stream_to(join: &Join) -> TcpStream {
    TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, join.port))).unwrap()
}

pub(crate) fn dial(join: &Join) -> Result<Connection, RpcError> {
    let mut callback = Connection::new(Arc::new(Stream::new(stream_to(join))), FRAME_BYTES);
    callback.greet(Role::Callback, join.token, TEST_TIMEOUT).map(|_| callback)
}

pub(crate) fn message_event(sequence: u64) -> Event {
    let kind = EventKind::Message {
        author: "Sara".into(),
        message_id: sequence,
        repeated: false,
        text: "hello".into(),
    };
    Event { sequence, time: 0, kind }
}

pub(crate) fn receive_call(sequence: u64) -> Callback {
    Callback::Receive { answer: true, events: vec![message_event(sequence)] }
}

/// Returns the message id and the text of a Broadcast.
pub(crate) fn broadcast(request: Request) -> (u64, String) {
    match request {
        Request::Broadcast { message_id, text, .. } => (message_id, text),
        other => panic!("{other:?}"),
    }
}
