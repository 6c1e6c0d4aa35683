//! The order of the runs: which figures of which systems, and when. Runs on the main thread.
//!
//! The systems take turns within each figure (A B C, A B C, ...), and each run starts its own server. So
//! other load on the machine, and anything that a run leaves behind, affects all systems alike. Latency
//! without and with stuck recipients is one turn, because the two are compared.

use crate::{
    disk,
    measure::{self, Effort, Figure, SENDERS},
    plot, print_line,
    process::{self, Server},
    results::{machine_and_commit, Results},
    room::Room,
    systems::{repository, System, COMPARED, DURABLE, SEALED, SEALED_AND_PROMPT, STRATEGIES},
    wire::TEXT_BYTES,
};
use chat_common::terminal::progress::{self, Progress};
use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

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
    /// Measures only what a journal costs, and how long it takes to open.
    Durability,
    /// Measures what a closed room costs, beside the other systems with TLS.
    Closed,
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

/// Measures that take turns, at each of some sizes, for each of some systems.
struct Turn {
    measures: Vec<&'static str>,
    sizes: Vec<usize>,
    systems: Vec<System>,
}

impl Plan {
    /// Returns the plan that a command names.
    pub fn by_name(command: &str) -> Option<Plan> {
        let all = [
            Plan::Bench,
            Plan::Compare,
            Plan::Strategies,
            Plan::Members,
            Plan::Durability,
            Plan::Closed,
            Plan::Plot,
        ];
        all.into_iter().find(|plan| plan.name() == command)
    }

    fn name(self) -> &'static str {
        match self {
            Plan::Bench => "bench",
            Plan::Compare => "compare",
            Plan::Strategies => "strategies",
            Plan::Members => "members",
            Plan::Durability => "durability",
            Plan::Closed => "closed",
            Plan::Plot => "plot",
        }
    }

    /// Returns the turns, as the options select them.
    fn turns(self, options: &Options) -> Vec<Turn> {
        let quick = |quick: &'static [usize], full| if options.quick { quick } else { full };
        let recipients = quick(&[10], &[10, 100, 1000]);
        let members = quick(&[50], &[100, 1000, 5000]);
        let delays = match process::is_installed("strace") {
            true => quick(&[0, 1], &[0, 1, 4, 10]),
            false => &[0],
        };
        let rooms: &[System] = match self {
            Plan::Bench => &[System::RpcChat],
            Plan::Strategies => &STRATEGIES,
            _ => &COMPARED,
        };
        let throughput = (vec!["throughput"], recipients, rooms);
        let durability = (vec!["durability"], delays, &DURABLE[..]);
        let opening = (vec!["opening"], quick(&[10_000], &[1_000_000]), &[System::Journal][..]);
        let members = (vec!["members"], members, rooms);
        let all = match self {
            Plan::Bench => vec![throughput, (vec!["latency", "stuck"], recipients, rooms), members],
            Plan::Compare => {
                vec![throughput, (vec!["latency", "stuck"], recipients, rooms), members, durability, opening]
            }
            Plan::Strategies => vec![throughput, (vec!["latency"], recipients, rooms)],
            Plan::Members => vec![members],
            Plan::Durability => vec![durability, opening],
            Plan::Closed => vec![
                (vec!["throughput"], quick(&[10], &[100, 1000]), &SEALED[..]),
                (vec!["latency"], quick(&[10], &[100]), &SEALED_AND_PROMPT[..]),
                (vec!["members"], quick(&[50], &[1000]), &SEALED_AND_PROMPT[..]),
            ],
            Plan::Plot => vec![],
        };
        let turn = |(mut measures, sizes, defaults): (Vec<&'static str>, &[usize], &[System])| {
            if let Some(wanted) = &options.measures {
                measures.retain(|measure| wanted.iter().any(|wanted| wanted == measure));
            }
            let sizes = sizes.iter().copied().filter(|&size| options.includes_size(size)).collect();
            let mut systems = options.systems.clone().unwrap_or(defaults.to_vec());
            // Few systems have a disk to wait for, a journal to open, or a seal.
            let is_general = std::ptr::eq(defaults, rooms);
            systems.retain(|system| is_general || defaults.contains(system));
            Turn { measures, sizes, systems }
        };
        let is_selected =
            |turn: &Turn| !(turn.measures.is_empty() || turn.sizes.is_empty() || turn.systems.is_empty());
        all.into_iter().map(turn).filter(is_selected).collect()
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
        let mut turns = self.turns(options);
        if turns.is_empty() {
            // The results of earlier runs stay.
            print_line(&format!("{}: the options leave nothing to measure", self.name()));
            return Ok(());
        }
        let mut systems: Vec<System> = Vec::new();
        let mut missing = Vec::new();
        for system in turns.iter().flat_map(|turn| &turn.systems) {
            if systems.contains(system) || missing.contains(system) {
                continue;
            }
            if system.prepare()? {
                systems.push(*system);
            } else {
                missing.push(*system);
            }
        }
        let mut results = Results::default();
        let is_there = |system: &&System| !missing.contains(system);
        let parts = |turn: &Turn| {
            turn.measures.len() * turn.sizes.len() * turn.systems.iter().filter(is_there).count()
        };
        let all = turns.iter().map(parts).sum::<usize>() * options.runs;
        progress::show_on_stderr();
        let (mut progress, mut done) = (Progress::begin("measuring"), 0);
        for Turn { measures, sizes, systems } in &mut turns {
            systems.retain(|system| !missing.contains(system));
            if measures.contains(&"durability") && !process::is_installed("strace") {
                print_line("durability: strace is not installed, so no sync is counted or made slower");
            }
            for &size in &*sizes {
                let mut remaining = systems.clone();
                for run in 1..=options.runs {
                    let mut succeeded = Vec::new();
                    for system in remaining {
                        progress.at(done, all);
                        done += measures.len();
                        let effort = options.effort();
                        match run_turn(system, measures, size, run, effort, &mut results, &mut progress) {
                            Ok(()) => succeeded.push(system),
                            Err(error) if system == System::RpcChat => return Err(error),
                            Err(error) => {
                                progress.hide();
                                let what = measures.join(" and ");
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
        let ours = [System::RpcChat, System::Closed, System::ClosedJournal].map(System::name);
        match ours.into_iter().map(|system| results.losses(system)).sum::<usize>() {
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
    progress: &mut Progress,
) -> io::Result<()> {
    for measure in turn {
        let figures = run_once(system, measure, size, effort)?;
        let shown: Vec<String> =
            figures.iter().map(|(metric, value)| format!("{metric} {value:.3}")).collect();
        progress.hide();
        print_line(&format!("{measure} {size} run {run} {}: {}", system.name(), shown.join(", ")));
        results.add(measure, system.name(), size, run, &figures);
    }
    Ok(())
}

/// Starts a server, and measures it once.
fn run_once(system: System, measure: &str, size: usize, effort: Effort) -> io::Result<Vec<Figure>> {
    let protocol = system.protocol();
    match measure {
        "throughput" => measure::throughput(&system.start()?, protocol, size, effort),
        "latency" => measure::latency(&system.start()?, protocol, size, false, effort),
        "stuck" => measure::latency(&system.start()?, protocol, size, true, effort),
        "durability" => durability(system, Duration::from_millis(size as u64), effort),
        "opening" => opening(system, size),
        _ => measure::members(&system.start()?, protocol, size, effort),
    }
}

/// Measures the throughput where each sync takes `delay` longer, after the sync alone in the same folder.
///
/// strace costs a server some of its throughput, with and without a journal. So without a delay it traces a
/// second, shorter run, in which only the syncs are counted.
fn durability(system: System, delay: Duration, effort: Effort) -> io::Result<Vec<Figure>> {
    const RECIPIENTS: usize = 100;
    let program = std::env::current_exe()?;
    let mut figures = disk::sync_times(program.parent().unwrap_or(Path::new(".")))?;
    let measure =
        |server: &Server, effort| measure::throughput(server, system.protocol(), RECIPIENTS, effort);
    if !delay.is_zero() {
        figures.extend(measure(&system.start_traced(delay)?, effort)?);
        return Ok(figures);
    }
    figures.extend(measure(&system.start()?, effort)?);
    if process::is_installed("strace") && system.folder()?.exists() {
        let effort = Effort { burst: effort.burst / 3, ..effort };
        let traced = measure(&system.start_traced(delay)?, effort)?;
        figures.extend(traced.into_iter().filter(|(metric, _)| *metric == "messages_per_sync"));
    }
    Ok(figures)
}

/// Lets a server write a journal of at least `events` messages, ends it with a signal that it cannot handle,
/// and measures how long the next one takes until somebody has joined.
fn opening(system: System, events: usize) -> io::Result<Vec<Figure>> {
    measure::fill(&system.start()?, system.protocol(), events)?;
    let mib = disk::bytes_of_files(&system.folder()?, "journal")? as f64 / f64::from(1 << 20);
    let start = Instant::now();
    let server = system.start_again()?;
    Room::join(server.address, system.protocol(), 1)?;
    let open = start.elapsed().as_secs_f64();
    Ok(vec![("open_s", open), ("journal_mib", mib), ("events_per_s", events as f64 / open)])
}
