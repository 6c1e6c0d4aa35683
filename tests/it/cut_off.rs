//! The real client on a bad network: it is cut off again and again, gets no reply, cannot be dialled, or
//! loses its server.

use chat_client::{Channels, Input, Outcome, Stop, UiEvent, Utterance};
use chat_common::wire::protocol::EventKind;
use chat_tests::{
    member::Member,
    process::{binary, Program},
    proxy::{Fault, Faults, Proxy},
    room::join_options,
    server::{without_rate_limit, TestServer},
    watchdog::Shared,
};
use crossbeam_channel::{bounded, Sender};
use std::{
    net::SocketAddr,
    process::Command,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// The client as a library, with everything that it shows its user.
struct Client {
    input_tx: Sender<Input>,
    stop_tx: Sender<Stop>,
    shown: Arc<Shared<Vec<UiEvent>>>,
    outcome: Arc<Shared<Option<Outcome>>>,
    thread: Option<JoinHandle<()>>,
}

impl Client {
    /// Joins and waits until that is done. The client opens the callback connection itself, so that both
    /// connections go through a proxy.
    fn join(server: SocketAddr, name: &str) -> Client {
        Client::join_with(server, name, false)
    }

    fn join_with(server: SocketAddr, name: &str, listen: bool) -> Client {
        let mut options = join_options(server);
        options.member.name = Some(name.to_owned());
        options.member.dials = !listen;
        let ((input_tx, input_rx), (stop_tx, stop_rx)) = (bounded(16), bounded(1));
        let shown: Arc<Shared<Vec<UiEvent>>> = Arc::default();
        let outcome: Arc<Shared<Option<Outcome>>> = Arc::default();
        let thread = thread::Builder::new().name(name.to_owned()).spawn({
            let (all_shown, final_outcome) = (Arc::clone(&shown), Arc::clone(&outcome));
            move || {
                let channels = Channels { input_rx, stop_rx };
                let show = |shown| all_shown.update(|all| all.push(shown));
                let outcome = chat_client::run(&options, &channels, &show);
                final_outcome.update(|slot| *slot = Some(outcome));
            }
        });
        let client = Client { input_tx, stop_tx, shown, outcome, thread: Some(thread.unwrap()) };
        client.shows("the join", |shown| matches!(shown, UiEvent::Connected { .. }));
        client
    }

    fn says(&self, line: &str) {
        self.input_tx.send(Input::message(line)).unwrap();
    }

    fn shows(&self, description: &str, wanted: impl Fn(&UiEvent) -> bool) {
        self.shown.wait(description, |all| all.iter().any(&wanted).then_some(()));
    }

    /// The texts of the messages that the client has shown, in order.
    fn heard(&self) -> Vec<String> {
        self.shown.read_with(|all| all.iter().filter_map(message_text).collect())
    }

    /// Ends the input, waits until the client has left, and returns everything that it has shown.
    fn leaves(self) -> Vec<UiEvent> {
        self.input_tx.send(Input::End).unwrap();
        let outcome = self.outcome.wait("the client to leave", Option::take);
        assert_eq!(outcome, Outcome::Left);
        self.shown.read_with(Vec::clone)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.stop_tx.try_send(Stop::Now);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn message_text(shown: &UiEvent) -> Option<String> {
    match shown {
        UiEvent::Event { event, .. } => match &event.kind {
            EventKind::Message { text, .. } => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

#[test]
fn a_client_that_is_cut_off_again_and_again_loses_and_doubles_nothing() {
    const LINES: usize = 60;
    let server = TestServer::start();
    let proxy = Proxy::start(server.address());
    let ann = Client::join(proxy.address(), "Ann");
    let mut bob = Member::join(server.address(), "Bob");
    // From now on the proxy cuts each connection after some hundred bytes of one direction. The limit grows
    // with each connection, because messages that wait leave in one frame, and that frame has to pass some
    // time.
    proxy.plan_faults(|connection| {
        let cut = Fault::CutAfter(150 + connection as u64 * 150);
        match connection % 2 {
            0 => Faults { up: cut, down: Fault::Pass },
            _ => Faults { up: Fault::Pass, down: cut },
        }
    });
    proxy.cut();
    for line in 0..LINES {
        ann.says(&format!("ann {line}"));
        bob.say(&format!("bob {line}"));
    }
    bob.hear_text(&format!("ann {}", LINES - 1));
    let last = format!("bob {}", LINES - 1);
    ann.shows(&last, |shown| message_text(shown).as_ref() == Some(&last));

    let lines = |name: &str| -> Vec<String> { (0..LINES).map(|line| format!("{name} {line}")).collect() };
    assert_eq!(bob.texts(), lines("ann"));
    assert_eq!(ann.heard(), lines("bob"));
    let connections = proxy.connection_count();
    assert!(connections > 10, "with only {connections} connections, nothing was cut");
    proxy.plan_faults(|_| Faults::default());
    let shown = ann.leaves();
    let accepted: Vec<String> = shown
        .iter()
        .filter_map(|shown| match shown {
            UiEvent::Accepted { utterance: Utterance::Message(text), .. } => Some(text.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(accepted, lines("ann"));
    let count = |wanted: fn(&UiEvent) -> bool| shown.iter().filter(|shown| wanted(shown)).count();
    let lost = count(|shown| matches!(shown, UiEvent::Lost { .. }));
    assert_eq!(
        lost,
        count(|shown| matches!(shown, UiEvent::Resumed { .. })),
        "the client shows a return after each loss"
    );
}

#[test]
fn a_connection_without_replies_is_given_up_within_the_dead_time() {
    let server = TestServer::start();
    let proxy = Proxy::start(server.address());
    let ann = Client::join(proxy.address(), "Ann");
    let start = Instant::now();
    proxy.set_faults(Faults::both(Fault::BlackHole));
    ann.shows("the lost connection", |shown| matches!(shown, UiEvent::Lost { .. }));
    assert!(start.elapsed().as_secs() <= 16, "{:?}", start.elapsed());
    proxy.set_faults(Faults::default());
    proxy.cut();
    ann.shows("the return", |shown| matches!(shown, UiEvent::Resumed { .. }));
    ann.leaves();
}

#[test]
fn a_client_that_cannot_be_dialled_opens_the_callback_connection_within_seconds() {
    // The server sees the address ::1, where nobody listens. The client's own address is 127.0.0.1.
    let server = TestServer::bind("[::1]:0", without_rate_limit());
    let proxy = Proxy::start(server.address());
    let start = Instant::now();
    let ann = Client::join_with(proxy.address(), "Ann", true);
    ann.shows("the callback connection", |shown| matches!(shown, UiEvent::OpenedCallback));
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    let bob = Client::join_with(proxy.address(), "Bob", true);
    bob.says("hello");
    ann.shows("Bob's message", |shown| message_text(shown).as_deref() == Some("hello"));
    bob.leaves();
    ann.leaves();
}

#[test]
fn f8_what_is_typed_while_the_server_is_gone_is_sent_when_it_is_back() {
    let (server, address) = Program::server_that_forgets(&[]);
    let mut ann = Program::joined_client(address, "Ann");
    ann.types("before");
    ann.types("/history");
    ann.sees("(earlier) [Ann] before\n");
    drop(server);
    ann.sees("--- connection lost;");
    for line in ["one", "two", "three"] {
        ann.types(line);
        ann.sees(&format!("--- waiting to be sent: {line} ---\n"));
    }
    let mut command = Command::new(binary("chat-server"));
    let _server = Program::start_server_that_forgets(command.args(["--listen", &address.to_string()]));
    ann.sees("--- connected again: the room was restarted; sending what waited (3) ---\n");
    ann.types("/history");
    ann.sees("(earlier) [Ann] one\n(earlier) [Ann] two\n(earlier) [Ann] three\n");
    assert_eq!(ann.output().matches("connection lost").count(), 1);
    ann.ends_input();
    assert_eq!(ann.exits(), Some(0));
}
