//! A server that gets no descriptors or threads from the system keeps its members, refuses others clearly,
//! uses little processor time, and recovers.

use chat_common::wire::{
    error::RpcError,
    frame::encode_frame,
    protocol::{Cause, EventKind, Refusal, Reply, Request},
    status::Status,
};
use chat_tests::{
    checker::assert_clean,
    folder::Folder,
    member::{Callbacks, Member, MemberError},
    process::{binary, installed, Program},
    raw::RawPeer,
    watchdog::poll,
};
use std::{fs, net::SocketAddr, process::Command, thread, time::Duration};

/// Takes every descriptor of the server, and checks that members go on. Then frees them, and checks that a
/// client can join. The room has no journal, which needs a descriptor for each of its files.
fn survives_without_descriptors(server: &Program, address: SocketAddr) {
    let mut ann = Member::join_without_listener(address, "ann");
    let bob = Member::join_without_listener(address, "bob");
    // The server accepts some, answers others with Busy, and leaves the rest in the backlog. None of them
    // delays a member.
    let strangers: Vec<RawPeer> = (0..100).map(|_| RawPeer::connect(address)).collect();
    for number in 0..100 {
        ann.say(&format!("{number}"));
    }
    // This second is the span of a measurement: a server that calls accept in a loop would use most of it.
    let before = server.processor_ticks();
    thread::sleep(Duration::from_secs(1));
    let spent = server.processor_ticks() - before;
    assert!(
        spent < 50,
        "the server used {spent} hundredths of a second of processor time in a second without descriptors"
    );
    let end = ann.say("still here");
    bob.hear_up_to(end);
    drop(strangers);
    let late =
        poll("the server to accept a join again", || Member::try_join(address, "late", Callbacks::Open).ok());
    late.leave();
    assert_clean(|| [ann.history().left_early(), bob.history().left_early()]);
}

#[test]
fn f09_a_server_without_descriptors_keeps_its_members() {
    if !installed("prlimit") {
        println!("skipped: this machine has no prlimit");
        return;
    }
    let mut command = Command::new("prlimit");
    command.arg("--nofile=64").arg(binary("chat-server")).args([
        "--listen",
        "127.0.0.1:0",
        "--rate-burst",
        "0",
    ]);
    let (server, address) = Program::start_server_that_forgets(&mut command);
    survives_without_descriptors(&server, address);
}

#[test]
fn f09_a_server_with_fourteen_descriptors_serves_as_many_as_fit() {
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 14; exec \"$0\" --listen 127.0.0.1:0 --rate-burst 0 \"$@\""])
        .arg(binary("chat-server"));
    let (server, address) = Program::start_server_that_forgets(&mut command);
    survives_without_descriptors(&server, address);
}

/// Starts a server without a journal that may have this many descriptors: `SOFT`, or `SOFT:HARD`. Returns
/// `None` where that is not possible.
fn server_with_descriptors(limits: &str, arguments: &[&str]) -> Option<(Program, SocketAddr)> {
    if !installed("prlimit") {
        println!("skipped: this machine has no prlimit");
        return None;
    }
    let mut command = Command::new("prlimit");
    command.arg(format!("--nofile={limits}")).arg(binary("chat-server"));
    command.args(["--listen", "127.0.0.1:0", "--rate-burst", "0"]).args(arguments).env("RUST_LOG", "debug");
    Some(Program::start_server_that_forgets(&mut command))
}

/// Lets forty newcomers try at the same time. Returns those that are in. The others are refused as busy, or
/// give way if they are slow.
fn forty_newcomers(address: SocketAddr) -> Vec<Member> {
    let names: Vec<String> = (0..40).map(|number| format!("n{number}")).collect();
    let try_join = |name: &str| match Member::try_join(address, name, Callbacks::Listen) {
        Ok(member) => Some(member),
        Err(MemberError::Refused(Refusal { cause: Cause::Busy, .. })) => None,
        Err(MemberError::Lost(
            RpcError::Refused { status: Status::Busy, .. } | RpcError::Closed | RpcError::Truncated,
        )) => None,
        Err(MemberError::Lost(RpcError::Io(_))) => None,
        Err(error) => panic!("{name}: {error:?}"),
    };
    thread::scope(|scope| {
        let tries: Vec<_> = names.iter().map(|name| scope.spawn(|| try_join(name))).collect();
        tries.into_iter().filter_map(|tried| tried.join().unwrap()).collect()
    })
}

#[test]
fn who_is_in_stays_in_when_the_descriptors_are_used_up_and_another_fits_when_one_leaves() {
    for limit in ["64", "32"] {
        let Some((server, address)) = server_with_descriptors(limit, &[]) else { return };
        server.logs(&format!("the limit of {limit} open files has room for "));
        let log = server.error_output();
        let fitting = log.split("has room for ").nth(1).unwrap().split(' ').next().unwrap();
        let fitting: usize = fitting.parse().unwrap();
        let mut members = forty_newcomers(address);
        // The rest of the places, one after the other. A newcomer that was refused may hold one for a moment.
        while members.len() < fitting {
            let name = format!("late{}", members.len());
            let late = || Member::try_join(address, &name, Callbacks::Open).ok();
            members.push(poll("a place for each member that fits", late));
        }
        assert_eq!(members.len(), fitting, "{log}");
        for _ in 0..2 {
            assert_eq!(forty_newcomers(address).len(), 0);
        }
        let last = members.iter_mut().map(|member| member.say("here")).last().unwrap();
        members[1..members.len() - 1].iter().for_each(|member| member.hear_up_to(last));
        // One whose callback found no descriptor has joined and left. It is none of these.
        let names: Vec<_> = members.iter().map(Member::name).collect();
        let has_gone = |kind: &EventKind| match kind {
            EventKind::Left { name, .. } | EventKind::Back { name } => names.contains(&name.as_str()),
            _ => false,
        };
        for member in &members {
            let history = member.history();
            let gone = history.events().find(|event| has_gone(&event.kind));
            assert_eq!(gone, None, "{}", server.error_output());
        }
        let gone = members.pop().unwrap().leave();
        members.push(poll("the free place", || Member::try_join(address, "new", Callbacks::Open).ok()));
        let here = || members.iter().map(|member| member.history().left_early());
        assert_clean(|| here().chain([gone.clone()]).collect::<Vec<_>>());
    }
}

#[test]
fn every_room_leaves_descriptors_for_those_who_read_why_they_are_banned() {
    let folder = Folder::new();
    let fitting = |arguments: &[&str]| {
        let (server, _) = server_with_descriptors("200", arguments)?;
        server.logs(" members; raise it");
        let log = server.error_output();
        Some(log.split("has room for ").nth(1).unwrap().split(' ').next().unwrap().to_owned())
    };
    // The places for operators are those of these clients, too.
    assert_eq!(fitting(&[]), fitting(&["--operators", &folder.file("operators")]));
}

#[test]
fn connections_that_do_not_join_keep_nobody_out_where_descriptors_are_few() {
    let never = ["--hello-timeout", "1h", "--join-timeout", "1h"];
    let Some((_server, address)) = server_with_descriptors("64", &never) else { return };
    let join = |name: &str| poll("a join", || Member::try_join(address, name, Callbacks::Open).ok());
    let _silent: Vec<RawPeer> = (0..100).map(|_| RawPeer::connect(address)).collect();
    let mut ann = join("ann");
    let _waiting: Vec<RawPeer> = (0..100).filter_map(|_| RawPeer::connect_call(address).ok()).collect();
    let bob = join("bob");
    ann.disconnect();
    poll("a member to come back", || ann.resume().ok());
    bob.hear_up_to(ann.say("here again"));
    assert_clean(|| [ann.history().left_early(), bob.history().left_early()]);
}

#[test]
fn a_server_without_descriptors_for_a_member_does_not_start_and_says_why() {
    // Descriptors that the test has inherited would take the place of others. Those behind the limit do not.
    let script = "exec 3>&- 4>&- 5>&- 6>&- 9>&1; ulimit -n 7; exec \"$0\" --listen 127.0.0.1:0";
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(binary("chat-server"));
    let mut server = Program::start("server", &mut command);
    assert_eq!(server.exits(), Some(1));
    let why = server.error_output();
    assert!(why.contains("the limit of 7 open files has room for 0 members; raise it"), "{why}");
}

#[test]
fn a_server_raises_its_limit_of_descriptors_to_the_hard_one() {
    let Some((_server, address)) = server_with_descriptors("32:256", &[]) else { return };
    assert_eq!(forty_newcomers(address).len(), 40);
}

/// Starts a server in which system calls fail as this strace expression says. Returns `None` where that is
/// not possible.
fn server_with_failing_calls(expression: &str) -> Option<(Program, SocketAddr)> {
    let server = Program::server_under_strace(&["-e", expression], &["--rate-burst", "0"]);
    if server.is_none() {
        println!("skipped: this machine has no strace that can make system calls fail");
    }
    server
}

/// Lets newcomers come and go while some system calls of the server fail, and checks that members lose
/// nothing.
fn members_lose_nothing(address: SocketAddr) {
    let join = |name: &str| Member::join_through_cuts(address, name, Callbacks::Open);
    let mut ann = join("ann");
    let mut bob = join("bob");
    for round in 0..10 {
        let newcomer = join(&format!("newcomer{round}"));
        ann.say_until_accepted(&format!("hello {round}"));
        newcomer.crash();
    }
    let end = ann.say_until_accepted("the end");
    bob.reconnect_until_received(end);
    assert_clean(|| [ann.history().left_early(), bob.history().left_early()]);
}

#[test]
fn a_server_whose_accept_fails_goes_on() {
    if let Some((_server, address)) = server_with_failing_calls("inject=accept4:error=EMFILE:when=2+3") {
        members_lose_nothing(address);
    }
}

#[test]
fn what_no_descriptor_can_open_is_neither_told_as_gone_nor_left_out() {
    const MESSAGES: usize = 60;
    let folder = Folder::new();
    // Each message takes a page of a file, and memory holds the last twenty.
    let oldest = "00000000000000000001.journal";
    // The server opens it by the folder that it has open.
    let paths: Vec<String> = (3..32).map(|folder| format!("/proc/self/fd/{folder}/{oldest}")).collect();
    let paths: Vec<&str> = paths.iter().flat_map(|path| ["-P", path]).collect();
    let strace = [&paths[..], &["-e", "trace=openat", "-e", "inject=openat:error=EMFILE"]].concat();
    let journal = ["--journal", folder.path().to_str().unwrap(), "--segment-size", "64KiB"];
    let arguments = [&journal[..], &["--log-messages", "20", "--rate-burst", "0"]].concat();
    let Some((server, address)) = Program::server_under_strace(&strace, &arguments) else {
        println!("skipped: this machine has no strace that can make system calls fail");
        return;
    };
    let [mut ann, mut bob] = ["ann", "bob"].map(|name| Member::join(address, name));
    bob.disconnect();
    let end = (0..MESSAGES).map(|number| ann.say(&format!("number {number}."))).last().unwrap();
    bob.reconnect();
    server.logs("a part of the journal cannot be read now: Too many open files");
    let history = Request::History { count: MESSAGES as u32, before: None };
    let refused = ann.ask(&history).unwrap();
    assert!(matches!(&refused, Reply::Refused(refusal) if refusal.cause == Cause::Busy), "{refused:?}");
    let cid = Program::client(address, "cid", &["--history", "100", "--stay", "--wait", "5m"]);
    cid.sees("--- the server is busy; trying again ---");

    server.end_strace();
    bob.reconnect_until_received(end);
    assert_clean(|| [ann.history(), bob.history()]);
    let shown = ann.ask(&history).unwrap();
    assert!(matches!(&shown, Reply::History { events } if events.len() == MESSAGES), "{shown:?}");
    cid.sees(&format!("[ann] number {}.\n", MESSAGES - 1));
    let output = cid.output();
    for number in 0..MESSAGES {
        assert_eq!(output.matches(&format!("[ann] number {number}.\n")).count(), 1, "{output}");
    }
    assert!(!output.contains("missed"), "{output}");
}

#[test]
fn a_server_that_cannot_start_threads_goes_on() {
    if let Some((_server, address)) = server_with_failing_calls("inject=clone3:error=EAGAIN:when=8+4") {
        members_lose_nothing(address);
    }
}

/// Starts a server that may have this many bytes of memory. Returns `None` where that is not possible.
fn server_with_memory(bytes: usize) -> Option<Command> {
    if !installed("prlimit") {
        println!("skipped: this machine has no prlimit");
        return None;
    }
    let mut command = Command::new("prlimit");
    command.arg(format!("--as={bytes}")).arg(binary("chat-server"));
    command.args(["--listen", "127.0.0.1:0", "--rate-burst", "0"]);
    Some(command)
}

#[test]
fn a_server_with_little_memory_takes_fewer_members_and_keeps_them() {
    const MEMORY: usize = 160 << 20;
    let Some(mut command) = server_with_memory(MEMORY) else { return };
    command.args(["--max-text", "32KiB"]);
    let (server, address) = Program::start_server(&mut command);
    server.logs("has room for");
    let mut ann = Member::join_without_listener(address, "ann");
    let bob = Member::join_without_listener(address, "bob");
    // As many as the server takes, each with all that a member can make it take memory for.
    let mut crowd = Vec::new();
    while let Ok(mut call) = RawPeer::connect_call(address) {
        let token = chat_tests::raw::random_token();
        if call.join(&format!("crowd{}", crowd.len()), token).is_err() {
            break;
        }
        let callback = call.connect_callback(address, token);
        crowd.push((call, callback));
    }
    assert!(crowd.len() > 5 && crowd.len() < 1000, "{} members", crowd.len());
    for round in 0..5 {
        for (call, _) in &crowd {
            for (message_id, bytes) in (2 * round + 1..).zip([4 << 10, 32 << 10]) {
                let text = "x".repeat(bytes);
                let said = Request::Broadcast { message_id, repeated: false, text };
                let requests = [frame_of(&said), frame_of(&Request::History { count: 100, before: None })];
                // The server ends a member that does not read its replies.
                let _ = call.write(&requests.concat());
            }
        }
    }
    let end = ann.say("still here");
    bob.hear_up_to(end);
}

fn frame_of(request: &Request) -> Vec<u8> {
    let mut frame = Vec::new();
    encode_frame(request, &mut frame).unwrap();
    frame
}

#[test]
fn a_server_takes_no_more_connections_than_their_threads_have_areas_of_memory() {
    const MOST: u64 = 100_000;
    /// A connection has three threads at most. Each has two stacks, and each stack has a guard page.
    const AREAS_EACH: u64 = 12;
    let areas = fs::read_to_string("/proc/sys/vm/max_map_count").unwrap_or_default();
    let areas: u64 = areas.trim().parse().unwrap_or(u64::MAX);
    if areas / AREAS_EACH > MOST {
        println!("skipped: this machine has areas of memory for {MOST} connections");
        return;
    }
    let (server, address) = Program::server(&["--max-connections", "100000"]);
    server.logs(&format!("the limit of {areas} areas of memory has room for "));
    let log = server.error_output();
    let fitting: u64 = log.split("has room for ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(fitting * AREAS_EACH < areas, "{log}");
    Member::join(address, "ann").leave();
}

#[test]
fn a_server_without_memory_for_its_log_does_not_start_and_says_why() {
    let Some(mut command) = server_with_memory(28 << 20) else { return };
    let mut server = Program::start("server", &mut command);
    assert_eq!(server.exits(), Some(1));
    assert!(server.error_output().contains("raise the limit (ulimit -v or -d), or lower --log-size"));
    assert_eq!(server.output(), "");
}

#[test]
fn without_descriptors_every_caller_is_answered_even_if_the_spare_one_was_not_to_be_had_at_first() {
    // The server takes the spare descriptor from /dev/null, and the first attempt fails. Strangers that are
    // served may give way to later ones, and none is closed for its silence alone.
    let strace = ["-P", "/dev/null", "-e", "inject=openat:error=EMFILE:when=1", "prlimit", "--nofile=12"];
    let Some((_server, address)) =
        Program::server_under_strace_that_forgets(&strace, &["--join-timeout", "3600s"])
    else {
        println!("skipped: this machine has no strace that can make system calls fail");
        return;
    };
    let mut served = Vec::new();
    for number in 0..30 {
        match RawPeer::connect_call(address) {
            Ok(peer) => served.push(peer),
            Err(RpcError::Refused { status: Status::Busy, .. }) => {}
            Err(error) => panic!("stranger {number}, with {} served: {error:?}", served.len()),
        }
    }
    assert!(!served.is_empty());
}
