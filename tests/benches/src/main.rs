//! The benchmark, the comparison and the lesson's experiments: arguments and exit code. `tests/benches/README.md` says what is
//! measured, and how.

mod experiments;
mod measure;
mod plot;
mod process;
mod results;
mod room;
mod runs;
mod strategies;
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
  compare            the same, with the Go twin, Redis, NATS and ngircd, as far as they are installed
  strategies         throughput and latency of ways to write the broadcaster in Rust
  members            the cost of a member alone
  plot               draw results/*.csv again
  experiment NAME    one of the lesson's experiments, or all
  serve NAME ADDR    one of the strategies as a server

  --quick            small and short, under 30 s: whether it all works, not how fast it is
  --runs N           how often each figure is measured (default 5; the systems take turns)
  --systems A,B      only these
  --measures A,B     only these of throughput, latency, stuck, members
  --sizes A,B        only rooms with so many recipients, or members
  --out DIRECTORY    where the results go (default tests/benches/results, or target/bench-quick)
";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["--help"] | ["help"] => {
            tell(USAGE);
            Ok(())
        }
        ["serve", name, address] => strategies::serve(name, address),
        ["experiment", name] => experiments::run(name),
        [command, options @ ..] => match (Plan::named(command), Options::parse(options)) {
            (Some(plan), Ok(options)) => plan.run(&options),
            (None, _) => return usage(&format!("unknown command {command}")),
            (_, Err(why)) => return usage(&why),
        },
        [] => return usage("which command?"),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("chat-bench: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn usage(why: &str) -> ExitCode {
    tell(&format!("chat-bench: {why}\n{USAGE}"));
    ExitCode::from(2)
}

/// Prints a line. A closed output is no reason to stop measuring.
fn tell(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}
