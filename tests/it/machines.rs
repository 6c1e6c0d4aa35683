//! Two machines: server and clients in network namespaces of their own, joined by a cable that can be pulled.
//! Needs root and `ip`; skipped with a word otherwise. F1 on one machine is in `faults_of_the_original`.

use chat_tests::process::{binary, installed, Program};
use std::{
    process::{self, Command, Stdio},
    sync::{Mutex, PoisonError},
};

/// Two namespaces with a cable between them; gone when it is dropped.
struct Machines {
    near: String,
    far: String,
}

/// One pair at a time: the tests share the names of the cable's ends.
static ONE_PAIR: Mutex<()> = Mutex::new(());

const NEAR: &str = "10.77.0.1";
const FAR: &str = "10.77.0.2";

impl Machines {
    fn new(suffix: &str) -> Option<Machines> {
        if !installed("ip") {
            return None;
        }
        let id = process::id();
        let machines =
            Machines { near: format!("chat-{id}-{suffix}-near"), far: format!("chat-{id}-{suffix}-far") };
        let Machines { near, far } = &machines;
        let made = ip(&["netns", "add", near])
            && ip(&["netns", "add", far])
            && ip(&[
                "-n", near, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", far,
            ])
            && [(near, NEAR), (far, FAR)].into_iter().all(|(name, address)| {
                ip(&["-n", name, "link", "set", "lo", "up"])
                    && ip(&["-n", name, "address", "add", &format!("{address}/24"), "dev", "cable"])
                    && ip(&["-n", name, "link", "set", "cable", "up"])
            });
        made.then_some(machines)
    }

    /// A program on one of the machines.
    fn on(machine: &str, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", machine]).arg(binary(program)).args(arguments);
        command
    }

    /// Makes the system take only some kilobytes at once of what is sent between the two, as over a long and thin line.
    fn narrow_the_cable(&self) {
        for (machine, buffers) in [(&self.near, "tcp_wmem"), (&self.far, "tcp_rmem")] {
            let narrow = format!("echo 4096 4096 4096 > /proc/sys/net/ipv4/{buffers}");
            assert!(ip(&["netns", "exec", machine, "sh", "-c", &narrow]));
        }
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

fn ip(arguments: &[&str]) -> bool {
    let mut command = Command::new("ip");
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[test]
fn f01_people_on_two_machines_chat() {
    let _one = ONE_PAIR.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(machines) = Machines::new("a") else {
        println!("skipped: this system makes no network namespaces for us");
        return;
    };
    let (server, address) =
        Program::start_server(&mut Machines::on(&machines.near, "chat-server", &["--listen", "0.0.0.0:0"]));
    let at = format!("{NEAR}:{}", address.port());
    server.sees("Others join with: chat-client --server ");
    let mut sara = Program::start(
        "sara",
        &mut Machines::on(&machines.near, "chat-client", &["--server", &at, "--name", "Sara"]),
    );
    sara.sees("Connected!");
    let mut ali = Program::start(
        "ali",
        &mut Machines::on(&machines.far, "chat-client", &["--server", &at, "--name", "Ali"]),
    );
    ali.sees("Connected!");
    sara.sees("User [Ali] joined");
    ali.types("hello from over there");
    sara.sees("[Ali] hello from over there");
    sara.types("hello");
    ali.sees("[Sara] hello");
    assert!(!ali.output().contains("could not dial"), "the server has dialled the other machine");
}

#[test]
fn a_pulled_cable_is_told_to_the_others_and_to_the_one_who_is_cut_off() {
    let _one = ONE_PAIR.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(machines) = Machines::new("b") else {
        println!("skipped: this system makes no network namespaces for us");
        return;
    };
    let short = ["--listen", "0.0.0.0:0", "--ping-after", "500ms", "--receive-timeout", "500ms"];
    let (_server, address) = Program::start_server(&mut Machines::on(&machines.near, "chat-server", &short));
    let at = format!("{NEAR}:{}", address.port());
    let sara = Program::start(
        "sara",
        &mut Machines::on(&machines.near, "chat-client", &["--server", &at, "--name", "Sara"]),
    );
    sara.sees("Connected!");
    let ali = Program::start(
        "ali",
        &mut Machines::on(&machines.far, "chat-client", &["--server", &at, "--name", "Ali"]),
    );
    ali.sees("Connected!");
    machines.pull_the_cable();
    sara.sees("User [Ali] left (not responding)");
    ali.sees("--- connection lost");
}

#[test]
fn on_a_narrow_line_a_stopped_client_holds_up_nobody_and_gets_all_in_order() {
    const COUNT: usize = 1000;
    let _one = ONE_PAIR.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(machines) = Machines::new("c") else {
        println!("skipped: this system makes no network namespaces for us");
        return;
    };
    machines.narrow_the_cable();
    let patient = ["--listen", "0.0.0.0:0", "--rate-burst", "0", "--receive-timeout", "3600s"];
    let (_server, address) =
        Program::start_server(&mut Machines::on(&machines.near, "chat-server", &patient));
    let at = format!("{NEAR}:{}", address.port());
    let [mut sara, ali, stopped] = ["Sara", "Ali", "Stopped"].map(|name| {
        let arguments = ["--server", &at, "--name", name];
        let client = Program::start(name, &mut Machines::on(&machines.far, "chat-client", &arguments));
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
