//! The clock of the machine may show anything: a year of five digits, or another one for a while.

use chat_tests::{
    folder::Folder,
    member::Member,
    process::{binary, installed, Program},
};
use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
};

/// Comes between a program and the system's clock. How many seconds the clock is ahead stands in a file.
const LIBRARY: &str = r#"
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <fcntl.h>
    #include <stdlib.h>
    #include <time.h>
    #include <unistd.h>
    int clock_gettime(clockid_t clock, struct timespec *time) {
        int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
        int result = real(clock, time);
        char text[32] = {0};
        int file = open(getenv("CLOCK_AHEAD"), O_RDONLY | O_CLOEXEC);
        if (clock == CLOCK_REALTIME && read(file, text, 31) > 0) time->tv_sec += atoll(text);
        close(file);
        return result;
    }
"#;
const DAY: u64 = 86_400;

/// A clock that the test sets, for the programs that it starts.
struct Clock {
    folder: Folder,
}

impl Clock {
    /// Returns `None` where no library can be built.
    fn new() -> Option<Clock> {
        let folder = Folder::new();
        let source = folder.file("clock.c");
        fs::write(&source, LIBRARY).unwrap();
        let mut build = Command::new("cc");
        build
            .args(["-shared", "-fPIC", "-o", &folder.file("clock.so"), &source, "-ldl"])
            .stderr(Stdio::null());
        if !installed("cc") || !build.status().unwrap().success() {
            println!("skipped: a library between a program and its clock cannot be built here");
            return None;
        }
        let clock = Clock { folder };
        clock.is_ahead(0);
        Some(clock)
    }

    /// Sets the clock this many seconds ahead of the machine's.
    fn is_ahead(&self, seconds: u64) {
        // A reader must find one number or the other.
        let written = self.folder.file("written");
        fs::write(&written, seconds.to_string()).unwrap();
        fs::rename(&written, self.folder.file("ahead")).unwrap();
    }

    /// Returns a command for a program with this clock.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(binary(program));
        command.env("LD_PRELOAD", self.folder.file("clock.so")).env("CLOCK_AHEAD", self.folder.file("ahead"));
        command
    }
}

#[test]
fn a_room_goes_on_after_the_year_9999() {
    let Some(clock) = Clock::new() else { return };
    clock.is_ahead(9_000 * 365 * DAY);
    let journal = clock.folder.file("journal");
    let transcript = clock.folder.file("transcript");
    let arguments =
        ["--listen", "127.0.0.1:0", "--journal", &journal, "--transcript", &transcript, "--console"];
    let (mut server, address) = Program::start_server(clock.command("chat-server").args(arguments));
    let mut ann = Program::start("Ann", clock.command("chat-client").args(join(address, "Ann")));
    let bob = Program::start("Bob", clock.command("chat-client").args(join(address, "Bob")));
    bob.sees("Connected!");
    ann.types("hello from far away");
    bob.sees("[Ann] hello from far away\n");
    let line = bob.output().lines().find(|line| line.ends_with("hello from far away")).unwrap().to_owned();
    assert!(line.starts_with("110"), "{line}");
    server.types("/stop");
    assert_eq!(server.exits(), Some(0));
    assert!(server.error_output().starts_with("[110"), "{}", server.error_output());
    let exported = clock.command("chat-server").args(["--export", &journal]).output().unwrap();
    assert_eq!(exported.status.code(), Some(0), "{exported:?}");
    let exported = String::from_utf8(exported.stdout).unwrap();
    assert!(exported.contains("hello from far away") && exported.contains("\"time\":\"110"), "{exported}");
    assert!(fs::read_to_string(transcript).unwrap().starts_with("110"));
}

fn join(address: SocketAddr, name: &str) -> Vec<String> {
    ["--server", &address.to_string(), "--name", name, "--time", "date", "--stay"].map(str::to_owned).into()
}

#[test]
fn a_clock_that_is_far_ahead_for_a_while_drops_nothing_that_was_said() {
    let Some(clock) = Clock::new() else { return };
    let journal = clock.folder.file("journal");
    // It is wrong while a server runs, and when another one starts.
    for ahead in [[0, 100 * DAY], [100 * DAY, 100 * DAY], [0, 0]] {
        let mut command = clock.command("chat-server");
        command.args(["--listen", "127.0.0.1:0", "--journal", &journal, "--segment-size", "64KiB"]);
        command.args(["--keep", "30d", "--rate-burst", "0"]);
        let (mut server, address) = Program::start_server(&mut command);
        let mut ann = Member::join(address, "ann");
        for ahead in ahead {
            clock.is_ahead(ahead);
            for _ in 0..2 {
                let before = newest_file(&journal);
                while newest_file(&journal) == before {
                    ann.say(&"x".repeat(4_000));
                }
            }
        }
        ann.leave();
        server.signal("TERM");
        assert_eq!(server.exits(), Some(0));
    }
    assert!(Path::new(&journal).join("00000000000000000001.journal").exists());
}

fn newest_file(journal: &str) -> String {
    let names = fs::read_dir(journal).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    names.filter(|name| name.ends_with(".journal")).max().unwrap()
}
