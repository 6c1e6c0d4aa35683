//! A journal stays in the directory that its server has opened, whatever becomes of the path. Real programs.

use crate::journal::Place;
use chat_tests::{
    member::Member,
    process::{binary, Program},
};
use std::{fs, process::Command};

/// Says enough for more files than one. Returns what was said.
fn fill_files(member: &mut Member) -> Vec<String> {
    let text = |number| format!("{} {number} {}", member.name(), "x".repeat(3_000));
    let texts: Vec<String> = (0..60).map(text).collect();
    texts.iter().for_each(|text| _ = member.say(text));
    texts
}

/// The texts of the messages in a journal, which must be whole.
fn texts_in(journal: &str) -> Vec<String> {
    let run = |flag| Command::new(binary("chat-server")).args([flag, journal]).output().unwrap();
    let checked = run("--check");
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    let exported = String::from_utf8(run("--export").stdout).unwrap();
    let text = |line: &str| Some(line.split_once("\"text\":\"")?.1.trim_end_matches("\"}").to_owned());
    exported.lines().filter_map(text).collect()
}

#[test]
fn a_journal_that_is_moved_goes_on_where_it_is_and_its_path_is_free_for_another() {
    let place = Place::new();
    let _ann_server = place.start(&["--segment-size", "64KiB"]);
    let mut ann = Member::join(place.address(), "ann");
    ann.say("before");
    let old = format!("{}.old", place.journal);
    fs::rename(&place.journal, &old).unwrap();
    let mut command = Command::new(binary("chat-server"));
    command.args(["--listen", "127.0.0.1:0", "--rate-burst", "0", "--segment-size", "64KiB"]);
    let (_bob_server, address) = Program::start_server(command.args(["--journal", &place.journal]));
    let mut bob = Member::join(address, "bob");
    let (by_ann, by_bob) = (fill_files(&mut ann), fill_files(&mut bob));
    assert_eq!(texts_in(&old), [vec!["before".to_owned()], by_ann].concat());
    assert_eq!(texts_in(&place.journal), by_bob);
    let mut third = Command::new(binary("chat-server"));
    let third = third.args(["--listen", "127.0.0.1:0", "--journal", &old]).output().unwrap();
    assert_eq!(third.status.code(), Some(1), "{third:?}");
    assert!(String::from_utf8_lossy(&third.stderr).contains("another server has it"), "{third:?}");
}

#[test]
fn a_journal_whose_lock_was_removed_still_has_one_server() {
    let place = Place::new();
    let _server = place.start(&[]);
    fs::remove_file(format!("{}/lock", place.journal)).unwrap();
    let mut second = Command::new(binary("chat-server"));
    second.args(["--listen", "127.0.0.1:0", "--journal", &place.journal]);
    let mut second = Program::start("second", &mut second);
    assert_eq!(second.exits(), Some(1));
    second.logs("another server has it");
}

#[test]
fn where_no_path_leads_to_a_moved_journal_its_server_ends_and_leaves_the_other_alone() {
    let can =
        Command::new("unshare").args(["--mount", "true"]).output().is_ok_and(|out| out.status.success());
    if !can {
        println!("skipped: this system does not let us create mount namespaces");
        return;
    }
    let place = Place::new();
    let script = format!(
        "mount -t tmpfs none /proc && exec {} --listen 127.0.0.1:{} --journal {} --segment-size 64KiB \
         --rate-burst 0 \"$@\"",
        binary("chat-server").display(),
        place.port,
        &place.journal,
    );
    let mut command = Command::new("unshare");
    let (mut server, address) = Program::start_server(command.args(["--mount", "sh", "-c", &script, "sh"]));
    let mut ann = Member::join(address, "ann");
    fill_files(&mut ann);
    let old = format!("{}.old", place.journal);
    fs::rename(&place.journal, &old).unwrap();
    fs::create_dir(&place.journal).unwrap();
    fs::write(format!("{}/next", place.journal), "of another").unwrap();
    while ann.try_say(&"x".repeat(3_000)).is_ok() {}
    assert_eq!(server.exits(), Some(1));
    server.logs("the folder was moved or removed");
    assert_eq!(fs::read_dir(&place.journal).unwrap().count(), 1);
    assert_eq!(fs::read(format!("{}/next", place.journal)).unwrap(), b"of another");
    texts_in(&old);
}

#[test]
fn a_server_ends_with_the_first_message_that_a_removed_journal_cannot_keep() {
    let place = Place::new();
    let mut server = place.start(&[]);
    let mut ann = Member::join(place.address(), "ann");
    ann.say("before");
    fs::remove_dir_all(&place.journal).unwrap();
    assert!(ann.try_say("after").is_err(), "nothing is accepted that no later server can find");
    assert_eq!(server.exits(), Some(1));
    server.logs("the file was removed");
}

#[test]
fn a_journal_behind_a_symbolic_link_is_the_one_that_the_link_names_at_the_start() {
    let place = Place::new();
    let (one, other) = (format!("{}.one", place.journal), format!("{}.other", place.journal));
    fs::create_dir(&one).unwrap();
    fs::create_dir(&other).unwrap();
    std::os::unix::fs::symlink(&one, &place.journal).unwrap();
    let _server = place.start(&["--segment-size", "64KiB"]);
    let mut ann = Member::join(place.address(), "ann");
    fs::remove_file(&place.journal).unwrap();
    std::os::unix::fs::symlink(&other, &place.journal).unwrap();
    let said = fill_files(&mut ann);
    assert_eq!(texts_in(&one), said);
    assert_eq!(fs::read_dir(&other).unwrap().count(), 0);
}
