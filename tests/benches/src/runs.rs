//! The order of the runs: which figures of which systems, and when. Runs on the main thread.
//!
//! The systems take turns within each figure (A B C, A B C, ...), and each run starts its own server. So
//! other load on the machine, and anything that a run leaves behind, affects all systems alike. Latency
//! without and with stuck recipients is one turn, because the two are compared.

use crate::{
    measure::{self, Effort, Figure, SENDERS},
    plot, print_line, process,
    results::{machine_and_commit, Results},
    systems::{repository, System, COMPARED, STRATEGIES},
    wire::TEXT_BYTES,
};
use std::{io, path::PathBuf, time::Duration};

/// A command that writes results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Measures rpc-chat alone.
    Bench,
    /// Measures rpc-chat and the other systems.
    Compare,
    /// Measures ways to write the broadcaster.
    Strategies,
    /// Measures only the cost of a member.
    Members,
    /// Measures nothing, and draws the existing results.
    Plot,
}

/// The options of the command line.
#[derive(Debug)]
pub struct Options {
    quick: bool,
    runs: usize,
    systems: Option<Vec<System>>,
    measures: Option<Vec<String>>,
    sizes: Option<Vec<usize>>,
    out: Option<PathBuf>,
}

impl Options {
    /// Parses the words after the command.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(words: &[&str]) -> Result<Options, String> {
        let mut options =
            Options { quick: false, runs: 5, systems: None, measures: None, sizes: None, out: None };
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            if word == "--quick" {
                options.quick = true;
                options.runs = 1;
                continue;
            }
            let value = words.next().ok_or_else(|| format!("{word} is unknown or has no value"))?;
            let parts = value.split(',');
            match word {
                "--runs" => {
                    options.runs =
                        value.parse().ok().filter(|&runs| runs > 0).ok_or("--runs takes a number from 1")?;
                }
                "--systems" => {
                    let named = |name| System::by_name(name).ok_or_else(|| format!("unknown system {name}"));
                    options.systems = Some(parts.map(named).collect::<Result<_, _>>()?);
                }
                "--measures" => options.measures = Some(parts.map(str::to_owned).collect()),
                "--sizes" => {
                    let sizes = parts.map(|size| size.parse().map_err(|_| format!("not a size: {size}")));
                    options.sizes = Some(sizes.collect::<Result<_, _>>()?);
                }
                "--out" => options.out = Some(value.into()),
                _ => return Err(format!("unknown option {word}")),
            }
        }
        Ok(options)
    }

    fn includes_size(&self, size: usize) -> bool {
        self.sizes.as_ref().is_none_or(|sizes| sizes.contains(&size))
    }

    fn effort(&self) -> Effort {
        if self.quick {
            Effort { burst: Duration::from_millis(300), messages: 40, chat: Duration::from_millis(500) }
        } else {
            Effort { burst: Duration::from_secs(3), messages: 300, chat: Duration::from_secs(5) }
        }
    }

    fn out(&self) -> PathBuf {
        match (&self.out, self.quick) {
            (Some(out), _) => out.clone(),
            (None, true) => repository().join("target/bench-quick"),
            (None, false) => repository().join("tests/benches/results"),
        }
    }
}

impl Plan {
    /// Returns the plan that a command names.
    pub fn by_name(command: &str) -> Option<Plan> {
        [Plan::Bench, Plan::Compare, Plan::Strategies, Plan::Members, Plan::Plot]
            .into_iter()
            .find(|plan| plan.name() == command)
    }

    fn name(self) -> &'static str {
        match self {
            Plan::Bench => "bench",
            Plan::Compare => "compare",
            Plan::Strategies => "strategies",
            Plan::Members => "members",
            Plan::Plot => "plot",
        }
    }

    /// Returns the turns: the measures of each, and its sizes.
    fn turns(self, options: &Options) -> Vec<(Vec<&'static str>, &'static [usize])> {
        const RECIPIENTS: &[usize] = &[10, 100, 1000];
        let recipients: &[usize] = if options.quick { &[10] } else { RECIPIENTS };
        let members: &[usize] = if options.quick { &[50] } else { &[100, 1000, 5000] };
        let all = match self {
            Plan::Bench | Plan::Compare => {
                vec![
                    (vec!["throughput"], recipients),
                    (vec!["latency", "stuck"], recipients),
                    (vec!["members"], members),
                ]
            }
            Plan::Strategies => vec![(vec!["throughput"], recipients), (vec!["latency"], recipients)],
            Plan::Members => vec![(vec!["members"], members)],
            Plan::Plot => vec![],
        };
        let wanted = |measure: &&str| match &options.measures {
            Some(measures) => measures.iter().any(|wanted| wanted == measure),
            None => true,
        };
        all.into_iter().map(|(turn, sizes)| (turn.into_iter().filter(wanted).collect(), sizes)).collect()
    }

    /// Measures, writes the results and draws them. If another system fails, it is left out of that figure
    /// with a notice.
    ///
    /// # Errors
    /// When rpc-chat cannot be measured, or, after all runs, when it has lost a delivery.
    pub fn run(self, options: &Options) -> io::Result<()> {
        if self == Plan::Plot {
            return plot::draw_all(&options.out());
        }
        process::raise_open_files();
        let default = match self {
            Plan::Bench => vec![System::RpcChat],
            Plan::Strategies => STRATEGIES.to_vec(),
            _ => COMPARED.to_vec(),
        };
        let mut systems = Vec::new();
        for system in options.systems.clone().unwrap_or(default) {
            if system.prepare()? {
                systems.push(system);
            }
        }
        let mut results = Results::default();
        for (turn, sizes) in self.turns(options) {
            for &size in sizes.iter().filter(|&size| options.includes_size(*size)) {
                let mut remaining = systems.clone();
                for run in 1..=options.runs {
                    let mut succeeded = Vec::new();
                    for system in remaining {
                        match run_turn(system, &turn, size, run, options.effort(), &mut results) {
                            Ok(()) => succeeded.push(system),
                            Err(error) if system == System::RpcChat => return Err(error),
                            Err(error) => {
                                let what = turn.join(" and ");
                                print_line(&format!("{what} {size} {}: left out: {error}", system.name()));
                            }
                        }
                    }
                    // A system that has failed once is not tried again, because failing may take a minute.
                    remaining = succeeded;
                }
            }
        }
        let table = results.write(&options.out(), self.name(), &self.preface(options, &systems))?;
        plot::draw_all(&options.out())?;
        print_line(&format!("\nwritten: {}", table.display()));
        match results.losses(System::RpcChat.name()) {
            0 => Ok(()),
            losses => Err(io::Error::other(format!("rpc-chat lost deliveries in {losses} runs"))),
        }
    }

    fn preface(self, options: &Options, systems: &[System]) -> String {
        let command = format!("cargo run --release -p chat-bench -- {} --runs {}", self.name(), options.runs);
        let mut versions = String::new();
        for system in systems {
            if let Some(version) = system.version() {
                versions.push_str(&format!("- {}: {version}\n", system.name()));
            }
        }
        format!(
            "# Results of `chat-bench {}`\n\n\
             A figure is the median of {} runs.\n\
             In brackets are the least and the most, then the ratio to rpc-chat's median.\n\
             Throughput has {SENDERS} senders in closed loop, and texts have {TEXT_BYTES} bytes.\n\
             [The README](../README.md) describes the method.\n\n{}{versions}- command: `{command}`\n",
            self.name(),
            options.runs,
            machine_and_commit(),
        )
    }
}

/// Runs the measures of one turn, each on its own server.
fn run_turn(
    system: System,
    turn: &[&'static str],
    size: usize,
    run: usize,
    effort: Effort,
    results: &mut Results,
) -> io::Result<()> {
    for measure in turn {
        let figures = run_once(system, measure, size, effort)?;
        let shown: Vec<String> =
            figures.iter().map(|(metric, value)| format!("{metric} {value:.3}")).collect();
        print_line(&format!("{measure} {size} run {run} {}: {}", system.name(), shown.join(", ")));
        results.add(measure, system.name(), size, run, &figures);
    }
    Ok(())
}

/// Starts a server, and measures it once.
fn run_once(system: System, measure: &str, size: usize, effort: Effort) -> io::Result<Vec<Figure>> {
    let server = system.start()?;
    let protocol = system.protocol();
    match measure {
        "throughput" => measure::throughput(&server, protocol, size, effort),
        "latency" => measure::latency(&server, protocol, size, false, effort),
        "stuck" => measure::latency(&server, protocol, size, true, effort),
        _ => measure::members(&server, protocol, size, effort),
    }
}
