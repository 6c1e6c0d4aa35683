//! The judge judges right: it does not convict the real server, and convicts the same server with a bug.

use chat_tests::member::Member;
use course_judge::{
    server::Server,
    target::Target,
    trace::{read, record, Action},
    verdicts::VERDICTS,
};
use std::{
    collections::{HashMap, HashSet},
    env, fs,
    net::TcpListener,
    path::Path,
    process::{self, Command},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A log as it is in the course, in bytes.
const LOG_BYTES: &str = "262144";

/// The verdict of this name on a server that this command starts.
fn verdict(name: &str, command: &mut Command) -> Result<(), String> {
    let _guard = one_at_a_time();
    VERDICTS.iter().find(|verdict| verdict.name == name).expect("a verdict").of(command)
}

/// A room is at rest when the judge is, and so is this process: one judgement at a time.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The real server with this bug, or with `none`. Cargo builds it with the tests.
fn server(bug: &str) -> Command {
    let built = Path::new(env!("CARGO_BIN_EXE_course-judge")).with_file_name("examples");
    let mut command = Command::new(built.join("real-server"));
    command.args([bug, LOG_BYTES]);
    command
}

fn convicted(name: &str, command: &mut Command, words: &str) {
    let sentence = verdict(name, command).expect_err("the server is wrong");
    assert!(sentence.contains(words) && sentence.lines().count() == 1, "{sentence}");
}

#[test]
fn the_real_server_is_not_convicted() {
    for verdict_on in VERDICTS {
        assert_eq!(verdict(verdict_on.name, &mut server("none")), Ok(()), "{}", verdict_on.name);
    }
}

#[test]
fn messages_out_of_order_are_convicted() {
    convicted("order", &mut server("swap"), "after sequence 10");
}

#[test]
fn a_lost_message_is_convicted_as_soon_as_nothing_moves() {
    convicted("order", &mut server("drop"), "never received sequence 100");
}

#[test]
fn a_room_that_waits_for_a_stopped_member_is_convicted_although_its_server_never_sleeps() {
    convicted("nobody waits", &mut server("scope-per-round"), "ann speaks, and the server does not reply");
}

#[test]
fn a_server_that_a_signal_ends_at_once_is_convicted() {
    convicted("stop", &mut server("exit"), "bob never received sequence ");
}

#[test]
fn a_server_that_waits_for_a_time_and_ends_is_convicted() {
    convicted("stop", &mut server("exit-late"), "");
}

#[test]
fn a_server_that_gives_a_peer_no_time_to_pause_is_convicted() {
    convicted("trickle", &mut server("hasty"), "pauses for 150 ms");
}

#[test]
fn a_message_that_is_said_or_delivered_twice_is_convicted() {
    convicted("once", &mut server("double-on-repeat"), "bob heard \"reply, cut at byte 00\" twice");
    convicted("once", &mut server("double-on-resume"), " after sequence ");
}

#[test]
fn in_a_trace_of_the_real_server_each_arrow_begins_and_ends_in_a_slice() {
    let _guard = one_at_a_time();
    let file = env::temp_dir().join(format!("judge-trace-{}.json", process::id()));
    record(&server("none"), &file).expect("ann speaks");
    let trace = read(&file).expect("the server writes a trace");
    fs::remove_file(&file).expect("it is there");
    let (mut slices, mut begun) = (HashMap::<u64, Vec<&str>>::new(), HashSet::new());
    let (mut arrows_end_in, mut marks, mut lanes) = (HashSet::new(), HashSet::new(), HashSet::new());
    for (thread, action) in &trace {
        let open = slices.entry(*thread).or_default();
        match action {
            Action::Begins(name) => open.push(name),
            Action::Ends => assert!(open.pop().is_some(), "thread {thread} ends what it has not begun"),
            Action::Wakes(arrow) => {
                assert!(!open.is_empty(), "arrow {arrow} begins in no slice");
                begun.insert(arrow);
            }
            Action::Woken(arrow) => {
                assert!(begun.remove(arrow), "arrow {arrow} has no beginning");
                arrows_end_in
                    .insert(*open.last().unwrap_or_else(|| panic!("arrow {arrow} ends in no slice")));
            }
            Action::Mark(name) => drop(marks.insert(name.as_str())),
            Action::Named(name) => drop(lanes.insert(name.split(' ').next().unwrap_or_default())),
        }
    }
    // At rest nothing is on its way.
    assert_eq!(begun, HashSet::new(), "arrows do not end");
    assert_eq!(marks, HashSet::from(["accepted", "placed", "passed on", "delivered"]));
    assert!(
        arrows_end_in.is_superset(&HashSet::from(["begins", "waits for the channel"])),
        "{arrows_end_in:?}"
    );
    assert!(
        lanes.is_superset(&HashSet::from(["main", "broadcaster", "connection", "recipient"])),
        "{lanes:?}"
    );
    let asleep = slices.into_values().filter_map(|open| open.first().copied()).collect::<HashSet<_>>();
    let waits = ["accept", "reads", "waits for the channel", "waits for the client's reply"];
    assert_eq!(asleep, HashSet::from(waits), "what the threads of a room at rest wait for");
}

#[test]
fn a_step_tells_nobody_of_joins_when_a_benchmark_asks_for_that() {
    let mut step = Target::Step(4).build().expect("step 4 builds");
    step.env("COURSE_NO_NOTICES", "1");
    let _guard = one_at_a_time();
    // The first number is that of ann's first message, although three have joined before it.
    let server = Server::start(&mut step);
    let members = ["ann", "bob", "cid"].map(|name| Member::join(server.address(), name));
    assert_eq!(members.map(|mut member| member.try_say("hello").ok()), [1, 2, 3].map(Some));
}

#[test]
fn a_program_that_is_no_server_is_convicted_with_one_sentence() {
    convicted("order", &mut Command::new("true"), "did not write \"Server running \"");
    convicted("memory", &mut Command::new("/dev/null"), "does not start: /dev/null: ");
    // Nobody listens on port 1.
    convicted("order", Command::new("sh").args(["-c", "echo Server running at 1; exec sleep 60"]), "refused");
}

#[test]
fn a_step_that_cannot_listen_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it listens").to_string();
    let mut step = Target::Step(4).build().expect("step 4 builds");
    let output = step.args(["--listen", &address]).output().expect("step 4 starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains(&address) && told.contains("LISTEN=") && told.lines().count() == 1, "{told}");
}

#[test]
fn what_is_no_server_of_the_course_is_answered_with_one_line() {
    for name in ["", "9", "5Z", "5b", "go-5B"] {
        let output = Command::new(env!("CARGO_BIN_EXE_course-judge"))
            .args(["judge", name])
            .output()
            .expect("it starts");
        let told = String::from_utf8_lossy(&output.stderr);
        let in_one_line = told.lines().count() == 1 && told.contains("; try: make judge N=");
        assert!(
            in_one_line && output.stdout.is_empty() && output.status.code() == Some(2),
            "{name:?}: {told}"
        );
    }
}

/// What `course-judge` prints on this server, and its exit code.
fn program(bug: &str) -> (String, Option<i32>) {
    let server = server(bug);
    let words = server.get_args().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let command = format!("{} {words}", server.get_program().to_string_lossy());
    let output = Command::new(env!("CARGO_BIN_EXE_course-judge"))
        .args(["judge", "--program", &command])
        .output()
        .expect("the judge starts");
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
}

#[test]
fn the_program_prints_a_line_for_each_verdict_and_its_exit_code_says_whether_all_are_ok() {
    let all_ok = VERDICTS.iter().map(|verdict| format!("{}: ok\n", verdict.name)).collect();
    assert_eq!(program("none"), (all_ok, Some(0)));
    let (printed, code) = program("swap");
    assert!(
        printed.starts_with("order: bob received sequence ") && printed.lines().count() == VERDICTS.len(),
        "{printed}"
    );
    assert_eq!(code, Some(1));
}

#[test]
fn wrong_usage_has_an_exit_code_of_its_own() {
    for wrong in [&["judge", "99"][..], &["judge", "2b"], &["judge"], &["course", "--rounds", "0"], &[]] {
        let status = Command::new(env!("CARGO_BIN_EXE_course-judge")).args(wrong).output();
        assert_eq!(status.expect("the judge starts").status.code(), Some(2), "{wrong:?}");
    }
}
