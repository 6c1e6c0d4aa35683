//! Two machines: the server and the clients run in two network namespaces with a cable between them.
//!
//! These tests need root and the program `ip`. Without them they print that they are skipped. The test of F1
//! on one machine is in `faults_of_the_original`.

use chat_tests::{
    folder::Folder,
    process::{binary, in_the_open, installed, Program},
};
use std::{
    fs,
    process::{self, Command, Stdio},
    sync::{Mutex, PoisonError},
};

/// Two namespaces with a cable between them. Dropping it deletes both.
struct Machines {
    near: String,
    far: String,
}

/// Only one pair exists at a time, because all pairs have the same addresses and cable names.
static ONE_PAIR: Mutex<()> = Mutex::new(());

const NEAR: &str = "10.77.0.1";
const FAR: &str = "10.77.0.2";
/// Another address for the far machine, after it has lost its first one.
const NEW_FAR: &str = "10.77.0.3";
/// Addresses inside the network of the cable alone.
const NEAR_LINK: &str = "fe80::77:1";
const FAR_LINK: &str = "fe80::77:2";

impl Machines {
    /// Creates both namespaces. Returns `None` where the system does not allow it.
    fn create(suffix: &str) -> Option<Machines> {
        if !installed("ip") {
            return None;
        }
        let id = process::id();
        let machines =
            Machines { near: format!("chat-{id}-{suffix}-near"), far: format!("chat-{id}-{suffix}-far") };
        let Machines { near, far } = &machines;
        let created = ip(&["netns", "add", near])
            && ip(&["netns", "add", far])
            && ip(&[
                "-n", near, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", far,
            ])
            && [(near, NEAR), (far, FAR)].into_iter().all(|(name, address)| {
                ip(&["-n", name, "link", "set", "lo", "up"])
                    && ip(&["-n", name, "address", "add", &format!("{address}/24"), "dev", "cable"])
                    && ip(&["-n", name, "link", "set", "cable", "up"])
            });
        created.then_some(machines)
    }

    /// The command that runs a program on this machine.
    fn command_on(machine: &str, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", machine]).arg(binary(program)).args(arguments);
        command
    }

    /// Makes the socket buffers of both machines so small that they hold only some kilobytes.
    fn shrink_buffers(&self) {
        for (machine, buffers) in [(&self.near, "tcp_wmem"), (&self.far, "tcp_rmem")] {
            let shrink = format!("echo 4096 4096 4096 > /proc/sys/net/ipv4/{buffers}");
            assert!(ip(&["netns", "exec", machine, "sh", "-c", &shrink]));
        }
    }

    /// Gives both machines an address that means nothing without the name of the network.
    fn add_link_addresses(&self) {
        for (machine, address) in [(&self.near, NEAR_LINK), (&self.far, FAR_LINK)] {
            let address = format!("{address}/64");
            assert!(ip(&["-n", machine, "-6", "address", "add", &address, "dev", "cable", "nodad"]));
        }
    }

    /// The number of the cable on the far machine.
    fn number_of_the_far_cable(&self) -> String {
        let command = ["-n", &self.far, "-o", "link", "show", "cable"];
        let shown = Command::new("ip").args(command).output().unwrap();
        String::from_utf8(shown.stdout).unwrap().split(':').next().unwrap().to_owned()
    }

    /// Takes the far machine's address away, as a change of the network does.
    fn delete_the_far_address(&self) {
        assert!(ip(&["-n", &self.far, "address", "delete", &format!("{FAR}/24"), "dev", "cable"]));
    }

    fn pull_the_cable(&self) {
        assert!(ip(&["-n", &self.far, "link", "set", "cable", "down"]));
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        ip(&["netns", "delete", &self.near]);
        ip(&["netns", "delete", &self.far]);
    }
}

/// Runs `ip` and returns whether it succeeded.
fn ip(arguments: &[&str]) -> bool {
    let mut command = Command::new("ip");
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[test]
fn f01_people_on_two_machines_chat() {
    let _one = ONE_PAIR.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(machines) = Machines::create("a") else {
        println!("skipped: this system does not let us create network namespaces");
        return;
    };
    let (server, address) = Program::start_server(&mut Machines::command_on(
        &machines.near,
        "chat-server",
        &["--listen", "0.0.0.0:0"],
    ));
    let server_address = format!("{NEAR}:{}", address.port());
    // The network is the only one that this machine has.
    server.sees(&format!("Others join with: chat-client --server {server_address}\nIt listens at {NEAR}.\n"));
    let mut sara = Program::start(
        "sara",
        &mut Machines::command_on(
            &machines.near,
            "chat-client",
            &["--server", &server_address, "--name", "Sara"],
        ),
    );
    sara.sees("Connected!");
    let mut ali = Program::start(
        "ali",
        &mut Machines::command_on(
            &machines.far,
            "chat-client",
            &["--server", &server_address, "--name", "Ali"],
        ),
    );
    ali.sees("Connected!");
    sara.sees("User [Ali] joined");
    ali.types("hello from over there");
    sara.sees("[Ali] hello from over there");
    sara.types("hello");
    ali.sees("[Sara] hello");
    assert!(!ali.output().contains("could not dial"), "the server could not dial the other machine");
}

#[test]
fn people_inside_one_network_join_by_its_name_as_by_its_number() {
    let _one = ONE_PAIR.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(machines) = Machines::create("f") else {
        println!("skipped: this system does not let us create network namespaces");
        return;
    };
    machines.add_link_addresses();
    let arguments = ["--listen", &format!("[{NEAR_LINK}%cable]:0"), "--console"];
    let (mut server, address) =
        Program::start_server(&mut Machines::command_on(&machines.near, "chat-server", &arguments));
    let port = address.port();
    server.sees(&format!("Others join with: chat-client --server '[{NEAR_LINK}%cable]:{port}'\n"));
    server.sees(&format!("It listens at {NEAR_LINK}%cable.\n"));
    let zones = ["cable".to_owned(), machines.number_of_the_far_cable()];
    let [mut sara, ali] = [("Sara", &zones[0]), ("Ali", &zones[1])].map(|(name, zone)| {
        let arguments = ["--server", &format!("[{NEAR_LINK}%{zone}]:{port}"), "--name", name];
        let client =
            Program::start(name, &mut Machines::command_on(&machines.far, "chat-client", &arguments));
        client.sees("Connected!");
        client
    });
    sara.types("hello");
    ali.sees("[Sara] hello\n");
    for client in [&sara, &ali] {
        assert!(!client.error_output().contains("could not dial"), "{}", client.error_output());
    }
    let no_network = ["--server", &format!("[{NEAR_LINK}]:{port}"), "--name", "Tom"];
    let wrong_network = ["--server", &format!("[{NEAR_LINK}%none]:{port}"), "--name", "Tom"];
    for (arguments, why) in [(no_network, "say in which"), (wrong_network, "no network none")] {
        let mut tom =
            Program::start("tom", &mut Machines::command_on(&machines.far, "chat-client", &arguments));
        assert_ne!(tom.exits(), Some(0));
        assert!(tom.error_output().contains(why), "{}", tom.error_output());
    }
    server.types(&format!("/ban {FAR_LINK}%cable"));
    server.sees("banned: address fe80::/64 (all addresses of one host, which are its /64); removed: ");
    ali.logs("banned");
}

#[test]
fn both_sides_of_a_pulled_cable_learn_of_the_lost_connection() {
    let _one = ONE_PAIR.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(machines) = Machines::create("b") else {
        println!("skipped: this system does not let us create network namespaces");
        return;
    };
    let arguments = ["--listen", "0.0.0.0:0", "--ping-after", "500ms", "--receive-timeout", "500ms"];
    let (_server, address) =
        Program::start_server(&mut Machines::command_on(&machines.near, "chat-server", &arguments));
    let server_address = format!("{NEAR}:{}", address.port());
    let sara = Program::start(
        "sara",
        &mut Machines::command_on(
            &machines.near,
            "chat-client",
            &["--server", &server_address, "--name", "Sara"],
        ),
    );
    sara.sees("Connected!");
    let ali = Program::start(
        "ali",
        &mut Machines::command_on(
            &machines.far,
            "chat-client",
            &["--server", &server_address, "--name", "Ali"],
        ),
    );
    ali.sees("Connected!");
    machines.pull_the_cable();
    sara.sees("User [Ali] left (not responding)");
    ali.sees("--- connection lost");
}

#[test]
fn with_small_buffers_a_stopped_client_delays_nobody_and_receives_all_in_order() {
    const COUNT: usize = 1000;
    let _one = ONE_PAIR.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(machines) = Machines::create("c") else {
        println!("skipped: this system does not let us create network namespaces");
        return;
    };
    machines.shrink_buffers();
    let arguments = ["--listen", "0.0.0.0:0", "--rate-burst", "0", "--receive-timeout", "3600s"];
    let (_server, address) =
        Program::start_server(&mut Machines::command_on(&machines.near, "chat-server", &arguments));
    let server_address = format!("{NEAR}:{}", address.port());
    let [mut sara, ali, stopped] = ["Sara", "Ali", "Stopped"].map(|name| {
        let arguments = ["--server", &server_address, "--name", name];
        let client =
            Program::start(name, &mut Machines::command_on(&machines.far, "chat-client", &arguments));
        client.sees("Connected!");
        client
    });
    stopped.signal("STOP");
    let padding = "x".repeat(200);
    let lines: Vec<String> = (0..COUNT).map(|number| format!("line {number} {padding}")).collect();
    sara.types_exactly(&(lines.join("\n") + "\n"));
    let last = format!("{}\n", lines[COUNT - 1]);
    ali.sees(&last);
    stopped.signal("CONT");
    stopped.sees(&last);
    for client in [&ali, &stopped] {
        let heard =
            client.lines().into_iter().filter_map(|line| Some(line.strip_prefix("[Sara] ")?.to_owned()));
        assert_eq!(heard.take(COUNT).collect::<Vec<_>>(), lines);
    }
}

#[test]
fn a_server_that_has_lost_its_address_stops_at_a_signal() {
    let _one = ONE_PAIR.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(machines) = Machines::create("d") else {
        println!("skipped: this system does not let us create network namespaces");
        return;
    };
    let (mut server, _) = Program::start_server(&mut Machines::command_on(
        &machines.far,
        "chat-server",
        &["--listen", &format!("{FAR}:0")],
    ));
    machines.delete_the_far_address();
    server.signal("TERM");
    assert_eq!(server.exits(), Some(0), "{}", server.error_output());
}

#[test]
fn a_client_whose_address_changes_comes_back_and_loses_and_doubles_nothing() {
    let _one = ONE_PAIR.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(machines) = Machines::create("e") else {
        println!("skipped: this system does not let us create network namespaces");
        return;
    };
    let (_server, address) = Program::start_server(&mut Machines::command_on(
        &machines.near,
        "chat-server",
        &["--listen", "0.0.0.0:0"],
    ));
    let server_address = format!("{NEAR}:{}", address.port());
    let [mut sara, mut ali] = [(&machines.near, "Sara"), (&machines.far, "Ali")].map(|(machine, name)| {
        let arguments = ["--server", &server_address, "--name", name];
        let client = Program::start(name, &mut Machines::command_on(machine, "chat-client", &arguments));
        client.sees("Connected!");
        client
    });
    machines.delete_the_far_address();
    // Nobody knows yet that the address is gone.
    ali.types("typed into the silence");
    sara.types("said into the silence");
    ali.sees("--- connection lost;");
    ali.types("typed while lost");
    sara.types("said while lost");
    ali.sees("--- waiting to be sent: typed while lost ---\n");
    assert!(ip(&["-n", &machines.far, "address", "add", &format!("{NEW_FAR}/24"), "dev", "cable"]));
    ali.sees("--- connected again");
    for (reader, lines) in [
        (&sara, ["[Ali] typed into the silence\n", "[Ali] typed while lost\n"]),
        (&ali, ["[Sara] said into the silence\n", "[Sara] said while lost\n"]),
    ] {
        lines.iter().for_each(|line| reader.sees(line));
    }
    ali.types("the end");
    sara.sees("[Ali] the end\n");
    sara.types("the end");
    ali.sees("[Sara] the end\n");
    for (reader, lines) in [(&sara, ["typed into", "typed while"]), (&ali, ["said into", "said while"])] {
        for line in lines {
            let count = reader.lines().iter().filter(|shown| shown.contains(&format!("] {line}"))).count();
            assert_eq!(count, 1, "{line}: {}", reader.output());
        }
    }
    assert!(!ali.output().contains("missed"), "{}", ali.output());
}

#[test]
fn in_an_open_room_the_operators_passphrase_is_taken_on_the_servers_machine_alone() {
    let _one = ONE_PAIR.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(machines) = Machines::create("o") else {
        println!("skipped: this system does not let us create network namespaces");
        return;
    };
    let folder = Folder::new();
    let file = folder.file("operators");
    fs::write(&file, "lamp river\n").unwrap();
    let operates = |machine: &str, server: &str, command: &str| {
        let arguments = ["--server", server, "--operator-file", &file, "--operate", command];
        let mut line = Machines::command_on(machine, "chat-client", &arguments);
        let mut client = Program::start("operate", in_the_open(&mut line));
        (client.exits(), client.output() + &client.error_output())
    };
    for (flags, taken) in [(&[][..], false), (&["--operators-in-clear"], true)] {
        let flags = [&["--listen", "0.0.0.0:0", "--operators", &file], flags].concat();
        let mut command = Machines::command_on(&machines.near, "chat-server", &flags);
        let (_server, address) = Program::start_server_that_is_open(&mut command);
        let server = format!("{NEAR}:{}", address.port());
        let (code, said) = operates(&machines.far, &server, "/bans");
        assert!((code == Some(0)) == taken && said.contains("--closed") != taken, "{said}");
        // Its own addresses are all its own.
        assert_eq!(operates(&machines.near, &server, "/bans"), (Some(0), "nobody is banned\n".to_owned()));
        // An operator at a banned address ends the ban.
        if taken {
            assert_eq!(operates(&machines.far, &server, &format!("/ban {FAR}")).0, Some(0));
            assert_eq!(operates(&machines.far, &server, &format!("/unban {FAR}")).0, Some(0));
        }
    }
}
