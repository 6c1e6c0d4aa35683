//! The stage: a client that runs, and the words of the server that the test plays.

use chat_client::settings::{
    channels::{Input, Outcome, Stop, Wires},
    options::JoinOptions,
    shown::Shown,
};
use chat_common::{
    error::RpcError,
    hello::Role,
    protocol::{Callback, Cause, Event, EventKind, Join, Joined, Refusal, Reply, Request, FRAME_BYTES},
    rpc::Connection,
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

/// Nothing here takes as long as this unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The test's side of everything.
pub(crate) struct Stage {
    pub(crate) listener: TcpListener,
    pub(crate) input: Sender<Input>,
    pub(crate) stop: Sender<Stop>,
    pub(crate) shown: Receiver<Shown>,
    pub(crate) outcome: Receiver<Outcome>,
}

/// Runs a client against the play.
pub(crate) fn play(change: impl FnOnce(&mut JoinOptions), play: impl FnOnce(Stage)) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut options = JoinOptions::new(listener.local_addr().unwrap().to_string());
    options.name = Some("Alice".into());
    change(&mut options);
    let (input, input_rx) = bounded(100);
    let (stop, stop_rx) = bounded(1);
    let (shown_tx, shown) = unbounded();
    let (outcome_tx, outcome) = bounded(1);
    let wires = Wires { input: input_rx, stop: stop_rx };
    thread::scope(|scope| {
        let client = thread::Builder::new().name("client".into());
        client
            .spawn_scoped(scope, || {
                let shown_tx = shown_tx;
                let outcome = chat_client::run(&options, &wires, &|shown| shown_tx.send(shown).unwrap_or(()));
                outcome_tx.send(outcome).unwrap_or(());
            })
            .unwrap();
        play(Stage { listener, input, stop, shown, outcome });
    });
}

impl Stage {
    pub(crate) fn says(&self, line: &str) {
        self.input.send(Input::Line(line.into())).unwrap();
    }

    pub(crate) fn sees(&self) -> Shown {
        self.shown.recv_timeout(PATIENCE).expect("the client shows something more")
    }

    pub(crate) fn ends(&self) -> Outcome {
        self.outcome.recv_timeout(PATIENCE).expect("the client ends")
    }

    /// Accepts the next connection and its hello.
    pub(crate) fn accept(&self) -> (Connection, Role, Token) {
        let mut connection =
            Connection::new(Arc::new(Stream::new(self.listener.accept().unwrap().0)), FRAME_BYTES);
        let hello = connection.read_hello(PATIENCE).unwrap().unwrap();
        connection.welcome(&hello, PATIENCE).unwrap();
        (connection, hello.role, hello.token)
    }

    /// Accepts a call connection, and the Join on it.
    pub(crate) fn join(&self) -> (Connection, Join) {
        let (mut call, role, _) = self.accept();
        assert_eq!(role, Role::Call);
        let Request::Join(join) = asks(&mut call) else { panic!("the first request is a Join") };
        (call, join)
    }

    /// All of a join: the call connection, the callback, and what the client asked for.
    pub(crate) fn let_in(&self, room: u64) -> (Connection, Connection, Join) {
        let (mut call, join) = self.join();
        let callback = dial(&join).unwrap();
        answers(&mut call, &joined(room, true));
        (call, callback, join)
    }
}

pub(crate) fn asks(call: &mut Connection) -> Request {
    loop {
        match call.next_request(PATIENCE, PATIENCE).unwrap().unwrap() {
            Request::Ping => answers(call, &Reply::Pong),
            request => return request,
        }
    }
}

pub(crate) fn answers(call: &mut Connection, reply: &Reply) {
    call.reply(reply, PATIENCE).unwrap();
}

pub(crate) fn refuses(call: &mut Connection, cause: Cause) {
    answers(call, &Reply::Refused(Refusal { cause, text: format!("{cause:?}") }));
}

pub(crate) fn joined(room: u64, called_back: bool) -> Reply {
    Reply::Joined(Joined { room, sequence: 5, called_back, text_limit: 10, motd: None })
}

pub(crate) fn stream_to(join: &Join) -> TcpStream {
    TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, join.port))).unwrap()
}

pub(crate) fn dial(join: &Join) -> Result<Connection, RpcError> {
    let mut callback = Connection::new(Arc::new(Stream::new(stream_to(join))), FRAME_BYTES);
    callback.greet(Role::Callback, join.token, PATIENCE).map(|_| callback)
}

pub(crate) fn message(sequence: u64) -> Event {
    let kind = EventKind::Message { author: "Sara".into(), message_id: sequence, text: "hello".into() };
    Event { sequence, time: 0, kind }
}

pub(crate) fn receive(sequence: u64) -> Callback {
    Callback::Receive { answer: true, events: vec![message(sequence)] }
}

pub(crate) fn broadcast(request: Request) -> (u64, String) {
    match request {
        Request::Broadcast { message_id, text } => (message_id, text),
        other => panic!("{other:?}"),
    }
}
