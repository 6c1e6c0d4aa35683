//! The archive that `make dist` writes. It is made here by the same program, with the programs that the
//! README installs.

use crate::readme::installed_programs;
use chat_tests::{
    process::{flags_of, installed, repository},
    terminal::TerminalUser,
};
use portable_pty::CommandBuilder;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, UNIX_EPOCH},
};

/// The time of the commit of which the archive is made, as it seems to `dist`.
const COMMIT_TIME: Duration = Duration::from_secs(1_700_000_000);

/// An archive that is unpacked in a folder of its own.
struct Unpacked {
    archive: PathBuf,
    root: PathBuf,
}

/// Makes an archive for a target that nobody has, and unpacks it as somebody does who installs from it.
fn unpack(test: &str) -> Unpacked {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = fs::remove_dir_all(&folder);
    let (made, root) = (folder.join("made"), folder.join("unpacked"));
    fs::create_dir_all(&root).unwrap();
    let mut dist = Command::new(env!("CARGO_BIN_EXE_dist"));
    dist.arg("some-target").arg(installed_programs()).arg(&made);
    let output = dist.env("SOURCE_DATE_EPOCH", COMMIT_TIME.as_secs().to_string()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let archive = made.join(format!("rpc-chat-{}-some-target.tar.gz", env!("CARGO_PKG_VERSION")));
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), archive.to_str().unwrap());
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(&archive).args(["--strip-components", "1", "-C"]).arg(&root);
    assert!(tar.status().unwrap().success());
    Unpacked { archive, root }
}

impl Unpacked {
    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

/// The paths of all files below `folder`, relative to `root`.
fn files(root: &Path, folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(root, &path));
        } else {
            found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
    found.sort();
    found
}

#[test]
fn the_archive_has_programs_that_run_and_all_that_belongs_to_them() {
    let unpacked = unpack("dist-content");
    assert_eq!(
        files(&unpacked.root, &unpacked.root),
        [
            "bin/chat-client",
            "bin/chat-server",
            "install.sh",
            "lib/systemd/system/chat-server.service",
            "share/bash-completion/completions/chat-client",
            "share/bash-completion/completions/chat-server",
            "share/doc/rpc-chat/CHANGELOG.md",
            "share/doc/rpc-chat/Containerfile",
            "share/doc/rpc-chat/LICENSE-APACHE",
            "share/doc/rpc-chat/LICENSE-MIT",
            "share/doc/rpc-chat/README.md",
            "share/doc/rpc-chat/client/README.md",
            "share/doc/rpc-chat/server/README.md",
            "share/fish/vendor_completions.d/chat-client.fish",
            "share/fish/vendor_completions.d/chat-server.fish",
            "share/man/man1/chat-client.1",
            "share/man/man1/chat-server.1",
            "share/zsh/site-functions/_chat-client",
            "share/zsh/site-functions/_chat-server",
        ]
    );
    for (program, features) in [("chat-client", " (edit, closed)"), ("chat-server", " (closed)")] {
        let version =
            Command::new(unpacked.root.join("bin").join(program)).arg("--version").output().unwrap();
        let expected = format!("{program} {}{features}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(String::from_utf8(version.stdout).unwrap(), expected);
    }
}

#[test]
fn make_dist_builds_all_parts_and_names_the_package_with_the_compiler_of_a_static_program() {
    let makes = |arguments: &[&str]| {
        let mut make = Command::new("make");
        make.args(["--no-print-directory", "-C", repository().to_str().unwrap(), "dist"]).args(arguments);
        make.output()
    };
    let Ok(plan) = makes(&["--dry-run"]) else {
        println!("skipped: make is not installed");
        return;
    };
    let plan = String::from_utf8(plan.stdout).unwrap();
    for part in ["chat-client/edit", "chat-client/closed", "chat-server/closed"] {
        assert!(plan.contains(part), "{plan}");
    }
    // Nobody has a compiler for this one.
    let output = makes(&["FOR=none-unknown-linux-musl"]).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("install the package musl-tools"), "{said}");
}

/// Unpacks an archive in a root of its own, which has no cargo and hardly anything else: a shell, what copies
/// files, and the libraries of all these. Returns the root, or nothing where the system gives none.
fn small_root(test: &str) -> Option<PathBuf> {
    let enters = Command::new("unshare").args(["-rm", "chroot", "/", "true"]).output();
    if !enters.is_ok_and(|output| output.status.success()) || !installed("ldd") {
        println!("skipped: this system lets nobody change the root of a process");
        return None;
    }
    let root = unpack(test).root;
    let tools = ["sh", "cp", "mkdir", "mv", "rm"].map(|name| {
        let found = Command::new("sh").args(["-c", &format!("command -v {name}")]).output().unwrap();
        String::from_utf8(found.stdout).unwrap().trim().to_owned()
    });
    let mut files = tools.to_vec();
    // Where the first line of a script looks for it.
    files.push("/bin/sh".to_owned());
    for program in tools.into_iter().chain([format!("{}/bin/chat-client", root.display())]) {
        let needed = Command::new("ldd").arg(program).output().unwrap();
        let needed = String::from_utf8(needed.stdout).unwrap();
        files.extend(needed.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned));
    }
    for file in files {
        let to = root.join("root").join(file.trim_start_matches('/'));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&file, to).unwrap();
    }
    let mut archive = Command::new("sh");
    archive.current_dir(&root);
    archive
        .args(["-c", "mkdir -p root/archive root/dev root/home && mv bin lib share install.sh root/archive"]);
    assert!(archive.status().unwrap().success());
    Some(root.join("root"))
}

/// Runs this script of the shell with that root. It finds the tools, and nobody's programs.
fn run_in(root: &Path, script: &str) -> String {
    let mut command = Command::new("unshare");
    let enter = r#"mount --rbind /dev "$0/dev" && exec chroot "$0" sh -ec "$1""#;
    command.args(["-rm", "sh", "-c", enter]).arg(root).arg(script).env_clear();
    command.envs([("PATH", "/usr/bin:/bin:/usr/sbin:/sbin"), ("HOME", "/home"), ("SHELL", "/bin/zsh")]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_archive_is_installed_used_and_removed_where_nothing_else_is() {
    let Some(root) = small_root("dist-alone") else { return };
    let said = run_in(&root, "/archive/install.sh");
    let installed = files(&root.join("home"), &root.join("home"));
    let expected = files(&root.join("archive"), &root.join("archive"));
    let expected: Vec<String> = expected
        .into_iter()
        .filter(|file| {
            file.starts_with("bin/") || file.starts_with("share/") && !file.starts_with("share/doc/")
        })
        .map(|file| format!(".local/{file}"))
        .collect();
    assert_eq!(installed, expected);
    for line in
        ["Installed in /home/.local:\n  bin/chat-client\n", "export PATH=", "~/.zshrc", "To remove all"]
    {
        assert!(said.contains(line), "{line} in {said}");
    }

    let talk = "server=$HOME/.local/bin/chat-server client=$HOME/.local/bin/chat-client
        : >/said; $server --listen 127.0.0.1:0 >/said & trap \"kill $!\" EXIT
        until read -r line </said && [ \"$line\" ]; do :; done
        port=${line#Server running at }; port=${port% ...}
        $client --server :$port --name Sara --history 9 --wait 30s </dev/null
        $client --server :$port --name ci --send hello";
    assert!(run_in(&root, talk).contains("Connected!"));

    // A second time it replaces what is there, also elsewhere and from another folder.
    run_in(&root, "cd /archive && sh install.sh && ./install.sh --prefix=/home/two");
    run_in(&root, "cd / && archive/install.sh --prefix home/three");
    assert_eq!(files(&root.join("home/three"), &root.join("home/three")).len(), expected.len());
    // Systemd finds its unit in /usr/local.
    let said_there = run_in(&root, "/archive/install.sh --prefix /usr/local");
    let unit = "lib/systemd/system/chat-server.service";
    assert!(said_there.contains(unit) && said_there.contains("enable --now chat-server"), "{said_there}");
    assert!(root.join("usr/local").join(unit).exists() && !said.contains("systemd"), "{said}");
    let remove = said.lines().find_map(|line| line.strip_prefix("To remove all of it: ")).unwrap();
    run_in(&root, remove);
    assert_eq!(files(&root, &root.join("home/.local")), [""; 0]);
}

#[test]
fn the_installation_says_what_is_wrong_and_installs_nothing_then() {
    let unpacked = unpack("dist-wrong");
    let install = |arguments: &[&str]| {
        let mut install = Command::new(unpacked.root.join("install.sh"));
        let output = install.args(arguments).env("HOME", &unpacked.root).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = install(&["--everything"]);
    assert!(code == Some(2) && said.contains("--everything is not understood"), "{said}");
    let (code, said) = install(&["--prefix"]);
    assert!(code == Some(2) && said.contains("--prefix needs a folder"), "{said}");
    let (code, said) = install(&["--prefix", unpacked.root.join("install.sh").to_str().unwrap()]);
    assert!(code == Some(1) && said.contains("--prefix DIR takes another folder"), "{said}");
    // The archive of another machine.
    fs::write(unpacked.root.join("bin/chat-client"), "\x7fELF").unwrap();
    let (code, said) = install(&[]);
    assert!(code == Some(1) && said.contains("bin/chat-client does not run on this machine"), "{said}");
    assert!(!unpacked.root.join(".local").exists());
}

#[test]
fn two_archives_of_one_commit_are_equal() {
    let (one, other) = (unpack("dist-one"), unpack("dist-other"));
    assert!(fs::read(&one.archive).unwrap() == fs::read(other.archive).unwrap(), "the archives differ");
    // These two are of one machine and of one second, so what could differ elsewhere is looked at as well.
    for file in files(&one.root, &one.root) {
        let time = fs::metadata(one.root.join(&file)).unwrap().modified().unwrap();
        assert_eq!(time, UNIX_EPOCH + COMMIT_TIME, "{file}");
    }
    let list = Command::new("tar").args(["--numeric-owner", "-tvzf"]).arg(&one.archive).output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(list.lines().all(|line| line.split_whitespace().nth(1) == Some("0/0")), "{list}");
    let names: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().last()).collect();
    assert!(names.is_sorted(), "{names:#?}");
}

#[test]
fn each_flag_is_in_the_man_page_and_in_each_completion() {
    let unpacked = unpack("dist-flags");
    for program in ["chat-client", "chat-server"] {
        let flags = flags_of(program);
        assert!(flags.len() > 10 && flags.contains("--version"), "{flags:?}");
        let man = unpacked.text(&format!("share/man/man1/{program}.1"));
        let bash = unpacked.text(&format!("share/bash-completion/completions/{program}"));
        let zsh = unpacked.text(&format!("share/zsh/site-functions/_{program}"));
        let fish = unpacked.text(&format!("share/fish/vendor_completions.d/{program}.fish"));
        for flag in flags {
            assert!(man.contains(&format!("\\fB{}\\fR", flag.replace('-', "\\-"))), "{flag} in {man}");
            let in_bash = bash.split([' ', '"']).any(|word| word == flag);
            assert!(in_bash, "{flag} in {bash}");
            let in_zsh = zsh.split('\'').any(|word| word.split(['=', '[']).next() == Some(&flag));
            assert!(in_zsh, "{flag} in {zsh}");
            let long = format!(" -l {} ", flag.trim_start_matches("--"));
            assert!(fish.lines().any(|line| format!("{line} ").contains(&long)), "{flag} in {fish}");
        }
    }
}

#[test]
fn the_man_pages_have_their_sections_and_each_variable_of_a_flag() {
    let unpacked = unpack("dist-sections");
    for (program, key) in [("chat-client", "Ctrl\\-R"), ("chat-server", "Ctrl\\-C")] {
        let page = unpacked.text(&format!("share/man/man1/{program}.1"));
        for heading in ["KEYS", "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES"] {
            let section = page.split(&format!(".SH {heading}\n")).nth(1).expect(heading);
            assert!(section.starts_with(".TP\n\\fB"), "{heading} of {program} is empty");
        }
        assert!(page.contains("DIR is the folder of \\fB\\-\\-state\\fR.\n"), "{page}");
        assert!(page.contains(&format!("\\fB{key}")) && page.contains("\\fB2\\fR\nwrong usage\n"), "{page}");
        let environment = page.split(".SH ENVIRONMENT\n").nth(1).unwrap().split(".SH").next().unwrap();
        let variables = page.split("[$").skip(1).filter_map(|rest| rest.split([',', ']']).next());
        for variable in variables {
            assert!(environment.contains(variable), "{variable} in {environment}");
        }
        let markdown = ["`", "](", "\\|"].into_iter().find(|mark| page.contains(mark));
        assert_eq!(markdown, None, "{page}");
    }
}

#[test]
fn the_man_pages_are_clean() {
    if !installed("groff") {
        println!("skipped: this machine has no groff");
        return;
    }
    let unpacked = unpack("dist-man");
    for program in ["chat-client", "chat-server"] {
        let page = unpacked.root.join(format!("share/man/man1/{program}.1"));
        let output = Command::new("groff").args(["-man", "-Tascii", "-ww", "-z"]).arg(page).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{program}: {output:?}");
    }
}

/// Where each shell says that it waits for a command.
const PROMPT: &str = "ready>";

/// Types these words and Tab into a shell that has these completions, and waits until the line is `complete`.
fn completes(shell: &mut TerminalUser, typed: &str, complete: &str) {
    shell.types(&format!("{typed}\t"));
    shell.sees_typed(&format!("{PROMPT}{complete}"));
    // Ctrl-U removes what is typed.
    shell.types("\u{15}");
    shell.sees_typed(PROMPT);
}

/// Starts this shell with these arguments, which make it find the completions, and types into it.
fn shell_completes(shell: &str, root: &Path, arguments: &[&str]) {
    if !installed(shell) {
        println!("skipped: this machine has no {shell}");
        return;
    }
    let work = root.join("work");
    fs::create_dir_all(&work).unwrap();
    fs::write(work.join("minutes.txt"), "").unwrap();
    // A file that would also fit where a folder is wanted.
    fs::write(work.join("journal.old"), "").unwrap();
    fs::create_dir_all(work.join("journals")).unwrap();
    fs::write(work.join("journals/said.txt"), "").unwrap();
    let mut command = CommandBuilder::new(shell);
    command.args(arguments);
    command.cwd(&work);
    for (variable, value) in [("TERM", "xterm"), ("LC_ALL", "C"), ("PS1", PROMPT), ("HISTFILE", "")] {
        command.env(variable, value);
    }
    for variable in ["HOME", "ZDOTDIR", "XDG_CONFIG_HOME"] {
        command.env(variable, root);
    }
    // Fish looks here for completions, if it finds the program.
    let path = env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", root.join("bin").display()));
    command.env("XDG_DATA_HOME", root.join("share"));
    let mut shell = TerminalUser::run((40, 120), command);
    shell.sees_typed(PROMPT);
    completes(&mut shell, "chat-client --no-l", "chat-client --no-listen");
    completes(&mut shell, "chat-client --color al", "chat-client --color always");
    completes(&mut shell, "chat-client --bell=men", "chat-client --bell=mention");
    completes(&mut shell, "chat-client --log min", "chat-client --log minutes.txt");
    completes(&mut shell, "chat-client --log journals/sa", "chat-client --log journals/said.txt");
    completes(&mut shell, "chat-client --log=min", "chat-client --log=minutes.txt");
    completes(&mut shell, "chat-server --check=jou", "chat-server --check=journals/");
    completes(&mut shell, "chat-server --operators min", "chat-server --operators minutes.txt");
    completes(&mut shell, "chat-server --listen :1 --cons", "chat-server --listen :1 --console");
    completes(&mut shell, "chat-server --motd min", "chat-server --motd minutes.txt");
    completes(&mut shell, "chat-server --journal jou", "chat-server --journal journals/");
    completes(&mut shell, "chat-server --help li", "chat-server --help limits");
    completes(&mut shell, "chat-client --passphrase-file min", "chat-client --passphrase-file minutes.txt");
}

#[test]
fn bash_completes_flags_words_and_files() {
    let unpacked = unpack("dist-bash");
    let folder = unpacked.root.join("share/bash-completion/completions");
    let start = unpacked.root.join("bashrc");
    let sources =
        ["chat-client", "chat-server"].map(|program| format!(". '{}/{program}'\n", folder.display()));
    // Debian reads /etc/bash.bashrc before this file.
    fs::write(&start, sources.concat() + &format!("PS1='{PROMPT}'\nbind 'set enable-bracketed-paste off'\n"))
        .unwrap();
    shell_completes("bash", &unpacked.root, &["--noprofile", "--rcfile", start.to_str().unwrap(), "-i"]);
}

#[test]
fn zsh_completes_flags_words_and_files() {
    let unpacked = unpack("dist-zsh");
    let folder = unpacked.root.join("share/zsh/site-functions");
    let start = format!(
        "fpath=('{}' $fpath)\nautoload -Uz compinit\ncompinit -u -D\nunsetopt prompt_sp\nPS1='{PROMPT}'\n",
        folder.display()
    );
    fs::write(unpacked.root.join(".zshrc"), start).unwrap();
    // -d leaves out the files of the machine.
    shell_completes("zsh", &unpacked.root, &["-d", "-i"]);
}

#[test]
fn fish_completes_flags_words_and_files() {
    let unpacked = unpack("dist-fish");
    // Where this folder exists, fish does not start to read all the man pages of the machine.
    fs::create_dir_all(unpacked.root.join("share/fish/generated_completions")).unwrap();
    let start = format!(
        "set -g fish_greeting; set -g fish_autosuggestion_enabled 0
         function fish_prompt; echo -n '{PROMPT}'; end"
    );
    shell_completes("fish", &unpacked.root, &["-C", &start]);
}

#[test]
fn the_systemd_unit_is_valid() {
    if !installed("systemd-analyze") {
        println!("skipped: this machine has no systemd-analyze");
        return;
    }
    // Systemd checks that the programs and the page exist, so the unit gets ones that do.
    let unit = fs::read_to_string(repository().join("server/chat-server.service")).unwrap();
    assert!(unit.contains("/usr/local/bin/chat-server "));
    let unit = unit.replace("/usr/local/bin/", &format!("{}/", installed_programs().display()));
    let unit = unit.replace("man:chat-server(1) ", "");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chat-server.service");
    fs::write(&file, unit).unwrap();
    let output = Command::new("systemd-analyze").arg("verify").arg(&file).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn each_package_says_what_it_is_and_where_it_lives() {
    for package in ["common", "server", "client", "tests", "tests/benches"] {
        let manifest = fs::read_to_string(repository().join(package).join("Cargo.toml")).unwrap();
        for key in
            ["description = ", "repository.workspace = ", "keywords.workspace = ", "license.workspace = "]
        {
            assert!(manifest.lines().any(|line| line.starts_with(key)), "{package} has no {key}");
        }
    }
}
