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
use chat_tests::process::installed;
use std::{
    process::Command,
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

/// Judges all servers of the course, or only those with these names, and prints the table. What a page says
/// nothing about is not asked. Returns whether all are as their pages say. With `record`, the verdicts on Go
/// are kept for those who have none.
///
/// # Blocking
/// On the compilers, and until the last verdict.
pub fn judge_all(rounds: usize, names: &[&str], record: bool) -> bool {
    let has_go = installed("go");
    let recorded = Recorded::read();
    let (mut rows, mut wrong, mut verdicts_on_go) = (Vec::new(), Vec::new(), Vec::new());
    for (name, target, expected) in servers(names) {
        let in_go = matches!(target, Target::Go(_));
        if in_go && !has_go {
            rows.push((name, recorded.cells(name, expected.len())));
            continue;
        }
        println!("\n== {name}");
        let all = || VERDICTS.iter().zip(expected);
        let judged = match target.build() {
            Ok(mut command) => judge(&mut command, all().filter(|(_, expected)| **expected != Any), rounds),
            Err(why) => {
                println!("{why}");
                wrong.push(format!("{name}: {why}"));
                continue;
            }
        };
        if rounds > 1 {
            judged.iter().for_each(|judged| println!("  {}", figures(judged)));
        }
        wrong.extend(
            judged
                .iter()
                .filter(|judged| judged.wrong > 0)
                .map(|judged| format!("{name}: {}", complaint(judged))),
        );
        if in_go {
            let lines =
                judged.iter().map(|judged| format!("{name} {}: {}", judged.verdict, text(&judged.result)));
            verdicts_on_go.extend(lines);
        }
        let of = |verdict: &Verdict| judged.iter().find(|judged| judged.verdict == verdict.name);
        let cells =
            all().map(|(verdict, _)| of(verdict).map_or("-", |judged| cell(&judged.result)).to_owned());
        rows.push((name, cells.collect()));
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
    wrong.iter().for_each(|wrong| println!("NOT as its page says: {wrong}"));
    if wrong.is_empty() {
        println!("All are as their pages say.");
    }
    wrong.is_empty()
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

/// The servers with these names, or all, with what their verdicts must be. A step that is not there yet is
/// left out.
fn servers<'a>(names: &'a [&str]) -> impl Iterator<Item = (&'static str, Target, &'static [Expected])> + 'a {
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

fn cell(result: &Result<(), String>) -> &'static str {
    if result.is_ok() {
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
