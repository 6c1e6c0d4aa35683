//! A room with many people stays calm on a terminal: bursts of comings and goings fold, and a pipe gets every
//! one of them.

use chat_common::wire::protocol::{Callback, CallbackReply, Event, EventKind, Joined, Reply, Request};
use chat_tests::{
    folder::Folder,
    process::{binary, Program},
    raw::RawPeer,
    terminal::{Screen, TerminalUser},
    watchdog::{poll, WATCHDOG_TIMEOUT},
};
use crossbeam_channel::bounded;
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// A room that the test plays, so that it decides what happens at once.
struct PlayedRoom {
    listener: TcpListener,
    next_sequence: u64,
    /// When what it delivers has happened.
    time: u64,
}

impl PlayedRoom {
    fn new() -> (PlayedRoom, SocketAddr) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        (PlayedRoom { listener, next_sequence: 2, time: 0 }, address)
    }

    /// Lets a client join, which was started with `--no-listen`. A thread answers its calls until it has
    /// left.
    fn accept_member(&self, kept_for: Option<u64>) -> RawPeer {
        let (_, mut call) = RawPeer::serve(&self.listener, None);
        let stream = Arc::clone(call.connection.stream());
        let (token_tx, token_rx) = bounded(1);
        let serve = move || {
            while let Ok(Some(request)) = call.connection.next_request(WATCHDOG_TIMEOUT, WATCHDOG_TIMEOUT) {
                let reply = match request {
                    Request::Join(join) => {
                        token_tx.send(join.token).unwrap();
                        Reply::Joined(Joined {
                            room: 1,
                            sequence: 1,
                            called_back: false,
                            text_limit: 4096,
                            kept_for,
                            motd: None,
                        })
                    }
                    Request::Leave => Reply::Left,
                    Request::Who => Reply::People { people: Vec::new(), total: 0 },
                    _ => Reply::Pong,
                };
                if call.connection.reply(&reply, WATCHDOG_TIMEOUT).is_err() {
                    break;
                }
            }
        };
        thread::Builder::new().name("calls".into()).spawn(serve).unwrap();
        let token = token_rx.recv_timeout(WATCHDOG_TIMEOUT).unwrap();
        RawPeer::serve(&self.listener, Some((&stream, token))).1
    }

    /// Delivers these events in one call.
    fn deliver(&mut self, callback: &mut RawPeer, kinds: Vec<EventKind>) {
        let (sequences, time) = (self.next_sequence.., self.time);
        let events: Vec<Event> =
            sequences.zip(kinds).map(|(sequence, kind)| Event { sequence, time, kind }).collect();
        self.next_sequence += events.len() as u64;
        let call = Callback::Receive { answer: true, events };
        let _: CallbackReply = callback.connection.call(&call, WATCHDOG_TIMEOUT).unwrap();
    }
}

fn pupils(count: usize, kind: impl Fn(String) -> EventKind) -> Vec<EventKind> {
    (1..=count).map(|number| kind(format!("pupil_{number}"))).collect()
}

fn joined(name: String) -> EventKind {
    EventKind::Joined { name }
}

fn left(name: String) -> EventKind {
    EventKind::Left { name, reason: None }
}

fn says(text: &str) -> EventKind {
    EventKind::Message { author: "Tom".into(), message_id: 1, repeated: false, text: text.into() }
}

/// The number of people in the folds of a screen that `did` this. A machine that stops for a second in the
/// middle of a burst makes two folds of it.
fn folded(screen: &Screen, did: &str) -> usize {
    let text = screen.text_above_cursor();
    let counts = text.split("--- ").filter(|words| words.contains(did)).map(|words| {
        let count = words.split(' ').next().unwrap_or_default();
        count.parse().unwrap_or(0)
    });
    counts.sum()
}

#[test]
fn a_burst_folds_on_both_kinds_of_terminal_and_is_shown_while_nobody_types() {
    for term in ["xterm", "dumb"] {
        let (mut room, address) = PlayedRoom::new();
        let arguments = ["--name", "Alice", "--no-listen", "--bell", "all"];
        let mut alice = TerminalUser::start(address, (24, 80), &arguments, &[("TERM", term)]);
        let mut callback = room.accept_member(None);
        alice.sees("Start typing...");
        alice.types("half");
        room.deliver(&mut callback, pupils(41, left));
        alice.screen().wait("41 people in folds", |screen| {
            (folded(screen, "people left: pupil_1, pupil_2 and 39 more") == 41
                || folded(screen, "people left") == 41)
                .then_some(())
        });
        if term == "xterm" {
            alice.still_sees_typed("half");
        }
        let rings =
            alice.screen().read_with(|screen| screen.bytes().iter().filter(|byte| **byte == 7).count());
        assert_eq!(rings, 0);
    }
}

#[test]
fn whatever_else_is_shown_comes_after_the_comings_and_goings_before_it() {
    let (mut room, address) = PlayedRoom::new();
    let alice = TerminalUser::start(address, (24, 80), &["--name", "Alice", "--no-listen"], &[]);
    let mut callback = room.accept_member(None);
    alice.sees("Start typing...");
    let mut kinds = pupils(5, joined);
    kinds.push(says("between"));
    kinds.extend(pupils(5, left));
    kinds.push(EventKind::Renamed { from: "Tom".into(), to: "Tim".into() });
    kinds.extend(pupils(3, joined));
    kinds.push(says("the end"));
    room.deliver(&mut callback, kinds);
    alice.sees("the end");
    let shown = alice.screen().read_with(Screen::text_above_cursor);
    let place = |words: &str| shown.find(words).unwrap_or_else(|| panic!("no {words:?} in {shown}"));
    let order = [
        "people joined",
        "[Tom] between",
        "people left",
        "User [Tom] is now [Tim]",
        // Few are shown as they are.
        "User [pupil_1] joined",
        "User [pupil_3] joined",
        "[Tom] the end",
    ];
    assert!(order.windows(2).all(|pair| place(pair[0]) < place(pair[1])), "{shown}");
}

#[test]
fn clearing_the_screen_and_leaving_lose_no_comings_and_goings() {
    let (mut room, address) = PlayedRoom::new();
    let mut alice = TerminalUser::start(address, (24, 80), &["--name", "Alice", "--no-listen"], &[]);
    let mut callback = room.accept_member(None);
    alice.sees("Start typing...");
    // A slow machine may show the fold before it clears the screen, so the test tries again.
    poll("a fold after an empty screen", || {
        room.deliver(&mut callback, vec![says("before")]);
        alice.sees("before");
        room.deliver(&mut callback, pupils(5, joined));
        alice.types("/clear\n");
        alice.screen().wait("the cleared screen", |screen| {
            (!screen.text_above_cursor().contains("before")).then_some(())
        });
        room.deliver(&mut callback, vec![says("after")]);
        alice.sees("after");
        alice.screen().read_with(|screen| (folded(screen, "people joined") > 0).then_some(()))
    });
    room.deliver(&mut callback, pupils(7, left));
    alice.types("/quit\n");
    alice.sees("Bye!");
    alice.screen().wait("7 people in folds", |screen| (folded(screen, "people left") == 7).then_some(()));
}

#[test]
fn a_pipe_a_program_and_a_transcript_get_every_coming_and_going() {
    let folder = Folder::new();
    let log = folder.file("log");
    for json in [false, true] {
        let (mut room, address) = PlayedRoom::new();
        let arguments = ["--no-listen", "--log", &log, "--stay", "--json"];
        let mut bot = Program::client(address, "Bot", &arguments[..if json { 5 } else { 4 }]);
        let mut callback = room.accept_member(None);
        let mut kinds = pupils(41, left);
        kinds.push(says("the end"));
        room.deliver(&mut callback, kinds);
        bot.sees("the end");
        let of_pupil =
            |line: &&String| line.starts_with("User [pupil_") || line.starts_with("{\"event\":\"left\",");
        assert_eq!(bot.lines().iter().filter(of_pupil).count(), 41);
        bot.signal("TERM");
        bot.exits();
    }
    let transcript = fs::read_to_string(&log).unwrap();
    assert_eq!(transcript.matches(" User [pupil_").count(), 2 * 41, "{transcript}");
}

/// A zone, for `$TZ`, in which the local time is so many seconds before midnight now.
fn zone_before_midnight(seconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() % 86_400;
    let offset = (2 * 86_400 - seconds - now) % 86_400;
    format!("<here>-{}:{}:{}", offset / 3600, offset / 60 % 60, offset % 60)
}

#[test]
fn a_day_that_ends_is_said_on_a_terminal_while_nothing_happens() {
    let (_server, address) = Program::server(&[]);
    // On a slow machine the day may end before the client has begun. Then the next one begins sooner.
    for seconds in [2, 5, 10, 20, 40] {
        let end = Instant::now() + Duration::from_secs(seconds);
        let zone = zone_before_midnight(seconds);
        let name = format!("Alice{seconds}");
        let mut alice = TerminalUser::start(address, (24, 80), &["--name", &name], &[("TZ", &zone)]);
        alice.sees("Start typing...");
        if Instant::now() > end {
            continue;
        }
        alice.types("half");
        alice.sees("--- it is ");
        alice.screen().read_with(|screen| {
            let shown = screen.text_above_cursor();
            assert!(shown.contains("00:00 --- it is ") && shown.contains(" now ---"), "{shown}");
        });
        return alice.still_sees_typed("half");
    }
    panic!("no client begins within 40 s");
}

#[test]
fn a_time_is_that_of_the_local_clocks_on_its_own_day_and_without_a_zone_it_is_said_to_be_utc() {
    // 15 July and 15 December 2026, at noon.
    let times = [1_784_116_800_000, 1_797_336_000_000];
    for (zone, hours, error) in [
        ("CET-1CEST,M3.5.0,M10.5.0/3", [14, 13], ""),
        ("AEST-10AEDT,M10.1.0,M4.1.0/3", [22, 23], ""),
        (":UTC", [12, 12], ""),
        (
            "Nowhere/Here",
            [12, 12],
            "chat-client: the time zone \"Nowhere/Here\" of $TZ is not known; times are in UTC\n",
        ),
    ] {
        let (mut room, address) = PlayedRoom::new();
        // The client needs no other program for it.
        let mut command = Command::new(binary("chat-client"));
        command.args(["--server", &address.to_string(), "--name", "Bot", "--no-listen", "--time", "date"]);
        let bot = Program::start("Bot", command.env("TZ", zone).env("PATH", "/nonexistent"));
        let mut callback = room.accept_member(None);
        for time in times {
            room.time = time;
            room.deliver(&mut callback, vec![says(&format!("at {time}"))]);
        }
        for ((time, date), hour) in times.into_iter().zip(["2026-07-15", "2026-12-15"]).zip(hours) {
            bot.sees(&format!("{date} {hour}:00:00 [Tom] at {time}\n"));
        }
        assert_eq!(bot.error_output(), error);
    }
}

#[test]
fn a_room_that_keeps_what_is_said_tells_it_to_people_and_to_programs() {
    for (json, words) in [
        (false, "Connected! Start typing...\n--- what is said here is kept by the server for 30 days ---\n"),
        (true, ",\"kept_for\":2592000}\n"),
    ] {
        let (room, address) = PlayedRoom::new();
        let arguments = ["--no-listen", "--json"];
        let bot = Program::client(address, "Bot", &arguments[..if json { 2 } else { 1 }]);
        let _callback = room.accept_member(Some(30 * 86_400));
        bot.sees(words);
    }
}
