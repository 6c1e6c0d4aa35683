//! The program of the judge: it parses arguments and reports an exit code.
//!
//! The main thread judges. `tests/course/README.md` says what the course is.
// The output is for the person who runs the judge.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use course_judge::{
    course::{build_all, judge, judge_all, judge_row},
    lesson,
    matrix::{row, ALL_GREEN},
    picture,
    pictures::{draw_all, old_pictures},
    refused,
    server::RUNNING,
    target::{folder, mine, Target, Version},
    trace,
    verdicts::VERDICTS,
    way,
};
use std::{env, panic, path::Path, process::ExitCode};

const USAGE: &str = "\
usage: course-judge judge TARGET             a step (2, go-2), an exercise (2B, start-2B, solution-2B,
                                             mine), or chat-server
       course-judge judge --program COMMAND  any server; {} in the command is where it shall listen
       course-judge course [--rounds N] [--record] [TARGET ...]
                                             all servers of the course, or these; records the verdicts on
                                             Go for those who have none
       course-judge row TARGET N             one row of the course, which is built, N times
       course-judge build                    builds all servers of the course, and judges none
       course-judge lesson [EXPERIMENT]      all experiments of the lesson, or one
       course-judge picture TRACE            draws a message's way in a trace, to the standard output
       course-judge pictures                 draws way.svg of all steps again
";

fn main() -> ExitCode {
    // A failure of the harness is a verdict of one sentence. Nobody wants its stack.
    panic::set_hook(Box::new(|_| {}));
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["judge", "--program", command] => judge_target(&Target::Program((*command).to_owned())),
        ["judge", name] => match Target::named(name) {
            Some(target) => judge_target(&target),
            None => unknown(&format!("{name:?} is no step and no exercise")),
        },
        ["course", options @ ..] => match course(options) {
            Some(as_pages_say) => exit_code(as_pages_say),
            None => usage("a wrong option"),
        },
        ["row", name, rounds] => match rounds.parse().ok().and_then(|rounds| judge_row(name, rounds)) {
            Some(()) => ExitCode::SUCCESS,
            None => usage("no such row"),
        },
        ["build"] => exit_code(build_all()),
        ["lesson", name @ ..] if name.len() < 2 => match lesson::run(name.first().copied()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                println!("{why}");
                ExitCode::FAILURE
            }
        },
        ["picture", trace] => match trace::read(Path::new(trace)).and_then(|trace| way::find(&trace)) {
            Ok(way) => {
                print!("{}", picture::draw("A message's way", &way));
                ExitCode::SUCCESS
            }
            Err(why) => usage(&why),
        },
        ["pictures"] => match draw_all() {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => usage(&why),
        },
        ["--help"] => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => usage("a command is missing"),
    }
}

/// Judges the servers of the course. Returns `None` when an option is wrong.
fn course(mut options: &[&str]) -> Option<bool> {
    let (mut rounds, mut record, mut names) = (1, false, Vec::new());
    while let [option, rest @ ..] = options {
        options = rest;
        match *option {
            "--record" => record = true,
            "--rounds" => {
                let (number, rest) = rest.split_first()?;
                rounds = number.parse().ok().filter(|rounds| *rounds > 0)?;
                options = rest;
            }
            name => names.push(row(name).map(|_| name)?),
        }
    }
    let all_right = judge_all(rounds, &names, record);
    Some(all_right && (!names.is_empty() || all_pictures_right()))
}

fn all_pictures_right() -> bool {
    let old = old_pictures();
    match &old {
        Err(why) => println!("There are no pictures: {why}"),
        Ok(steps) if steps.is_empty() => println!("The pictures on the pages are as the steps draw them."),
        Ok(steps) => println!("NOT as on their pages are the pictures of {steps:?}: `make course-pictures`"),
    }
    old.is_ok_and(|steps| steps.is_empty())
}

/// Judges one server. A step must be as its page says, and every other server must be right.
fn judge_target(target: &Target) -> ExitCode {
    if let Some(Err(why)) = target.step().map(folder) {
        return unknown(&why);
    }
    if target.solution().is_some_and(|solution| !solution.exists()) {
        return unknown(&format!("there is no exercise {}", target.name()));
    }
    match target {
        Target::Exercise(step, letter, Version::Mine) if mine(*step, *letter).is_none() => {
            eprintln!(
                "This is where the exercise begins. It becomes yours with: make start N={}",
                target.name()
            );
        }
        Target::Program(_) => {
            eprintln!("Each verdict waits until the program prints {RUNNING:?} and its port.");
        }
        _ => {}
    }
    if let Some(code) = refused::code(target) {
        return judge_refused(target, code);
    }
    let mut command = match target.build() {
        Ok(command) => command,
        Err(why) => {
            println!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let row = row(&target.name());
    let judged = judge(&mut command, VERDICTS.iter().zip(row.unwrap_or(ALL_GREEN)), 1);
    let wrong: Vec<_> = judged.iter().filter(|judged| judged.wrong > 0).collect();
    if row.is_some() {
        println!(
            "{}",
            if wrong.is_empty() { "This is as its page says." } else { "This is NOT as its page says:" }
        );
        wrong.iter().for_each(|judged| println!("{} must be: {}", judged.verdict, judged.expected));
    }
    if wrong.is_empty() {
        show_solution(target);
    }
    if let Some(question) = target.question() {
        println!("\n{question}");
    }
    exit_code(wrong.is_empty())
}

/// Shows what the compiler says about an exercise that it must refuse.
fn judge_refused(target: &Target, code: &str) -> ExitCode {
    match refused::judge(target, code) {
        Ok(said) => {
            println!("{said}\n\nThe compiler refuses it with {code}, as its page says.");
            show_solution(target);
            ExitCode::SUCCESS
        }
        Err(why) => {
            println!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Says where a solution is, to a student who has found one.
fn show_solution(target: &Target) {
    let mine = matches!(target, Target::Exercise(_, _, Version::Mine));
    if let Some(solution) = target.solution().filter(|_| mine) {
        println!("Solved. Another solution is {}", solution.display());
    }
}

fn exit_code(good: bool) -> ExitCode {
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What a student has typed is no server of the course.
fn unknown(why: &str) -> ExitCode {
    eprintln!("{why}; try: make judge N=2, or with GO=1, or N=2B");
    ExitCode::from(2)
}

fn usage(why: &str) -> ExitCode {
    eprintln!("course-judge: {why}\n{USAGE}");
    ExitCode::from(2)
}
