//! The files that people and a program both change: of bans, of names, and of the rooms that a client knows.

use chat_tests::{
    folder::Folder,
    process::{binary, Program},
    watchdog::poll,
};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

/// What names a kept file of the server, and what else its command needs.
fn flags(folder: &Folder) -> Vec<(&'static str, Vec<String>)> {
    let closed = ["--closed".to_owned(), "--state".to_owned(), folder.file("state")];
    let closed = cfg!(feature = "closed").then(|| ("--names", closed.to_vec()));
    [("--ban-file", Vec::new())].into_iter().chain(closed).collect()
}

/// The command of a server on a free port with these arguments.
fn command(flag: &str, file: &str, others: &[String]) -> Command {
    let mut command = Command::new(binary("chat-server"));
    command.args(["--listen", "127.0.0.1:0", "--console", flag, file]).args(others);
    command
}

/// The command that runs a script of a shell, and then `command`, where only it sees what is mounted. Returns
/// `None` where the system does not allow that.
fn after_mounting(script: &str, command: &Command) -> Option<Command> {
    let can = Command::new("unshare").args(["--mount", "true"]).output();
    if !can.is_ok_and(|output| output.status.success()) {
        println!("skipped: this system does not let us create mount namespaces");
        return None;
    }
    let mut mounting = Command::new("unshare");
    let script = format!("{script} && exec \"$0\" \"$@\"");
    mounting.args(["--mount", "sh", "-c", &script]).arg(command.get_program()).args(command.get_args());
    Some(mounting)
}

#[test]
fn a_second_server_that_wants_the_same_file_does_not_start() {
    let folder = Folder::new();
    for (flag, others) in flags(&folder) {
        let [file, link] = [flag, "link"].map(|name| folder.file(name));
        let (mut first, _) = Program::start_server(&mut command(flag, &file, &others));
        let _ = fs::remove_file(&link);
        symlink(flag, &link).unwrap();
        for path in [&file, &link] {
            let mut second = Program::start("second", &mut command(flag, path, &others));
            assert_eq!(second.exits(), Some(1), "{flag}");
            let why = format!("{path}: another server has it; such a file belongs to one server at a time\n");
            assert!(second.error_output().ends_with(&why), "{}", second.error_output());
            assert_eq!(second.output().find("Server running"), None);
            // An editor puts a new file in the place of the old one.
            fs::write(folder.file("edited"), "# edited\n").unwrap();
            fs::rename(folder.file("edited"), &file).unwrap();
        }
        first.types("/stop");
        assert_eq!(first.exits(), Some(0));
        Program::start_server(&mut command(flag, &link, &others));
    }
}

#[test]
fn a_server_whose_lock_was_removed_takes_it_again_and_changes_no_file_that_another_has_locked_since() {
    let folder = Folder::new();
    let file = folder.file("bans");
    let (mut first, _) = Program::start_server(&mut command("--ban-file", &file, &[]));
    fs::remove_file(folder.file("bans.lock")).unwrap();
    first.types("/ban sara");
    first.sees("banned: name sara");
    let mut refused = Program::start("refused", &mut command("--ban-file", &file, &[]));
    assert_eq!(refused.exits(), Some(1), "the first one has the lock again");
    fs::remove_file(folder.file("bans.lock")).unwrap();
    let (mut second, _) = Program::start_server(&mut command("--ban-file", &file, &[]));
    first.types("/ban tom");
    first.sees("banned until the server ends or /reload: name tom");
    first.sees("the ban file cannot be written: another server has it");
    second.types("/ban bob");
    second.sees("banned: name bob");
    assert_eq!(fs::read_to_string(&file).unwrap(), "name sara\nname bob\n");
}

#[test]
fn a_file_that_is_a_mount_of_its_own_ends_the_server_at_the_start_and_says_what_to_mount() {
    let folder = Folder::new();
    for (flag, others) in flags(&folder) {
        let file = folder.file(flag);
        fs::write(&file, "# mounted\n").unwrap();
        let script = format!("mount --bind {file} {file}");
        let Some(mut mounting) = after_mounting(&script, &command(flag, &file, &others)) else { return };
        let mut server = Program::start("server", &mut mounting);
        assert_eq!(server.exits(), Some(1), "{flag}");
        let why = format!(
            "{file}: it is a mount of its own, so no new version can take its place; mount the folder, not \
             the file\n"
        );
        assert!(server.error_output().ends_with(&why), "{}", server.error_output());
        // The folder may be one.
        let path = folder.path().display();
        let script = format!("mount --bind {path} {path}");
        let mounting = after_mounting(&script, &command(flag, &file, &others));
        Program::start_server(&mut mounting.expect("it worked before"));
    }
}

#[test]
fn a_full_disk_leaves_the_old_file_and_the_ban_holds_and_is_written_when_there_is_space() {
    let folder = Folder::new();
    let disk = folder.file("disk");
    fs::create_dir(&disk).unwrap();
    let file = format!("{disk}/bans");
    let script = format!("mount -t tmpfs -o size=64k none {disk} && echo 'name tom' >{file}");
    let Some(mut mounting) = after_mounting(&script, &command("--ban-file", &file, &[])) else { return };
    let (mut server, address) = Program::start_server(&mut mounting);
    // The disk as the server sees it.
    let seen = |path: &str| PathBuf::from(format!("/proc/{}/root{path}", server.pid()));
    let (file, fill) = (seen(&file), seen(&format!("{disk}/fill")));
    assert!(fs::write(&fill, vec![1; 1 << 20]).is_err(), "the disk is full");
    server.types("/ban sara");
    server.sees("banned until the server ends or /reload: name sara");
    server.sees("the ban file cannot be written: No space left on device");
    assert_eq!(fs::read_to_string(&file).unwrap(), "name tom\n");
    assert_eq!(Program::client(address, "Sara", &[]).exits(), Some(1));
    fs::remove_file(&fill).unwrap();
    server.types("/ban sara");
    poll("the ban to be written", || fs::read_to_string(&file).unwrap().contains("name sara").then_some(()));
    assert_eq!(fs::read_dir(file.parent().unwrap_or(Path::new("/"))).unwrap().count(), 2, "and the lock");
}
