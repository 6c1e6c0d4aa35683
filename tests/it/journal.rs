//! A server with a journal takes nothing back, not even when it is killed.
//! Real programs; the journals are in temporary folders.

use chat_common::wire::protocol::{Cause, Join, Reply, Request};
use chat_tests::{
    folder::Folder,
    member::Member,
    process::{binary, installed, repository, Program},
    raw::{random_token, RawPeer},
    watchdog::poll,
};
use std::{
    collections::BTreeMap,
    env, fs,
    io::Read,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
};

/// A journal, and the port of the server that has it. Dropping it removes the journal.
pub(crate) struct Place {
    /// The server makes it. It stands in a folder of the test.
    pub(crate) journal: String,
    pub(crate) port: u16,
    _folder: Folder,
}

impl Place {
    /// A new place, with a port that is free now.
    pub(crate) fn new() -> Place {
        let folder = Folder::new();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        Place { journal: folder.file("journal"), port, _folder: folder }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("chat-server"));
        let listen = format!("127.0.0.1:{}", self.port);
        command.args(["--listen", &listen, "--journal", &self.journal, "--rate-burst", "0"]).args(arguments);
        command
    }

    /// Starts a server and waits until it accepts.
    pub(crate) fn start(&self, arguments: &[&str]) -> Program {
        self.start_with(arguments, &[])
    }

    /// Starts a server as [`Place::start`] does, with these variables in its environment.
    pub(crate) fn start_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Program {
        let mut command = self.command(arguments);
        let (server, address) = Program::start_server(command.envs(variables.iter().copied()));
        assert_eq!(address, self.address());
        server
    }

    /// Runs the server's program to its end, with this flag for the journal.
    pub(crate) fn run(&self, flag: &str) -> Output {
        Command::new(binary("chat-server")).args([flag, &self.journal]).output().unwrap()
    }

    /// Exports the journal with these further flags. Returns the lines.
    fn export(&self, arguments: &[&str]) -> Vec<String> {
        let mut command = Command::new(binary("chat-server"));
        let exported = command.args(["--export", &self.journal]).args(arguments).output().unwrap();
        assert_eq!(exported.status.code(), Some(0), "{exported:?}");
        assert_eq!(exported.stderr, b"", "{exported:?}");
        String::from_utf8(exported.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    /// The files of the journal, in order.
    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.journal).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> =
            entries.filter(|path| path.extension().is_some_and(|extension| extension == "journal")).collect();
        files.sort();
        files
    }
}

/// Kills a server as a crash does.
fn kill(mut server: Program) {
    server.signal("KILL");
    server.exits();
}

/// Lets ann say the numbers from 0 to 19, and then kills the server.
fn say_twenty_numbers(place: &Place) {
    let server = place.start(&[]);
    let mut ann = Member::join(place.address(), "ann");
    for number in 0..20 {
        ann.say(&format!("number {number}"));
    }
    // A member that leaves before would be one event more, or not.
    kill(server);
    drop(ann);
}

/// The value of a field in a line of JSON that our client has written: digits, or a text without escapes.
pub(crate) fn field<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let (_, rest) = line.split_once(&format!("\"{name}\":"))?;
    let rest = rest.trim_start_matches('"');
    Some(&rest[..rest.find(['"', ',', '}'])?])
}

/// How often the server is killed under load. `make faults` sets more.
fn rounds() -> usize {
    env::var("CHAT_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(3)
}

#[test]
fn a_server_that_is_killed_under_load_loses_doubles_and_reorders_nothing() {
    const NAMES: [&str; 3] = ["Ann", "Bob", "Cem"];
    let place = Place::new();
    let mut server = place.start(&["--segment-size", "64KiB"]);
    let mut clients = NAMES.map(|name| {
        let client = Program::client(place.address(), name, &["--json", "--stay"]);
        client.sees("\"connected\"");
        client
    });
    let mut said = 0;
    for round in 0..rounds() {
        // The kill falls somewhere into these lines, and the rest is said while the server is away.
        for _ in 0..200 {
            said += 1;
            for (client, name) in clients.iter_mut().zip(NAMES) {
                client.types(&format!("{name} {said}"));
            }
            if said % 200 == 100 + round * 7 % 90 {
                server.signal("KILL");
            }
        }
        kill(server);
        server = place.start(&["--segment-size", "64KiB"]);
        for client in &clients {
            client.sees_times("\"event\":\"accepted\"", said);
        }
    }
    // All are accepted, so all are on their way to the others.
    for client in &clients {
        client.sees_times("\"event\":\"message\"", said * (NAMES.len() - 1));
    }
    let mut order: BTreeMap<u64, String> = BTreeMap::new();
    for (client, name) in clients.iter().zip(NAMES) {
        let output = client.output();
        let (mut last, mut next): (u64, BTreeMap<&str, usize>) = (0, BTreeMap::new());
        for line in output.lines() {
            assert!(!line.contains("\"left\"") && !line.contains("\"restarted\""), "{name}: {line}");
            assert!(!line.contains("\"missed"), "{name}: {line}");
            let is_own = line.contains("\"event\":\"accepted\"");
            if !is_own && !line.contains("\"event\":\"message\"") {
                continue;
            }
            let (sequence, text) = (field(line, "sequence").unwrap(), field(line, "text").unwrap());
            let sequence: u64 = sequence.parse().unwrap();
            let (author, number) = text.split_once(' ').unwrap();
            if !is_own {
                assert!(sequence > last, "{name}: {line} comes after sequence {last}");
                last = sequence;
            }
            // Each line of each author, once, and in the order in which it was said.
            let expected = next.entry(author).or_insert(0);
            *expected += 1;
            assert_eq!(number, expected.to_string(), "{name}: {line}");
            assert_eq!(*order.entry(sequence).or_insert_with(|| text.to_owned()), text, "{name}: {line}");
        }
        assert!(NAMES.iter().all(|author| next.get(author) == Some(&said)), "{name}: {next:?}");
    }
    eprintln!("{} kills, {} lines, {} deliveries: all once, in one order", rounds(), said * 3, said * 6);
    drop(server);
    let checked = place.run("--check");
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
}

#[test]
fn who_comes_back_in_time_is_not_seen_to_have_been_away_and_the_others_have_left() {
    let place = Place::new();
    let server = place.start(&[]);
    let mut ann = Program::joined_client(place.address(), "Ann");
    let bob = Program::joined_client(place.address(), "Bob");
    let cem = Program::joined_client(place.address(), "Cem");
    ann.sees("User [Cem] joined");
    // Nobody listens on the port any more, so Cem cannot come back before he is gone himself.
    kill(server);
    drop(cem);
    let server = place.start(&["--resume-within", "10s"]);
    bob.sees("--- connected again ---");
    ann.types("here we are");
    bob.sees("[Ann] here we are");
    ann.sees("User [Cem] left (connection lost)");
    for client in [&ann, &bob] {
        let output = client.output();
        assert!(!output.contains("is back") && !output.contains("restarted"), "{output}");
        assert_eq!(output.matches("left").count(), output.matches("User [Cem] left").count(), "{output}");
    }
    server.logs("journal");
}

#[test]
fn history_reaches_back_over_restarts_and_behind_what_memory_holds() {
    let place = Place::new();
    let small = ["--log-messages", "20", "--segment-size", "64KiB"];
    for run in 0..3 {
        let server = place.start(&small);
        let mut ann = Member::join(place.address(), &format!("ann{run}"));
        for number in 0..200 {
            ann.say(&format!("{run} {number}"));
        }
        kill(server);
    }
    let _server = place.start(&small);
    let bob = Program::client(place.address(), "Bob", &["--history", "500", "--stay"]);
    bob.sees("2 199\n");
    let shown: Vec<String> =
        bob.lines().iter().filter_map(|line| Some(line.split_once("] ")?.1.to_owned())).collect();
    let all = (0..3).flat_map(|run| (0..200).map(move |number| format!("{run} {number}")));
    let expected: Vec<String> = all.skip(100).collect();
    let shown: Vec<String> = shown.into_iter().filter(|text| expected.contains(text)).collect();
    assert_eq!(shown, expected);
}

#[test]
fn a_history_of_many_pages_is_shown_whole_and_in_order() {
    let place = Place::new();
    let _server = place.start(&["--log-messages", "20", "--segment-size", "64KiB"]);
    let mut ann = Member::join(place.address(), "ann");
    let padding = "x".repeat(300);
    for number in 0..500 {
        ann.say(&format!("number {number} {padding}"));
    }
    let mut bob = Program::joined_client(place.address(), "Bob");
    bob.types("/history 400");
    bob.types("/who");
    bob.sees("2 here: ann, Bob");
    let shown: Vec<String> =
        bob.lines().iter().filter_map(|line| Some(line.split(' ').nth(3)?.to_owned())).collect();
    let expected: Vec<String> = (100..500).map(|number| number.to_string()).collect();
    let shown: Vec<&String> = shown.iter().filter(|word| expected.contains(word)).collect();
    assert!(shown.into_iter().eq(&expected));
}

#[test]
fn a_journal_belongs_to_one_server_at_a_time_and_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let _server = place.start(&[]);
    let second = Command::new(binary("chat-server"))
        .args(["--listen", "127.0.0.1:0", "--journal", &place.journal])
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    let why = String::from_utf8(second.stderr).unwrap();
    assert!(why.contains("another server has it") && why.contains(&place.journal), "{why}");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(Path::new(&place.journal)), 0o700);
    place.files().iter().for_each(|file| assert_eq!(mode(file), 0o600));
}

#[test]
fn whoever_was_removed_without_a_word_to_the_others_stays_removed_after_a_crash() {
    let place = Place::new();
    let mut server = place.start(&["--console"]);
    let (ci, ann) = (random_token(), random_token());
    let joins = [(Join { send_only: true, ..Join::new("ci", ci, 0) }), Join::new("ann", ann, 0)];
    let mut peers = joins.clone().map(|join| {
        let mut peer = RawPeer::connect_call(place.address()).unwrap();
        peer.join_with(join).unwrap();
        peer
    });
    // The others know that ann is lost, so nothing is said of her any more.
    peers[1].ask(&Request::Ping).unwrap();
    let [_ci, ann] = peers;
    drop(ann);
    server.logs("ann left (connection lost)");
    for name in ["ci", "ann"] {
        server.types(&format!("/kick {name} enough"));
        server.sees(&format!("removed: {name}"));
    }
    kill(server);
    let _server = place.start(&[]);
    for join in joins {
        let mut peer = RawPeer::connect_call(place.address()).unwrap();
        match peer.join_with(Join { resume: Some(0), ..join }) {
            Err(Reply::Refused(refusal)) => assert_eq!(refusal.cause, Cause::SessionOver, "{refusal:?}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_damaged_journal_is_not_opened_and_a_repair_says_what_is_lost() {
    let place = Place::new();
    say_twenty_numbers(&place);
    let whole = place.run("--check");
    assert_eq!(whole.status.code(), Some(0), "{whole:?}");
    let text = String::from_utf8_lossy(&whole.stdout);
    assert!(text.starts_with("whole: ") && text.ends_with(" in 1 file, the last is 21\n"), "{text}");
    let file = place.files().remove(0);
    let mut bytes = fs::read(&file).unwrap();
    let at = 4096 * 10;
    bytes[at + 100] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let refused = place.command(&[]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let why = String::from_utf8(refused.stderr).unwrap();
    assert!(why.contains(&format!(": {at}: ")) && why.contains("--repair"), "{why}");
    let checked = place.run("--check");
    assert_eq!(checked.status.code(), Some(1));
    let found = String::from_utf8(checked.stdout).unwrap();
    assert!(found.contains(&format!(".journal: {at}: ")), "{found}");
    assert_eq!(fs::read(&file).unwrap(), bytes, "nothing is changed before the repair");
    let repaired = place.run("--repair");
    assert_eq!(repaired.status.code(), Some(0), "{repaired:?}");
    let text = String::from_utf8(repaired.stdout).unwrap();
    assert!(text.contains("are lost") && text.contains("kept in"), "{text}");
    let _server = place.start(&[]);
    let bob = Program::client(place.address(), "Bob", &["--history", "100", "--stay"]);
    bob.sees("[ann] number 3\n");
    bob.sees("Connected!");
    assert!(!bob.output().contains("number 19"));
}

#[test]
fn a_room_of_which_a_repair_has_cut_everything_goes_on_and_keeps_what_is_said() {
    let place = Place::new();
    let small = ["--segment-size", "64KiB", "--keep-size", "128KiB"];
    let server = place.start(&small);
    let mut ann = Member::join(place.address(), "ann");
    while place.files()[0].ends_with("00000000000000000001.journal") {
        ann.say("the first file goes");
    }
    kill(server);
    // The header of the oldest file.
    let mut bytes = fs::read(&place.files()[0]).unwrap();
    bytes[100] ^= 1;
    fs::write(&place.files()[0], &bytes).unwrap();
    assert_eq!(place.run("--repair").status.code(), Some(0));
    let server = place.start(&small);
    let mut bob = Member::join(place.address(), "bob");
    let said = bob.say("kept");
    kill(server);
    let checked = String::from_utf8(place.run("--check").stdout).unwrap();
    assert!(checked.ends_with(&format!(", the last is {said}\n")), "{checked}");
    assert!(place.export(&[]).iter().any(|line| line.contains("kept")));
    place.start(&small);
}

#[test]
fn a_repair_that_was_stopped_is_told_until_it_is_run_again() {
    let place = Place::new();
    fs::create_dir(&place.journal).unwrap();
    let nothing = place.run("--repair");
    assert_eq!(nothing.status.code(), Some(1), "{nothing:?}");
    assert!(String::from_utf8(nothing.stderr).unwrap().contains("there is no journal"));
    assert_eq!(fs::read_dir(&place.journal).unwrap().count(), 0, "nothing is made in a folder without one");
    say_twenty_numbers(&place);
    fs::write(Path::new(&place.journal).join("repairing"), "").unwrap();
    let checked = place.run("--check");
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    let why = "repairing: 0: a repair was stopped; --repair goes on with it\n";
    assert_eq!(String::from_utf8(checked.stdout).unwrap(), why);
    let refused = place.command(&[]).output().unwrap();
    assert!(String::from_utf8(refused.stderr).unwrap().contains("--repair goes on with it"));
    let repaired = place.run("--repair");
    assert_eq!(repaired.status.code(), Some(0), "{repaired:?}");
    assert!(String::from_utf8(repaired.stdout).unwrap().contains("Nothing was cut."));
    assert_eq!(place.run("--check").status.code(), Some(0));
    place.start(&[]);
}

#[test]
fn a_file_that_has_grown_beyond_all_memory_is_named_and_put_aside() {
    let place = Place::new();
    say_twenty_numbers(&place);
    let file = place.files().remove(0);
    let name = file.file_name().unwrap().to_str().unwrap().to_owned();
    let made = fs::metadata(&file).unwrap().len();
    let grown = fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(1 << 42);
    if let Err(error) = grown {
        println!("skipped: this file system has no file of 4 TiB: {error}");
        return;
    }
    let checked = place.run("--check");
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    let found = String::from_utf8(checked.stdout).unwrap();
    assert!(found.starts_with(&format!("{name}: {made}: the file was made with {made} bytes")), "{found}");
    for refused in [place.command(&[]).output().unwrap(), place.run("--export")] {
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(String::from_utf8(refused.stderr).unwrap().contains(&format!("{name}: {made}: ")));
    }
    let repaired = place.run("--repair");
    assert_eq!(repaired.status.code(), Some(0), "{repaired:?}");
    assert!(Path::new(&place.journal).join(format!("{name}.damaged")).exists());
    place.start(&[]);
}

#[test]
fn a_journal_can_be_read_in_another_language_with_its_documentation_alone() {
    if !installed("python3") {
        println!("skipped: this machine has no python3");
        return;
    }
    let place = Place::new();
    let server = place.start(&["--segment-size", "64KiB"]);
    let mut ann = Member::join(place.address(), "ann");
    for number in 0..50 {
        ann.say(&format!("number {number} {}", "x".repeat(number * 40)));
    }
    drop(ann);
    kill(server);
    assert!(place.files().len() > 2);
    let script = repository().join("tests/python/journal.py");
    let output = Command::new("python3").arg(script).arg(&place.journal).output().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{errors}");
    for number in 0..50 {
        assert!(text.contains(&format!(" ann: number {number} {}\n", "x".repeat(number * 40))), "{text}");
    }
}

#[test]
fn an_export_of_a_running_server_has_what_a_client_saw_and_private_messages_only_when_asked() {
    let place = Place::new();
    let _server = place.start(&[]);
    let mut bob = Program::client(place.address(), "Bob", &["--json", "--stay"]);
    bob.sees("\"connected\"");
    let mut ann = Member::join(place.address(), "Ann");
    let mut cem = Member::join(place.address(), "Cem");
    ann.say("a \"quoted\" é🦀 line");
    ann.say_privately("Bob", "for Bob");
    let for_cem = ann.say_privately("Cem", "for Cem");
    let renamed = cem.ask(&Request::Rename { name: "Sam".to_owned() });
    assert!(matches!(renamed, Ok(Reply::Renamed { .. })), "{renamed:?}");
    let for_sam = ann.say_privately("Sam", "for Sam");
    bob.types("/me waves");
    bob.sees("\"accepted\"");
    cem.leave();
    bob.sees("\"left\"");
    ann.say("the last one");
    bob.sees("the last one\"}\n");

    // What Bob said himself came to him as accepted, and nobody tells him of his own join.
    let output = bob.output();
    let seen = output.lines().filter(|line| !line.contains("\"connection\"") && !line.contains("accepted"));
    let all = place.export(&["--private"]);
    let own = |line: &&String| field(line, "name") == Some("Bob") || field(line, "author") == Some("Bob");
    let by_others: Vec<&String> = all.iter().filter(|line| !own(line)).collect();
    let for_others = |line: &&&String| line.contains("for Cem") || line.contains("for Sam");
    let (unseen, exported): (Vec<&String>, Vec<&String>) =
        by_others.into_iter().partition(|line| for_others(&line));
    let exported: Vec<String> = exported.iter().map(|line| line.replace(",\"to\":\"Bob\"}", "}")).collect();
    assert_eq!(exported, seen.collect::<Vec<_>>());
    let summary =
        |line: &&String| [field(line, "sequence"), field(line, "to")].map(|part| part.unwrap().to_owned());
    let expected = [[for_cem.to_string(), "Cem".to_owned()], [for_sam.to_string(), "Sam".to_owned()]];
    assert_eq!(unseen.iter().map(summary).collect::<Vec<_>>(), expected);
    let own: Vec<&String> = all.iter().filter(own).collect();
    let accepted = output.lines().find(|line| line.contains("accepted")).unwrap();
    assert!(own[0].starts_with("{\"event\":\"joined\",\"sequence\":1,"), "{own:?}");
    assert_eq!(field(own[1], "sequence"), field(accepted, "sequence"));
    assert!(own[1].contains("\"action\"") && own[1].ends_with(",\"author\":\"Bob\",\"text\":\"waves\"}"));

    let public: Vec<&String> = all.iter().filter(|line| !line.contains("\"private\"")).collect();
    assert_eq!(all.len() - public.len(), 3);
    assert_eq!(place.export(&[]).iter().collect::<Vec<_>>(), public);
    assert_eq!(place.export(&["--since", "30d"]).iter().collect::<Vec<_>>(), public);
    poll("all events to be older than a millisecond", || {
        place.export(&["--since=1ms"]).is_empty().then_some(())
    });
}

#[test]
fn an_export_while_members_talk_is_whole_up_to_where_it_ends() {
    let place = Place::new();
    let _server = place.start(&["--segment-size", "64KiB"]);
    let talkers: Vec<_> = (0..3)
        .map(|number| {
            let mut member = Member::join(place.address(), &format!("talker{number}"));
            thread::Builder::new()
                .name("talker".to_owned())
                .spawn(move || {
                    for number in 0..300 {
                        member.say(&format!("number {number}"));
                    }
                })
                .unwrap()
        })
        .collect();
    let mut exports = 0;
    loop {
        let is_over = talkers.iter().all(thread::JoinHandle::is_finished);
        let lines = place.export(&[]);
        for (line, sequence) in lines.iter().zip(1..) {
            assert_eq!(field(line, "sequence"), Some(sequence.to_string().as_str()), "{line}");
        }
        exports += 1;
        if is_over {
            let said = lines.iter().filter(|line| line.starts_with("{\"event\":\"message\"")).count();
            assert_eq!(said, 900);
            break;
        }
    }
    eprintln!("{exports} exports while members talked");
    talkers.into_iter().for_each(|talker| talker.join().unwrap());
    // A reader that has enough is no failure: here, much more than a pipe holds.
    let mut head = Command::new(binary("chat-server"))
        .args(["--export", &place.journal])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 1];
    head.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let ended = head.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr), (Some(0), Vec::new()));
}

#[test]
fn an_export_has_what_is_before_a_damage_and_says_where_it_is() {
    let place = Place::new();
    let export = || Command::new(binary("chat-server")).args(["--export", &place.journal]).output().unwrap();
    let none = export();
    assert_eq!((none.status.code(), none.stdout), (Some(1), Vec::new()));
    assert!(String::from_utf8(none.stderr).unwrap().ends_with(": there is no journal\n"));
    assert!(!Path::new(&place.journal).exists(), "an export makes no folder");

    say_twenty_numbers(&place);
    let file = place.files().remove(0);
    let mut bytes = fs::read(&file).unwrap();
    let at = 4096 * 10;
    bytes[at + 100] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let damaged = export();
    assert_eq!(damaged.status.code(), Some(1));
    let why = String::from_utf8(damaged.stderr).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(why.starts_with(&format!("chat-server: {name}: {at}: ")) && why.lines().count() == 1, "{why}");
    let lines = String::from_utf8(damaged.stdout).unwrap();
    // The first page is the file's own, then come the checkpoint and the join.
    let texts: Vec<&str> = lines.lines().filter_map(|line| field(line, "text")).collect();
    let expected: Vec<String> = (0..texts.len()).map(|number| format!("number {number}")).collect();
    assert!((1..20).contains(&texts.len()) && texts == expected, "{lines}");
    assert_eq!(fs::read(&file).unwrap(), bytes, "an export changes nothing");
}

#[test]
fn the_flags_of_an_export_without_one_are_wrong_usage() {
    for arguments in [&["--since", "2h"][..], &["--private"], &["--export", "x", "--since", "yesterday"]] {
        let refused = Command::new(binary("chat-server")).args(arguments).output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert_eq!(String::from_utf8(refused.stderr).unwrap().lines().count(), 1);
    }
}
