//! The real client on a bad line: cut again and again, cut silently, not to be dialled, or left without a server for a while.

use chat_client::{Channels, Input, JoinOptions, Outcome, Stop, UiEvent, Utterance};
use chat_common::protocol::EventKind;
use chat_tests::{
    member::Member,
    process::{binary, Program},
    proxy::{Fault, Faults, Proxy},
    server::{unhurried, TestServer},
    watchdog::Watched,
};
use crossbeam_channel::{bounded, Sender};
use std::{
    net::SocketAddr,
    process::Command,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// The client as a library, with everything that it tells its person.
struct Client {
    input: Sender<Input>,
    stop: Sender<Stop>,
    told: Arc<Watched<Vec<UiEvent>>>,
    thread: Option<JoinHandle<Outcome>>,
}

impl Client {
    /// Joins, and waits until that is done. It dials its callback connection itself, so that a proxy sees both.
    fn join(server: SocketAddr, name: &str) -> Client {
        Client::join_with(server, name, false)
    }

    fn join_with(server: SocketAddr, name: &str, listen: bool) -> Client {
        let mut options = JoinOptions::new(server.to_string());
        options.name = Some(name.to_owned());
        options.listen = listen;
        let ((input, input_rx), (stop, stop_rx)) = (bounded(16), bounded(1));
        let told: Arc<Watched<Vec<UiEvent>>> = Arc::default();
        let thread = thread::Builder::new().name(name.to_owned()).spawn({
            let told = Arc::clone(&told);
            move || {
                let channels = Channels { input_rx, stop_rx };
                chat_client::run(&options, &channels, &|shown| told.change(|told| told.push(shown)))
            }
        });
        let client = Client { input, stop, told, thread: Some(thread.unwrap()) };
        client.is_told("that it has joined", |shown| matches!(shown, UiEvent::Connected { .. }));
        client
    }

    fn says(&self, line: &str) {
        self.input.send(Input::Line(line.to_owned())).unwrap();
    }

    fn is_told(&self, what: &str, wanted: impl Fn(&UiEvent) -> bool) {
        self.told.wait(what, |told| told.iter().any(&wanted).then_some(()));
    }

    /// What others said, as it was told.
    fn heard(&self) -> Vec<String> {
        self.told.look(|told| told.iter().filter_map(heard).collect())
    }

    /// Ends its input, and waits until it has left.
    fn leaves(mut self) -> Vec<UiEvent> {
        self.input.send(Input::End).unwrap();
        let outcome = self.thread.take().unwrap().join().unwrap();
        assert_eq!(outcome, Outcome::Left);
        self.told.look(Vec::clone)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.stop.try_send(Stop::Now);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn heard(shown: &UiEvent) -> Option<String> {
    match shown {
        UiEvent::Event { event, .. } => match &event.kind {
            EventKind::Message { text, .. } => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

#[test]
fn a_line_that_is_cut_again_and_again_loses_and_doubles_nothing() {
    const LINES: usize = 60;
    let server = TestServer::start();
    let proxy = Proxy::to(server.address());
    let ann = Client::join(proxy.address(), "Ann");
    let mut bob = Member::join(server.address(), "Bob");
    // From now on each connection lives for some hundred bytes of one direction, and a few more each time: what gathers
    // meanwhile goes out as one frame, which has to get through some day.
    proxy.plan(|connection| {
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
    ann.is_told(&last, |shown| heard(shown).as_ref() == Some(&last));

    let said = |name: &str| -> Vec<String> { (0..LINES).map(|line| format!("{name} {line}")).collect() };
    assert_eq!(bob.texts(), said("ann"));
    assert_eq!(ann.heard(), said("bob"));
    let connections = proxy.accepted();
    assert!(connections > 10, "only {connections} connections: nothing was cut");
    proxy.plan(|_| Faults::default());
    let told = ann.leaves();
    let accepted: Vec<String> = told
        .iter()
        .filter_map(|shown| match shown {
            UiEvent::Accepted { utterance: Utterance::Message(text), .. } => Some(text.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(accepted, said("ann"));
    let count = |wanted: fn(&UiEvent) -> bool| told.iter().filter(|shown| wanted(shown)).count();
    let lost = count(|shown| matches!(shown, UiEvent::Lost { .. }));
    assert_eq!(lost, count(|shown| matches!(shown, UiEvent::Resumed { .. })), "each loss has its return");
}

#[test]
fn a_line_that_has_gone_silent_is_given_up_within_the_dead_time() {
    let server = TestServer::start();
    let proxy = Proxy::to(server.address());
    let ann = Client::join(proxy.address(), "Ann");
    let since = Instant::now();
    proxy.set(Faults::both(Fault::BlackHole));
    ann.is_told("that the line is lost", |shown| matches!(shown, UiEvent::Lost { .. }));
    assert!(since.elapsed().as_secs() <= 16, "{:?}", since.elapsed());
    proxy.set(Faults::default());
    proxy.cut();
    ann.is_told("that it is back", |shown| matches!(shown, UiEvent::Resumed { .. }));
    ann.leaves();
}

#[test]
fn a_client_behind_address_translation_dials_for_its_callback_without_being_asked() {
    // The server sees the client come from ::1, where nobody listens: the client's own address is 127.0.0.1.
    let server = TestServer::at("[::1]:0", unhurried());
    let proxy = Proxy::to(server.address());
    let since = Instant::now();
    let ann = Client::join_with(proxy.address(), "Ann", true);
    ann.is_told("that it has dialled", |shown| matches!(shown, UiEvent::OpenedCallback));
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    let bob = Client::join_with(proxy.address(), "Bob", true);
    bob.says("hello");
    ann.is_told("what Bob says", |shown| heard(shown).as_deref() == Some("hello"));
    bob.leaves();
    ann.leaves();
}

#[test]
fn f8_what_is_typed_while_the_server_is_gone_is_sent_when_it_is_back() {
    let (server, address) = Program::server(&[]);
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
    let mut again = Command::new(binary("chat-server"));
    let _server = Program::serve(again.args(["--listen", &address.to_string()]));
    ann.sees("--- connected again: the room was restarted; sending what waited (3) ---\n");
    ann.types("/history");
    ann.sees("(earlier) [Ann] one\n(earlier) [Ann] two\n(earlier) [Ann] three\n");
    assert_eq!(ann.output().matches("connection lost").count(), 1);
    ann.ends_input();
    assert_eq!(ann.exits(), Some(0));
}
