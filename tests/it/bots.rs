//! Programs that talk in the room through `--json-input`, and that nobody there can trick.

use chat_tests::{
    folder::Folder,
    member::Member,
    process::{binary, installed, repository, Program},
    room::connected,
    server::TestServer,
};
use std::{env, fs, net::SocketAddr, os::unix::fs::symlink, path::Path, process::Command};

/// Texts that could be taken for a command, for an end, or for a part of the line that holds them.
fn tricks() -> Vec<String> {
    let mut tricks: Vec<String> = [
        "hello",
        "/quit",
        "exit",
        "/msg echo psst",
        "//nick Mallory",
        "{\"leave\":true}",
        "\",\"leave\":true,\"x\":\"",
        "\"}\n{\"leave\":true}\n{\"say\":\"",
        "two\nlines\r\n",
        "'; touch tricked; '$(touch tricked)`touch tricked`\\",
        "\\\"\\\\ \\u0022",
        "\u{0}\u{1b}[2J\u{7f}\u{2028}\u{feff}",
        "é🦀\u{10ffff}\u{fffd}",
        " ",
        "-n -e",
        "last",
    ]
    .map(str::to_owned)
    .into();
    tricks.push("\"\\".repeat(2048));
    tricks
}

/// A command that finds the client and the server, and works in this folder, which gets the client.
fn command(arguments: &[&str], server: SocketAddr, folder: &Path) -> Command {
    symlink(binary("chat-client"), folder.join("chat-client")).unwrap();
    let path = format!("{}:{}", folder.display(), env::var("PATH").unwrap_or_default());
    let mut command = Command::new(arguments[0]);
    command.args(&arguments[1..]).current_dir(folder).env("PATH", path);
    command.env("CHAT_SERVER", server.to_string()).env_remove("CHAT_NAME");
    command
}

/// The block of this language in a README that has this word.
fn block(file: &str, language: &str, word: &str) -> String {
    let text = fs::read_to_string(repository().join(file)).unwrap();
    let blocks = text.split("```").skip(1).step_by(2);
    let mut blocks = blocks.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'));
    blocks.find(|block| block.contains(word)).unwrap_or_else(|| panic!("{file} has no {word}")).to_owned()
}

/// Tries every trick on the bot that the command starts.
fn echoes_everything(server: &TestServer, mut mallory: Member, bot: &mut Program, folder: &Path) {
    mallory.hear("the bot's join", |kind| format!("{kind:?}") == "Joined { name: \"echo\" }");
    for trick in tricks() {
        mallory.say(&trick);
        mallory.hear_text(&trick);
    }
    assert_eq!(mallory.texts(), tricks());
    assert_eq!(mallory.who(), ["echo", "mallory"]);
    assert!(bot.has_exited().is_none(), "{}", bot.error_output());
    assert!(!folder.join("tricked").exists());
    server.request_stop();
}

#[test]
fn nobody_can_trick_the_bot_of_the_readme_in_a_shell() {
    if !installed("jq") || !installed("timeout") {
        println!("skipped, because jq or timeout is not installed");
        return;
    }
    let (server, folder) = (TestServer::start(), Folder::new());
    let mallory = Member::join(server.address(), "mallory");
    let script = block("README.md", "sh", "--json-input");
    // A signal to `timeout` goes to all processes of the script.
    let mut command = command(&["timeout", "3600", "sh", "-c", &script], server.address(), folder.path());
    let mut bot = Program::start("the bot", &mut command);
    echoes_everything(&server, mallory, &mut bot, folder.path());
    bot.signal("TERM");
    bot.exits();
}

#[test]
fn nobody_can_trick_the_bot_of_the_readme_in_python() {
    if !installed("python3") {
        println!("skipped, because python3 is not installed");
        return;
    }
    let (server, folder) = (TestServer::start(), Folder::new());
    let mallory = Member::join(server.address(), "mallory");
    let script = block("client/README.md", "python", "--json-input");
    assert!(script.lines().count() <= 10, "{script}");
    let mut command = command(&["python3", "-c", &script], server.address(), folder.path());
    let mut bot = Program::start("the bot", &mut command);
    echoes_everything(&server, mallory, &mut bot, folder.path());
    // Its client ends with it, because that is the end of the client's input.
    bot.signal("KILL");
    bot.exits();
}

#[test]
fn a_bot_learns_by_its_own_ids_what_became_of_each_line() {
    let (_server, address) = Program::server(&[]);
    let ann = Program::joined_client(address, "Ann");
    let folder = Folder::new();
    let log = folder.file("log");
    let mut bot = Program::client(address, "bot", &["--json-input", "--log", &log]);
    bot.types(r#"{"say":"hello","id":"\u0041 \"1\""}"#);
    bot.types(r#"{"to":"Nobody","text":"hi","id":2}"#);
    bot.types(r#"{"shout":"hello","id":3}"#);
    bot.types(r#"{"say":"no id"}"#);
    bot.ends_input();
    assert_eq!(bot.exits(), Some(1));
    ann.sees("[bot] hello\n[bot] no id\n");
    let lines = bot.lines();
    for (event, end) in
        [("accepted", r#","id":"A \"1\""}"#), ("refused", r#","id":2}"#), ("mistake", r#","id":3}"#)]
    {
        let start = format!("{{\"event\":\"{event}\",");
        assert!(lines.iter().any(|line| line.starts_with(&start) && line.ends_with(end)), "{lines:#?}");
    }
    assert_eq!(lines.iter().filter(|line| line.contains("\"id\"")).count(), 3, "{lines:#?}");
    assert!(fs::read_to_string(&log).unwrap().contains(" [bot] hello\n"));
}

#[test]
fn a_bad_line_is_a_mistake_and_costs_nothing_else() {
    let (_server, address) = Program::server(&[]);
    let ann = Program::joined_client(address, "Ann");
    let mut bot = Program::client(address, "bot", &["--json-input", "--stay"]);
    let long = format!("{{\"say\":\"{}\"}}", "x".repeat(300_000));
    for (line, reason) in [
        ("exit", "line 1: character 1: an object begins with {"),
        ("/quit", "line 2: character 1"),
        (&long, "line 3: a line has at most 262144 bytes"),
        ("{\"say\":\"a\",\"leave\":true}", "line 4: the keys \\\"leave\\\", \\\"say\\\" do not go together"),
        ("{\"quit\":true}", "line 5: there is no key \\\"quit\\\""),
        ("{\"to\":\"Nobody\",\"text\":\"hi\"}", "nobody here is called Nobody"),
    ] {
        bot.types(line);
        bot.sees(reason);
    }
    bot.types_bytes(b"{\"say\":\"\xff\"}\n\r\n{\"say\":\"/quit\"}\n{\"to\":\"Ann\",\"text\":\"exit\"}\n");
    bot.types(
        "{\"do\":\"waves\"}\n{\"name\":\"Bert\"}\n{\"say\":\"\"}\n{\"leave\":true}\n{\"say\":\"too late\"}",
    );
    assert_eq!(bot.exits(), Some(1));
    ann.sees("User [Bert] left\n");
    let expected = "User [bot] joined\n[bot] /quit\n[bot, privately] exit\n\
                    * bot waves\nUser [bot] is now [Bert]\nUser [Bert] left\n";
    assert_eq!(ann.output(), connected() + expected);
    assert_eq!(bot.output().matches("\"event\":\"mistake\"").count(), 7, "{}", bot.output());
    assert_eq!(bot.error_output(), "chat-client: not everything was sent\n");

    let mut bot = Program::client(address, "good", &["--json-input"]);
    bot.types_exactly("{\"say\":\"no mistake\"}");
    bot.ends_input();
    assert_eq!(bot.exits(), Some(0));
    ann.sees("[good] no mistake\nUser [good] left\n");
}
