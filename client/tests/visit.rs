//! Visits to a room whose server is played by the test, word by word: what no honest server would do on demand.
// Test code: a panic is how a failure is told.
#![allow(clippy::unwrap_used)]

use chat_client::{Input, JoinOptions, Outcome, Said, Shown, Stop, Wires};
use chat_common::{
    error::RpcError,
    hello::{Role, Status},
    protocol::{
        Callback, CallbackReply, Cause, Event, Join, Joined, Refusal, Reply, Request, What, FRAME_BYTES,
    },
    rpc::Connection,
    token::Token,
};
use crossbeam_channel::{bounded, unbounded, Receiver, RecvTimeoutError, Sender};
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// Nothing here takes as long as this unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// The test's side of everything.
struct Stage {
    listener: TcpListener,
    input: Sender<Input>,
    stop: Sender<Stop>,
    shown: Receiver<Shown>,
    outcome: Receiver<Outcome>,
}

/// Runs a client against the play.
fn play(change: impl FnOnce(&mut JoinOptions), play: impl FnOnce(Stage)) {
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
    fn says(&self, line: &str) {
        self.input.send(Input::Line(line.into())).unwrap();
    }

    fn sees(&self) -> Shown {
        self.shown.recv_timeout(PATIENCE).expect("the client shows something more")
    }

    fn ends(&self) -> Outcome {
        self.outcome.recv_timeout(PATIENCE).expect("the client ends")
    }

    /// Accepts the next connection and its hello.
    fn accept(&self) -> (Connection, Role, Token) {
        let mut connection = Connection::new(Arc::new(self.listener.accept().unwrap().0), FRAME_BYTES);
        let hello = connection.read_hello(PATIENCE).unwrap().unwrap();
        connection.welcome(&hello, PATIENCE).unwrap();
        (connection, hello.role, hello.token)
    }

    /// Accepts a call connection, and the Join on it.
    fn join(&self) -> (Connection, Join) {
        let (mut call, role, _) = self.accept();
        assert_eq!(role, Role::Call);
        let Request::Join(join) = asks(&mut call) else { panic!("the first request is a Join") };
        (call, join)
    }

    /// All of a join: the call connection, the callback, and what the client asked for.
    fn let_in(&self, room: u64) -> (Connection, Connection, Join) {
        let (mut call, join) = self.join();
        let callback = dial(&join).unwrap();
        answers(&mut call, &joined(room, true));
        (call, callback, join)
    }
}

fn asks(call: &mut Connection) -> Request {
    loop {
        match call.next_request(PATIENCE, PATIENCE).unwrap().unwrap() {
            Request::Ping => answers(call, &Reply::Pong),
            request => return request,
        }
    }
}

fn answers(call: &mut Connection, reply: &Reply) {
    call.reply(reply, PATIENCE).unwrap();
}

fn refuses(call: &mut Connection, cause: Cause) {
    answers(call, &Reply::Refused(Refusal { cause, text: format!("{cause:?}") }));
}

fn joined(room: u64, called_back: bool) -> Reply {
    Reply::Joined(Joined { room, sequence: 5, called_back, text_limit: 10, motd: None })
}

fn stream_to(join: &Join) -> TcpStream {
    TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, join.port))).unwrap()
}

fn dial(join: &Join) -> Result<Connection, RpcError> {
    let mut callback = Connection::new(Arc::new(stream_to(join)), FRAME_BYTES);
    callback.greet(Role::Callback, join.token, PATIENCE).map(|_| callback)
}

fn message(sequence: u64) -> Event {
    let what = What::Message { author: "Sara".into(), number: sequence, text: "hello".into() };
    Event { sequence, time: 0, what }
}

fn receive(sequence: u64) -> Callback {
    Callback::Receive { answer: true, events: vec![message(sequence)] }
}

fn broadcast(request: Request) -> (u64, String) {
    match request {
        Request::Broadcast { number, text } => (number, text),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pipe_says_its_lines_and_leaves() {
    play(
        |_| {},
        |stage| {
            stage.says("hi");
            stage.input.send(Input::Text("/a text of more than ten bytes".into())).unwrap();
            stage.input.send(Input::End).unwrap();
            let (mut call, _callback, join) = stage.let_in(1);
            assert_eq!((join.name.as_str(), join.resume, join.history), ("Alice", None, 0));
            let mut first = None;
            for (offset, part) in ["hi", "/a text of", " more than", " ten bytes"].into_iter().enumerate() {
                let (number, text) = broadcast(asks(&mut call));
                assert_eq!(number, *first.get_or_insert(number) + offset as u64);
                assert_eq!(text, part);
                answers(&mut call, &Reply::Accepted { sequence: 6 + offset as u64 });
            }
            assert_eq!(asks(&mut call), Request::Leave);
            answers(&mut call, &Reply::Left);
            assert_eq!(stage.ends(), Outcome::Left);
        },
    );
}

#[test]
fn nothing_is_shown_before_the_join_is() {
    play(
        |_| {},
        |stage| {
            let (mut call, join) = stage.join();
            let mut callback = dial(&join).unwrap();
            thread::scope(|scope| {
                // The server delivers while its reply to the Join is still on its way.
                let delivery = scope.spawn(|| callback.call::<_, CallbackReply>(&receive(6), PATIENCE));
                assert!(stage.shown.recv_timeout(Duration::from_millis(200)).is_err());
                answers(&mut call, &joined(1, true));
                assert_eq!(delivery.join().unwrap().unwrap(), CallbackReply::Received);
            });
            assert!(matches!(stage.sees(), Shown::Connected { room: 1, sequence: 5, .. }));
            assert_eq!(stage.sees(), Shown::Event { event: message(6), earlier: false });
            stage.stop.send(Stop::Now).unwrap();
            assert_eq!(asks(&mut call), Request::Leave);
            answers(&mut call, &Reply::Left);
        },
    );
}

#[test]
fn an_unanswered_message_is_repeated_under_its_number_when_the_session_resumes() {
    play(
        |_| {},
        |stage| {
            let (mut call, mut callback, join) = stage.let_in(1);
            assert!(matches!(stage.sees(), Shown::Connected { .. }));
            let _: CallbackReply = callback.call(&receive(8), PATIENCE).unwrap();
            assert!(matches!(stage.sees(), Shown::Event { .. }));
            stage.says("hi");
            let (number, _) = broadcast(asks(&mut call));
            drop((call, callback));
            assert!(matches!(stage.sees(), Shown::Lost { .. }));

            let (mut call, _callback, again) = stage.let_in(1);
            assert_eq!((again.token, again.resume), (join.token, Some(8)));
            assert_eq!(stage.sees(), Shown::Regained { waiting: 1 });
            assert_eq!(broadcast(asks(&mut call)), (number, "hi".into()));
            answers(&mut call, &Reply::Accepted { sequence: 9 });
            let said = Said::Message("hi".into());
            assert_eq!(stage.sees(), Shown::Accepted { number, sequence: 9, said });
            stage.input.send(Input::End).unwrap();
            assert_eq!(asks(&mut call), Request::Leave);
        },
    );
}

#[test]
fn after_a_restart_the_client_joins_anew_and_says_what_waited() {
    play(
        |_| {},
        |stage| {
            let (call, callback, _) = stage.let_in(1);
            assert!(matches!(stage.sees(), Shown::Connected { .. }));
            drop((call, callback));
            assert!(matches!(stage.sees(), Shown::Lost { .. }));
            let (mut call, join) = stage.join();
            assert_eq!(join.resume, Some(0));
            stage.says("hi");
            refuses(&mut call, Cause::UnknownSession);
            let Request::Join(join) = asks(&mut call) else { panic!("another Join") };
            assert_eq!(join.resume, None);
            let _callback = dial(&join).unwrap();
            answers(&mut call, &joined(2, true));
            assert!(matches!(stage.sees(), Shown::Rejoined { restarted: true, room: 2, .. }));
            assert_eq!(broadcast(asks(&mut call)).1, "hi");
            answers(&mut call, &Reply::Accepted { sequence: 6 });
            stage.stop.send(Stop::Now).unwrap();
            assert_eq!(asks(&mut call), Request::Leave);
        },
    );
}

#[test]
fn the_loss_of_the_callback_alone_ends_the_connection() {
    play(
        |_| {},
        |stage| {
            let (mut call, callback, _) = stage.let_in(1);
            drop(callback);
            assert!(call.next_request::<Request>(PATIENCE, PATIENCE).unwrap().is_none());
            let (mut call, _callback, join) = stage.let_in(1);
            assert_eq!(join.resume, Some(0));
            stage.stop.send(Stop::Now).unwrap();
            assert_eq!(asks(&mut call), Request::Leave);
        },
    );
}

#[test]
fn a_busy_server_gets_the_same_request_again() {
    play(
        |_| {},
        |stage| {
            stage.says("hi");
            let (mut call, _callback, _) = stage.let_in(1);
            let first = asks(&mut call);
            for _ in 0..3 {
                refuses(&mut call, Cause::Busy);
                assert_eq!(asks(&mut call), first);
            }
            answers(&mut call, &Reply::Accepted { sequence: 6 });
            stage.stop.send(Stop::Now).unwrap();
            assert_eq!(asks(&mut call), Request::Leave);
        },
    );
}

#[test]
fn a_person_is_asked_for_another_name_and_a_program_fails() {
    play(
        |options| options.interactive = true,
        |stage| {
            let (mut call, _) = stage.join();
            refuses(&mut call, Cause::NameTaken);
            assert_eq!(stage.sees(), Shown::Refused("NameTaken".into()));
            assert_eq!(stage.sees(), Shown::AskName);
            stage.says(" Alicia ");
            let (mut call, _callback, join) = stage.let_in(1);
            assert_eq!((join.name.as_str(), join.resume), ("Alicia", None));
            stage.says("/quit");
            assert_eq!(asks(&mut call), Request::Leave);
        },
    );
    play(
        |_| {},
        |stage| {
            let (mut call, _) = stage.join();
            refuses(&mut call, Cause::NameTaken);
            assert_eq!(stage.ends(), Outcome::Failed("NameTaken".into()));
        },
    );
}

#[test]
fn a_session_that_is_over_ends_the_visit() {
    play(
        |_| {},
        |stage| {
            drop(stage.let_in(1));
            let (mut call, _) = stage.join();
            refuses(&mut call, Cause::SessionOver);
            assert_eq!(stage.ends(), Outcome::Failed("SessionOver".into()));
        },
    );
}

#[test]
fn what_is_typed_without_a_connection_waits_and_leaving_is_possible_at_once() {
    play(
        |options| options.interactive = true,
        |stage| {
            let connections = stage.let_in(1);
            assert!(matches!(stage.sees(), Shown::Connected { .. }));
            let Stage { listener, input, shown, outcome, stop: _stop } = stage;
            drop((connections, listener));
            let sees = || shown.recv_timeout(PATIENCE).unwrap();
            assert!(matches!(sees(), Shown::Lost { .. }));
            input.send(Input::Line("hi".into())).unwrap();
            assert_eq!(sees(), Shown::Waiting("hi".into()));
            input.send(Input::Line("exit".into())).unwrap();
            assert_eq!(sees(), Shown::Unsent(1));
            assert_eq!(sees(), Shown::Bye);
            assert_eq!(outcome.recv_timeout(PATIENCE), Ok(Outcome::Left));
        },
    );
}

#[test]
fn strangers_are_turned_away_and_do_not_keep_the_server_waiting() {
    play(
        |_| {},
        |stage| {
            let (mut call, join) = stage.join();
            let _silent: Vec<TcpStream> = (0..3).map(|_| stream_to(&join)).collect();
            let forged = Join { token: Token::from_bytes([7; 16]), ..join.clone() };
            assert!(matches!(dial(&forged), Err(RpcError::Refused { status: Status::UnknownToken, .. })));
            let mut callback = dial(&join).unwrap();
            // There is one callback, whoever knows the token.
            assert!(matches!(dial(&join), Err(RpcError::Refused { status: Status::Busy, .. })));
            answers(&mut call, &joined(1, true));
            let _: CallbackReply = callback.call(&receive(6), PATIENCE).unwrap();
            stage.stop.send(Stop::Now).unwrap();
            assert_eq!(asks(&mut call), Request::Leave);
        },
    );
}

#[test]
fn a_client_that_cannot_be_dialled_dials_and_is_served_the_same_way() {
    play(
        |options| options.listen = false,
        |stage| {
            let (mut call, join) = stage.join();
            assert_eq!(join.port, 0);
            answers(&mut call, &joined(1, false));
            let (mut callback, role, token) = stage.accept();
            assert_eq!((role, token), (Role::OpenedCallback, join.token));
            assert!(matches!(stage.sees(), Shown::Connected { .. }));
            assert_eq!(stage.sees(), Shown::OpenedCallback);
            let _: CallbackReply = callback.call(&receive(6), PATIENCE).unwrap();
            assert_eq!(stage.sees(), Shown::Event { event: message(6), earlier: false });
            stage.stop.send(Stop::Now).unwrap();
            assert_eq!(asks(&mut call), Request::Leave);
        },
    );
}

#[test]
fn a_server_that_is_not_there_is_a_failure_at_first() {
    play(
        |options| options.server = "127.0.0.1:1".into(),
        |stage| {
            let Outcome::Failed(reason) = stage.ends() else { panic!("there is no such server") };
            assert!(reason.contains("127.0.0.1:1"), "{reason}");
        },
    );
}

#[test]
fn a_port_that_the_server_does_not_dial_is_done_without() {
    play(
        |_| {},
        |stage| {
            let (mut call, join) = stage.join();
            assert_ne!(join.port, 0);
            refuses(&mut call, Cause::InvalidPort);
            let Request::Join(join) = asks(&mut call) else { panic!("another Join") };
            assert_eq!(join.port, 0);
            answers(&mut call, &joined(1, false));
            let (_callback, role, _) = stage.accept();
            assert_eq!(role, Role::OpenedCallback);
            stage.stop.send(Stop::Now).unwrap();
            assert_eq!(asks(&mut call), Request::Leave);
        },
    );
}

#[test]
fn whoever_is_asked_for_a_name_may_leave() {
    for stop in [Stop::Now, Stop::WhenSent] {
        play(
            |options| options.name = None,
            |stage| {
                assert_eq!(stage.sees(), Shown::AskName);
                stage.stop.send(stop).unwrap();
                assert_eq!(stage.ends(), Outcome::Left);
            },
        );
    }
}

#[test]
fn who_says_exit_instead_of_a_name_leaves() {
    for way in ["exit", "/quit"] {
        play(
            |options| options.name = None,
            |stage| {
                stage.says(way);
                assert_eq!(stage.ends(), Outcome::Left);
            },
        );
    }
}

#[test]
fn a_message_stays_in_the_queue_until_an_answer_settles_it() {
    let stopping = Reply::Refused(Refusal { cause: Cause::Stopping, text: "bye".into() });
    for unsettled in [stopping, Reply::Pong] {
        play(
            |_| {},
            |stage| {
                stage.says("hi");
                let (mut call, callback, _) = stage.let_in(1);
                let first = asks(&mut call);
                answers(&mut call, &unsettled);
                drop((call, callback));
                let (mut call, _callback, _) = stage.let_in(1);
                assert_eq!(asks(&mut call), first);
                answers(&mut call, &Reply::Accepted { sequence: 6 });
                stage.stop.send(Stop::Now).unwrap();
                assert_eq!(asks(&mut call), Request::Leave);
            },
        );
    }
}

#[test]
fn a_person_need_not_wait_for_a_busy_server() {
    play(
        |options| options.interactive = true,
        |stage| {
            let (mut call, _callback, _) = stage.let_in(1);
            assert!(matches!(stage.sees(), Shown::Connected { .. }));
            stage.says("one");
            stage.says("two");
            stage.says("/quit");
            let first = asks(&mut call);
            refuses(&mut call, Cause::Busy);
            // What was typed is read in the pauses between the attempts.
            let end = loop {
                match asks(&mut call) {
                    request if request == first => refuses(&mut call, Cause::Busy),
                    request => break request,
                }
            };
            assert_eq!(end, Request::Leave);
            answers(&mut call, &Reply::Left);
            assert_eq!(stage.sees(), Shown::Waiting("two".into()));
            assert_eq!(stage.ends(), Outcome::Left);
        },
    );
    // The same where there is nobody to be seen yet.
    play(
        |options| options.interactive = true,
        |stage| {
            let (mut call, _) = stage.join();
            stage.says("/quit");
            refuses(&mut call, Cause::Busy);
            assert_eq!(stage.ends(), Outcome::Left);
        },
    );
}

#[test]
fn blank_lines_do_not_keep_the_ping_from_going_out() {
    play(
        |_| {},
        |stage| {
            let (mut call, _callback, _) = stage.let_in(1);
            thread::scope(|scope| {
                let (over_tx, over) = bounded::<()>(0);
                let Stage { input, .. } = &stage;
                scope.spawn(move || {
                    while over.recv_timeout(Duration::from_millis(100)) == Err(RecvTimeoutError::Timeout) {
                        input.send(Input::Line(String::new())).unwrap();
                    }
                });
                assert_eq!(call.next_request(Duration::from_secs(7), PATIENCE).unwrap(), Some(Request::Ping));
                drop(over_tx);
            });
            answers(&mut call, &Reply::Pong);
            stage.stop.send(Stop::Now).unwrap();
            assert_eq!(asks(&mut call), Request::Leave);
        },
    );
}

#[test]
fn a_server_that_lets_in_only_to_drop_is_not_pressed() {
    play(
        |_| {},
        |stage| {
            let since = Instant::now();
            (0..5).for_each(|_| drop(stage.let_in(1)));
            // Four pauses, of at least half of 0.1 s, 0.2 s, 0.4 s and 0.8 s.
            assert!(since.elapsed() > Duration::from_millis(700), "{:?}", since.elapsed());
            let (mut call, _callback, _) = stage.let_in(1);
            stage.stop.send(Stop::Now).unwrap();
            assert_eq!(asks(&mut call), Request::Leave);
        },
    );
}

#[test]
fn a_name_that_was_taken_meanwhile_is_asked_for_while_somebody_can_answer() {
    let taken = |stage: &Stage| {
        drop(stage.let_in(1));
        let (mut call, _) = stage.join();
        refuses(&mut call, Cause::UnknownSession);
        assert!(matches!(asks(&mut call), Request::Join(_)));
        refuses(&mut call, Cause::NameTaken);
    };
    play(
        |options| options.interactive = true,
        |stage| {
            taken(&stage);
            stage.says("Bert");
            let (mut call, _callback, _) = stage.let_in(2);
            let rejoined = loop {
                if let Shown::Rejoined { name, .. } = stage.sees() {
                    break name;
                }
            };
            assert_eq!(rejoined, "Bert");
            stage.stop.send(Stop::Now).unwrap();
            assert_eq!(asks(&mut call), Request::Leave);
        },
    );
    play(
        |options| (options.interactive, options.stay) = (true, true),
        |stage| {
            stage.input.send(Input::End).unwrap();
            taken(&stage);
            assert_eq!(stage.ends(), Outcome::Failed("NameTaken".into()));
        },
    );
}

#[test]
fn a_room_that_has_ended_is_not_called_a_lost_connection() {
    play(
        |_| {},
        |stage| {
            let (call, mut callback, _) = stage.let_in(1);
            let event = Event { sequence: 6, time: 0, what: What::Ended { reason: "lunch".into() } };
            let ended = Callback::Receive { answer: true, events: vec![event] };
            let _: CallbackReply = callback.call(&ended, PATIENCE).unwrap();
            drop((call, callback));
            assert!(matches!(stage.sees(), Shown::Connected { .. }));
            assert!(matches!(stage.sees(), Shown::Event { .. }));
            assert!(matches!(stage.sees(), Shown::Lost { ended: true, .. }));
            drop(stage.let_in(2));
            assert!(matches!(stage.sees(), Shown::Rejoined { restarted: true, .. }));
            assert!(matches!(stage.sees(), Shown::Lost { ended: false, .. }));
            stage.stop.send(Stop::Now).unwrap();
        },
    );
}
