//! The verdicts on all servers of the course, each compared with its row of the [matrix](crate::matrix).

use crate::{
    matrix::{
        Expected::{self, Any},
        MATRIX,
    },
    recorded::{self, Recorded},
    refused,
    target::{cargo_build, folder, Target},
    verdicts::{Verdict, VERDICTS},
};
use chat_tests::process::{installed, profile_folder};
use std::{
    collections::{BTreeSet, HashMap},
    process::Command,
    sync::{
        atomic::{AtomicUsize, Ordering::Relaxed},
        Mutex, PoisonError,
    },
    thread,
    time::{Duration, Instant},
};

/// What one verdict was in each round.
#[derive(Debug)]
pub struct Judged {
    /// The name of the verdict.
    pub verdict: &'static str,
    /// What it must be.
    pub expected: Expected,
    /// The last verdict that is not as it must be, or else the last one.
    pub result: Result<(), String>,
    /// How often it was not as it must be.
    pub wrong: usize,
    /// How long each round took.
    pub took: Vec<Duration>,
}

/// Judges the server that this command starts, and prints each verdict.
///
/// # Blocking
/// Until the last verdict.
pub fn judge<'a>(
    command: &mut Command,
    asked: impl Iterator<Item = (&'a Verdict, &'a Expected)>,
    rounds: usize,
) -> Vec<Judged> {
    let judged = asked.map(|(verdict, expected)| {
        let judged = judge_one(verdict, *expected, command, rounds);
        println!("{}: {}", judged.verdict, text(&judged.result));
        judged
    });
    judged.collect()
}

fn judge_one(verdict: &Verdict, expected: Expected, command: &mut Command, rounds: usize) -> Judged {
    let mut judged = Judged { verdict: verdict.name, expected, result: Ok(()), wrong: 0, took: Vec::new() };
    for _ in 0..rounds {
        let start = Instant::now();
        let result = verdict.of(command);
        judged.took.push(start.elapsed());
        if !expected.fits(&result) {
            judged.wrong += 1;
            judged.result = result;
        } else if judged.wrong == 0 {
            judged.result = result;
        }
    }
    judged.took.sort_unstable();
    judged
}

fn text(result: &Result<(), String>) -> &str {
    result.as_ref().map_or_else(String::as_str, |()| "ok")
}

/// So many rows are judged at a time. A row waits most of its time, for a room to come to rest.
const AT_A_TIME: usize = 2;

/// What begins a line about a verdict that is not as its page says.
const WRONG: &str = "NOT as its page says: ";

/// Judges all servers of the course, or only those with these names, and prints the table. What a page says
/// nothing about is not asked. Returns whether all are as their pages say. With `record`, the verdicts on Go
/// are kept for those who have none.
///
/// # Blocking
/// On the compilers, and until the last verdict.
pub fn judge_all(rounds: usize, names: &[&str], record: bool) -> bool {
    let has_go = installed("go");
    let recorded = Recorded::read();
    let all: Vec<Server> = servers(names).collect();
    if let Err(why) = build_in_rust(&all) {
        println!("{why}");
        return false;
    }
    let is_judged = |(_, target, _): &&Server| has_go || !matches!(target, Target::Go(_));
    let asked: Vec<&str> = all.iter().filter(is_judged).map(|(name, ..)| *name).collect();
    let printed = judge_rows(&asked, rounds);
    let (mut rows, mut wrong, mut verdicts_on_go) = (Vec::new(), Vec::new(), Vec::new());
    for (name, target, expected) in all {
        let Some(row) = printed.get(name) else {
            rows.push((name, recorded.cells(name, expected.len())));
            continue;
        };
        let text = |verdict: &Verdict| {
            row.iter().find_map(|line| line.strip_prefix(verdict.name)?.strip_prefix(": "))
        };
        let complaints = row.iter().filter_map(|line| line.strip_prefix(WRONG));
        wrong.extend(complaints.map(str::to_owned));
        let mut cells = Vec::new();
        for (verdict, expected) in VERDICTS.iter().zip(expected) {
            let text = text(verdict).filter(|_| *expected != Any);
            cells.push(text.map_or("-", cell).to_owned());
            match text {
                None if *expected != Any => wrong.push(format!("{name}: {} was not judged", verdict.name)),
                Some(text) if matches!(target, Target::Go(_)) => {
                    verdicts_on_go.push(format!("{name} {}: {text}", verdict.name));
                }
                _ => {}
            }
        }
        rows.push((name, cells));
    }
    if names.is_empty() {
        wrong.extend(refused::wrong_exercises());
    }
    print_table(&rows);
    if !has_go {
        println!("There is no Go here. What stands in brackets was {}.", recorded.head);
    }
    if record && wrong.is_empty() {
        recorded::write(&verdicts_on_go);
    }
    wrong.iter().for_each(|wrong| println!("{WRONG}{wrong}"));
    if wrong.is_empty() {
        println!("All are as their pages say.");
    }
    wrong.is_empty()
}

/// Judges these servers, some at a time, and prints each row when it is complete. Returns the lines of each.
///
/// A process of its own judges a row: a room is at rest when all threads of its judge are.
///
/// # Blocking
/// Until the last verdict.
fn judge_rows<'n>(names: &[&'n str], rounds: usize) -> HashMap<&'n str, Vec<String>> {
    let (judge, rounds) = (profile_folder().join("course-judge"), rounds.to_string());
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(HashMap::new()));
    let judge_loop = || {
        while let Some(name) = names.get(next.fetch_add(1, Relaxed)) {
            let output = Command::new(&judge).args(["row", name, &rounds]).output();
            let printed = match output {
                Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
                Err(error) => format!("{}: {error}\n", judge.display()),
            };
            print!("\n== {name}\n{printed}");
            let lines = printed.lines().map(str::to_owned).collect();
            rows.lock().unwrap_or_else(PoisonError::into_inner).insert(*name, lines);
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(judge_loop);
        }
    });
    rows.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Judges the server of one row, which is built if it is in Rust. Prints each verdict, and what is not as its
/// page says. Returns `None` if there is no such row.
///
/// # Blocking
/// Until the last verdict.
pub fn judge_row(name: &str, rounds: usize) -> Option<()> {
    let (name, target, expected) = servers(&[name]).next()?;
    let command = if matches!(target, Target::Go(_)) { target.build() } else { target.command() };
    let mut command = command.map_err(|why| println!("{why}")).ok()?;
    let asked = VERDICTS.iter().zip(expected).filter(|(_, expected)| **expected != Any);
    let judged = judge(&mut command, asked, rounds);
    if rounds > 1 {
        judged.iter().for_each(|judged| println!("  {}", figures(judged)));
    }
    for judged in judged.iter().filter(|judged| judged.wrong > 0) {
        println!("{WRONG}{name}: {}", complaint(judged));
    }
    Some(())
}

/// Builds the servers in Rust among these: the steps and their exercises together, and the real one alone,
/// because with a step it would have the step's features.
fn build_in_rust(servers: &[Server]) -> Result<(), String> {
    let is_rust = |target: &Target| !matches!(target, Target::Go(_));
    let steps =
        servers.iter().filter(|(_, target, _)| is_rust(target)).filter_map(|(_, target, _)| target.step());
    let packages: BTreeSet<String> = steps.map(|step| format!("course-step-{step}")).collect();
    if !packages.is_empty() {
        let packages = packages.iter().flat_map(|package| ["--package", package]);
        cargo_build(&packages.chain(["--bins", "--examples"]).collect::<Vec<_>>())?;
    }
    if servers.iter().any(|(_, target, _)| *target == Target::RealServer) {
        Target::RealServer.build()?;
    }
    Ok(())
}

/// Builds all servers of the course, and the program of the side room. Returns whether that was possible.
/// Without Go, those in Go are left out.
///
/// # Blocking
/// On the compilers.
pub fn build_all() -> bool {
    let has_go = installed("go");
    let servers = servers(&[]).filter(|(_, target, _)| has_go || !matches!(target, Target::Go(_)));
    let results = servers.map(|(name, target, _)| (name, target.build().map(drop)));
    let room = ("the side room", cargo_build(&["--package", "course-room-threads"]));
    results.chain([room]).fold(true, |all_built, (name, result)| {
        println!("{name}: {}", result.as_ref().map_or_else(String::as_str, |()| "built"));
        all_built && result.is_ok()
    })
}

/// A row: its name, its server, and what the verdicts must be.
type Server = (&'static str, Target, &'static [Expected]);

/// The servers with these names, or all, with what their verdicts must be. A step that is not there yet is
/// left out.
fn servers<'a>(names: &'a [&str]) -> impl Iterator<Item = Server> + 'a {
    let wanted = MATRIX.iter().filter(|(name, _)| names.is_empty() || names.contains(name));
    let servers = wanted.filter_map(|(name, expected)| Some((*name, Target::named(name)?, *expected)));
    servers.filter(|(_, target, _)| target.step().is_none_or(|step| folder(step).is_ok()))
}

fn complaint(judged: &Judged) -> String {
    let Judged { verdict, expected, result, wrong, took } = judged;
    format!("{verdict} is {:?} in {wrong} of {}, and must be {expected}", text(result), took.len())
}

fn figures(judged: &Judged) -> String {
    let Judged { verdict, wrong, took, .. } = judged;
    let at = |index: usize| took.get(index).map_or(0, Duration::as_millis);
    let (median, most) = (at(took.len() / 2), at(took.len().saturating_sub(1)));
    format!("{verdict}: {wrong} of {} wrong, {median} ms (at most {most})", took.len())
}

fn cell(text: &str) -> &'static str {
    if text == "ok" {
        "ok"
    } else {
        "red"
    }
}

fn print_table(rows: &[(&str, Vec<String>)]) {
    let print = |name: &str, cells: &mut dyn Iterator<Item = &str>| {
        let cells = cells.map(|cell| format!("{cell:14}")).collect::<String>();
        println!("{}", format!("{name:14}{cells}").trim_end());
    };
    println!();
    print("", &mut VERDICTS.iter().map(|verdict| verdict.name));
    for (name, cells) in rows {
        let name = name.strip_prefix("go-").map_or((*name).to_owned(), |step| format!("{step} in Go"));
        print(&name, &mut cells.iter().map(String::as_str));
    }
    println!();
}
