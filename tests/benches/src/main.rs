//! The program of the benchmarks: it parses arguments and reports an exit code.
//!
//! The main thread runs every measurement. `tests/benches/README.md` says what is measured, and how.

mod disk;
mod floor;
mod measure;
mod plot;
mod process;
mod results;
mod room;
mod runs;
mod systems;
mod wire;

use runs::{Options, Plan};
use std::{
    env,
    io::{self, Write},
    process::ExitCode,
};

const USAGE: &str = "\
usage: chat-bench COMMAND [OPTIONS]

  bench              throughput, latency, stuck recipients, members: rpc-chat alone
  compare            the same, with the floor, which is the least that a fan-out over TCP can do, and
                     with the Go twin, Redis, NATS and ngircd, if they are installed, and durability
                     and opening
  strategies         throughput and latency of the course's steps, and of rpc-chat
  members            only the cost of a member
  durability         only what a journal costs, beside Redis Streams, and how long it takes to open
  closed             what a closed room costs beside an open one, and Redis, NATS and ngircd with TLS
  plot               draw results/*.csv again
  serve floor ADDR   run the floor as a server

  --quick            small and short, about a minute: tests that everything works; the figures mean nothing
  --runs N           measure each figure N times (default 5; the systems take turns)
  --systems A,B      only these systems
  --measures A,B     only these measures: throughput, latency, stuck, members, durability,
                     opening
  --sizes A,B        only rooms of these sizes: numbers of recipients, or of members; for durability the
                     added milliseconds for each sync, for opening the number of events
  --out DIRECTORY    write the results here (default tests/benches/results, or target/bench-quick)
";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["--help"] | ["help"] => {
            print_line(USAGE);
            Ok(())
        }
        ["serve", "floor", address] => floor::serve(address, false),
        ["serve", "floor-acknowledged", address] => floor::serve(address, true),
        [command, options @ ..] => match (Plan::by_name(command), Options::parse(options)) {
            (Some(plan), Ok(options)) => plan.run(&options),
            (None, _) => return usage(&format!("unknown command {command}")),
            (_, Err(why)) => return usage(&why),
        },
        [] => return usage("a command is missing"),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_line(&format!("chat-bench: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn usage(why: &str) -> ExitCode {
    print_line(&format!("chat-bench: {why}\n{USAGE}"));
    ExitCode::from(2)
}

/// Prints a line. A closed standard output does not stop a measurement.
fn print_line(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}
