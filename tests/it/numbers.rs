//! `--name NAME+`: a name with a number, where somebody has the name.

use chat_tests::{
    process::Program,
    raw::{random_token, RawPeer},
};

/// The name under which a client with `--json` has joined.
fn connected_as(client: &Program) -> String {
    let line = client.line_starting_with("{\"event\":\"connection\",\"state\":\"connected\"");
    line.split("\"name\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[test]
fn three_jobs_at_once_have_three_names() {
    let (_server, address) = Program::server(&[]);
    let jobs: Vec<Program> = (0..3).map(|_| Program::client(address, "ci+", &["--json"])).collect();
    let mut names: Vec<String> = jobs.iter().map(connected_as).collect();
    names.sort();
    assert_eq!(names, ["ci", "ci-2", "ci-3"]);
    let (mut jobs, ann) = (jobs, Program::joined_client(address, "Ann"));
    for job in &mut jobs {
        job.types("done");
        job.ends_input();
        assert_eq!(job.exits(), Some(0));
    }
    for name in names {
        ann.sees(&format!("[{name}] done\n"));
    }
    // A free name is taken as it is.
    assert_eq!(connected_as(&Program::client(address, "ci+", &["--json"])), "ci");
}

#[test]
fn a_client_whose_name_is_taken_while_it_is_away_comes_back_with_another() {
    // The thief sends nothing more, and keeps the name all the same.
    let (_server, address) = Program::server(&["--dead-after", "1h", "--hold-name", "0"]);
    let proxy = chat_tests::proxy::Proxy::start(address);
    let mut ci = Program::client(proxy.address(), "ci+", &[]);
    ci.sees("Connected!");
    let mut ann = Program::joined_client(address, "Ann");
    // The client cannot come back before somebody has its name.
    proxy.set_target(std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    proxy.cut();
    ann.sees("User [ci] left (connection lost)");
    let mut thief = RawPeer::connect_call(address).unwrap();
    thief.join("ci", random_token()).unwrap();
    proxy.set_target(address);
    ann.sees("User [ci-2] joined");
    ci.sees("connected again");
    ci.types("back");
    ann.sees("[ci-2] back\n");
    ann.types("hello");
    ci.sees("[Ann] hello");
    ci.ends_input();
    assert_eq!(ci.exits(), Some(0));
}

#[test]
fn a_client_without_a_plus_sign_says_who_took_its_name() {
    // The thief sends nothing more, and keeps the name all the same.
    let (_server, address) = Program::server(&["--dead-after", "1h", "--hold-name", "0"]);
    let proxy = chat_tests::proxy::Proxy::start(address);
    let mut tom = Program::client(proxy.address(), "Tom", &[]);
    tom.sees("Connected!");
    let ann = Program::joined_client(address, "Ann");
    proxy.set_target(std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    proxy.cut();
    ann.sees("User [Tom] left (connection lost)");
    let mut thief = RawPeer::connect_call(address).unwrap();
    thief.join("Tom", random_token()).unwrap();
    proxy.set_target(address);
    assert_eq!(tom.exits(), Some(1));
    let why = "chat-client: the name Tom was taken by somebody else while the connection was lost\n";
    assert_eq!(tom.error_output(), why);
}

#[test]
fn after_ninety_nine_names_a_client_says_that_all_are_taken() {
    let (_server, address) = Program::server(&["--rate-burst", "0", "--dead-after", "1h"]);
    let mut held = Vec::new();
    for number in 1..=99 {
        let name = if number == 1 { "ci".to_owned() } else { format!("ci-{number}") };
        let mut peer = RawPeer::connect_call(address).unwrap();
        // A send-only client needs no callback connection.
        let joining = chat_common::wire::protocol::Join::new(name, random_token(), 0);
        peer.join_with(chat_common::wire::protocol::Join { send_only: true, ..joining }).unwrap();
        held.push(peer);
    }
    let mut ci = Program::client(address, "ci+", &["--send", "hi"]);
    assert_eq!(ci.exits(), Some(1));
    let error = ci.error_output();
    assert!(error.contains("ci-99 is taken") && error.contains("all numbers up to 99"), "{error}");
}
