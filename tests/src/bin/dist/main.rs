//! `make dist`: packs the two programs, their man pages, completions for three shells, what installs them,
//! the systemd unit and the container file into one archive.
//!
//! `dist TARGET PROGRAMS FOLDER` takes the programs from the folder PROGRAMS and writes
//! `FOLDER/rpc-chat-VERSION-TARGET.tar.gz`. Man pages and completions are made from the tables of flags with
//! which the programs read their command lines, and man pages also from the tables of the READMEs. The
//! folders of the archive are those of `/usr/local` and of `~/.local`.
//!
//! Two archives of one commit and the same programs are equal byte for byte. For that this program sorts the
//! names, and all files have the same owner and the time of the commit. `$SOURCE_DATE_EPOCH` replaces that
//! time.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the output is for the person who runs this")]

mod completions;
mod man;

use chat_common::program::flags::Program;
use chat_tests::process::{installed, repository};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

/// Files that go into the archive as they are: from the repository, to the archive.
const COPIED: [(&str, &str); 9] = [
    ("tests/src/bin/dist/install.sh", "install.sh"),
    ("server/chat-server.service", "lib/systemd/system/chat-server.service"),
    ("server/Containerfile", "share/doc/rpc-chat/Containerfile"),
    ("README.md", "share/doc/rpc-chat/README.md"),
    ("client/README.md", "share/doc/rpc-chat/client/README.md"),
    ("server/README.md", "share/doc/rpc-chat/server/README.md"),
    ("CHANGELOG.md", "share/doc/rpc-chat/CHANGELOG.md"),
    ("LICENSE-APACHE", "share/doc/rpc-chat/LICENSE-APACHE"),
    ("LICENSE-MIT", "share/doc/rpc-chat/LICENSE-MIT"),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [target, programs, folder] = &arguments[..] else {
        eprintln!("usage: dist TARGET PROGRAMS FOLDER");
        return ExitCode::from(2);
    };
    match make_archive(target, Path::new(programs), Path::new(folder)) {
        Ok(archive) => {
            println!("{}", archive.display());
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("dist: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Makes the folder of the archive, and then the archive. Returns the archive's path.
fn make_archive(target: &str, programs: &Path, folder: &Path) -> Result<PathBuf, String> {
    let name = format!("rpc-chat-{}-{target}", env!("CARGO_PKG_VERSION"));
    let root = folder.join(&name);
    if root.exists() {
        fs::remove_dir_all(&root).map_err(|error| format!("cannot remove {}: {error}", root.display()))?;
    }
    add(&chat_client::program(), "client/README.md", "chat-server", programs, &root)?;
    add(&chat_server::program(), "server/README.md", "chat-client", programs, &root)?;
    for (from, to) in COPIED {
        copy(&repository().join(from), &root.join(to))?;
    }
    let archive = folder.join(format!("{name}.tar.gz"));
    pack(folder, &name, &archive)?;
    Ok(archive)
}

/// Adds the program, its man page, which points to that of `other`, and its completions.
fn add<S>(
    program: &Program<S>,
    readme: &str,
    other: &str,
    programs: &Path,
    root: &Path,
) -> Result<(), String> {
    let name = program.name;
    let readme = fs::read_to_string(repository().join(readme))
        .map_err(|error| format!("cannot read {readme}: {error}"))?;
    copy(&programs.join(name), &root.join("bin").join(name))?;
    for (path, text) in [
        (format!("man/man1/{name}.1"), man::page(program, &readme, other)),
        (format!("bash-completion/completions/{name}"), completions::bash(program)),
        (format!("zsh/site-functions/_{name}"), completions::zsh(program)),
        (format!("fish/vendor_completions.d/{name}.fish"), completions::fish(program)),
    ] {
        write(&root.join("share").join(path), &text)?;
    }
    Ok(())
}

/// Packs the folder `name` of `folder`. It needs GNU tar, which is `gtar` on macOS.
fn pack(folder: &Path, name: &str, archive: &Path) -> Result<(), String> {
    let tar = if installed("gtar") { "gtar" } else { "tar" };
    let mut command = Command::new(tar);
    command
        .args(["--create", "--format=ustar", "--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
        // The modes must not depend on the umask of the one who packs.
        .args(["--mode=u=rwX,go=rX", &format!("--mtime=@{}", commit_time()?)])
        // With -n the compressed file holds no time.
        .args(["--use-compress-program", "gzip -9n"])
        .arg("--file")
        .arg(archive)
        .arg("--directory")
        .arg(folder)
        .arg(name);
    output_of(&mut command).map(drop)
}

/// The time that all files of the archive get, in seconds since 1970.
fn commit_time() -> Result<String, String> {
    if let Ok(time) = env::var("SOURCE_DATE_EPOCH") {
        return Ok(time);
    }
    let mut command = Command::new("git");
    command.current_dir(repository()).args(["log", "-1", "--format=%ct"]);
    let time = output_of(&mut command).map_err(|why| format!("{why}; SOURCE_DATE_EPOCH can say the time"))?;
    Ok(time.trim().to_owned())
}

/// Runs the command to its end, and returns its standard output.
fn output_of(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("cannot run {name}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{name} failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("{name} did not print text: {error}"))
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    make_folder_of(to)?;
    fs::copy(from, to).map_err(|error| format!("cannot copy {}: {error}", from.display()))?;
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    make_folder_of(path)?;
    fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn make_folder_of(file: &Path) -> Result<(), String> {
    let folder = file.parent().expect("each file of the archive is in a folder");
    fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))
}
