//! The program of the judge: it parses arguments and reports an exit code.
//!
//! The main thread judges. `tests/course/README.md` says what the course is.
// The output is for the person who runs the judge.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use course_judge::{
    course::{complaint, expected, judge, judge_all},
    matrix::row,
    target::{Target, Version},
};
use std::{env, panic, process::ExitCode};

const USAGE: &str = "\
usage: course-judge judge TARGET             a step (2, go-2), an exercise (2B, start-2B, solution-2B,
                                             mine), or chat-server
       course-judge judge --program COMMAND  any server; {} in the command is where it shall listen
       course-judge course [--rounds N] [--record]
                                             all servers of the course; records the verdicts on Go
";

fn main() -> ExitCode {
    // A failure of the harness is a verdict of one sentence. Nobody wants its stack.
    panic::set_hook(Box::new(|_| {}));
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["judge", "--program", command] => judge_target("", &Target::Program((*command).to_owned())),
        ["judge", name] => match Target::named(name) {
            Some(target) => judge_target(name, &target),
            None => usage(&format!("there is no target {name}")),
        },
        ["course", options @ ..] => match course_options(options) {
            Some((rounds, record)) => exit_code(judge_all(rounds, record)),
            None => usage("the course has two options"),
        },
        ["--help"] => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => usage("a command is missing"),
    }
}

fn course_options(mut options: &[&str]) -> Option<(usize, bool)> {
    let (mut rounds, mut record) = (1, false);
    loop {
        options = match options {
            [] => return Some((rounds, record)),
            ["--record", rest @ ..] => {
                record = true;
                rest
            }
            ["--rounds", number, rest @ ..] => {
                rounds = number.parse().ok().filter(|rounds| *rounds > 0)?;
                rest
            }
            _ => return None,
        }
    }
}

/// Judges one server. A step must be as its page says, and every other server must be right.
fn judge_target(name: &str, target: &Target) -> ExitCode {
    let mut command = match target.build() {
        Ok(command) => command,
        Err(why) => return usage(&why),
    };
    let wrong: Vec<_> = judge(&mut command, expected(name), 1)
        .iter()
        .filter(|judged| judged.wrong > 0)
        .map(complaint)
        .collect();
    if row(name).is_some() {
        println!(
            "{}",
            if wrong.is_empty() { "This is as its page says." } else { "This is NOT as its page says:" }
        );
        wrong.iter().for_each(|wrong| println!("{wrong}"));
    }
    let mine = matches!(target, Target::Exercise(_, _, Version::Mine));
    if let Some(solution) = target.solution().filter(|_| mine && wrong.is_empty()) {
        println!("Solved. Another solution is {}", solution.display());
    }
    if let Some(question) = target.question() {
        println!("\n{question}");
    }
    exit_code(wrong.is_empty())
}

fn exit_code(good: bool) -> ExitCode {
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn usage(why: &str) -> ExitCode {
    eprintln!("course-judge: {why}\n{USAGE}");
    ExitCode::from(2)
}
