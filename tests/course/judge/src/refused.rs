//! What the compiler refuses: exercises whose solution may not compile, and the programs of the side room.
//!
//! An error of the compiler has a code, such as E0382, which `rustc --explain E0382` explains.

use crate::{
    lesson::verify,
    target::{cargo, course, example, mine, Target, Version},
};
use chat_tests::process::{installed, target_folder};
use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

/// The exercises that the compiler must refuse, with the code of the error. Each starts as its step, which
/// compiles.
pub const EXERCISES: [(&str, &str); 2] = [("2C", "E0373"), ("3C", "E0382")];

/// The code with which the compiler must refuse this target, if it must.
pub fn code(target: &Target) -> Option<&'static str> {
    let Target::Exercise(step, letter, _) = target else { return None };
    let name = format!("{step}{letter}");
    EXERCISES.iter().find(|(exercise, _)| *exercise == name).map(|(_, code)| *code)
}

/// Compiles an exercise that must be refused, and returns what the compiler says about it.
///
/// # Errors
/// When it is not refused with this code.
pub fn judge(target: &Target, code: &str) -> Result<String, String> {
    let Target::Exercise(step, letter, version) = target else {
        return Err("only an exercise may be refused".to_owned());
    };
    let mut cargo = cargo("build");
    match (version, mine(*step, *letter)) {
        (Version::Solution, _) => cargo
            .args(["--package", &format!("course-step-{step}"), "--features", "refused"])
            .args(["--example", &example(*step, *letter, "solution")]),
        (Version::Mine, Some(mine)) => cargo.arg("--manifest-path").arg(mine.join("Cargo.toml")),
        // It is the step as it stands.
        (Version::Mine | Version::Start, _) => cargo.args(["--package", &format!("course-step-{step}")]),
    };
    said(&output(&mut cargo)?, code)
}

/// What the compiler says when it refuses a program with this code.
fn said(compiler: &Output, code: &str) -> Result<String, String> {
    let said = String::from_utf8_lossy(&compiler.stderr).trim().to_owned();
    if compiler.status.success() {
        return Err(format!("it compiles, and the compiler must refuse it with {code}"));
    }
    if said.contains(&format!("error[{code}]")) {
        return Ok(said);
    }
    Err(format!("{said}\nthe compiler refuses it, and not with {code}"))
}

/// The exercises whose solution is not refused with the code of their page.
pub fn wrong_exercises() -> Vec<String> {
    let solutions = EXERCISES.iter().filter_map(|(name, code)| {
        let target = Target::named(&format!("solution-{name}"))?;
        Some(format!("{name}: {}", judge(&target, code).err()?))
    });
    solutions.collect()
}

/// A program of the side room: what it is, the code with which the compiler refuses it, and how it compiles.
struct Program {
    file: &'static str,
    what: &'static str,
    code: &'static str,
    instead: &'static str,
    /// What stands there, and what is to stand there.
    changes: &'static [(&'static str, &'static str)],
    /// What it then prints, sorted.
    prints: &'static [&'static str],
}

impl Program {
    fn claim(&self) -> String {
        format!("the compiler refuses it with {}, and takes it {}", self.code, self.instead)
    }
}

const PROGRAMS: [Program; 2] = [
    Program {
        file: "refcell.rs",
        what: "two threads change a map, and no lock protects it",
        code: "E0277",
        instead: "with a Mutex for the RefCell",
        changes: &[
            ("cell::RefCell", "sync::Mutex"),
            ("RefCell", "Mutex"),
            ("borrow_mut()", "lock().unwrap()"),
        ],
        prints: &["2 clients"],
    },
    Program {
        file: "captured.rs",
        what: "threads borrow the variable of the loop that starts them",
        code: "E0373",
        instead: "with `move`, so that each thread takes the value of its turn",
        changes: &[("(|| println", "(move || println")],
        prints: &["to ann", "to bob", "to cid"],
    },
];

/// Shows what the compiler of Rust refuses, and what Go's does not.
///
/// # Errors
/// When the compiler does not refuse it, or when a program does not compile or print what it must.
pub fn show() -> Result<(), String> {
    show_rust()?;
    if installed("go") {
        return show_go();
    }
    println!("The Go half is skipped, because there is no Go here.");
    Ok(())
}

fn show_rust() -> Result<(), String> {
    for program in &PROGRAMS {
        let text = fs::read_to_string(course().join("rooms/refused").join(program.file))
            .map_err(|error| format!("{}: {error}", program.file))?;
        println!("In Rust, {}: {}", program.what, program.file);
        println!("{}\n", said(&rustc(&text)?, program.code)?);
        let changed = program.changes.iter().fold(text, |text, (from, to)| text.replace(from, to));
        let compiled = rustc(&changed)?;
        if !compiled.status.success() {
            return Err(String::from_utf8_lossy(&compiled.stderr).into_owned());
        }
        let printed = lines(&mut Command::new(built("refused")))?;
        verify(printed == program.prints, &program.claim())?;
    }
    Ok(())
}

fn show_go() -> Result<(), String> {
    println!("In Go, goroutines change a map, and no lock protects it: go/race");
    let built = go_build("race", &["-race"])?;
    let quiet = output(Command::new(&built).arg("1"))?;
    let caught = output(Command::new(&built).arg("2"))?;
    println!("{}", String::from_utf8_lossy(&caught.stderr).trim());
    let says = ["DATA RACE", "concurrent map"];
    let is_caught = says.into_iter().any(|words| String::from_utf8_lossy(&caught.stderr).contains(words));
    verify(
        quiet.status.success() && is_caught && !caught.status.success(),
        "it compiles; -race says nothing about one goroutine, and reports two",
    )?;
    println!("In Go, goroutines use the variable of the loop that starts them: go/captured");
    let printed = lines(&mut Command::new(go_build("captured", &[])?))?;
    verify(printed == ["to cid"; 3], "it compiles; before Go 1.22 all goroutines see the last value")
}

fn built(name: &str) -> PathBuf {
    target_folder().join("course").join(name)
}

/// Compiles this program.
fn rustc(text: &str) -> Result<Output, String> {
    let (program, file) = (built("refused"), built("refused.rs"));
    let written = fs::create_dir_all(built("")).and_then(|()| fs::write(&file, text));
    written.map_err(|error| format!("{}: {error}", file.display()))?;
    output(Command::new("rustc").args(["--edition", "2021", "-o"]).arg(&program).arg(&file))
}

fn go_build(name: &str, flags: &[&str]) -> Result<PathBuf, String> {
    let program = built(&format!("go-{name}"));
    let mut go = Command::new("go");
    go.arg("build").args(flags).arg("-o").arg(&program).arg(".");
    let go = output(go.current_dir(course().join("rooms/refused/go").join(name)))?;
    go.status.success().then_some(program).ok_or_else(|| String::from_utf8_lossy(&go.stderr).into_owned())
}

fn output(command: &mut Command) -> Result<Output, String> {
    command.output().map_err(|error| format!("{:?}: {error}", command.get_program()))
}

/// Prints what a program prints, and returns its lines, sorted: the scheduler chooses which thread is first.
fn lines(program: &mut Command) -> Result<Vec<String>, String> {
    let text = String::from_utf8_lossy(&output(program)?.stdout).into_owned();
    text.lines().for_each(|line| println!("  {line}"));
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_solution_of_each_exercise_that_must_be_refused_is_refused_with_its_code() {
        assert_eq!(wrong_exercises(), Vec::<String>::new());
    }

    #[test]
    fn the_page_of_the_side_room_says_what_its_programs_show() {
        assert_eq!(show_rust(), Ok(()));
        let page = fs::read_to_string(course().join("rooms/refused/README.md")).unwrap();
        for program in &PROGRAMS {
            for line in [format!("error[{}]: ", program.code), format!("shown: {}", program.claim())] {
                assert!(page.contains(&line), "the page has no line {line:?}");
            }
        }
        for (exercise, code) in EXERCISES {
            let says = format!("`make judge N={exercise}` must say that the compiler refuses it with {code}");
            assert!(page.contains(&says), "the page does not say {says:?}");
        }
    }

    #[test]
    fn a_program_that_compiles_or_is_refused_for_another_reason_is_no_solution() {
        let start = judge(&Target::Exercise(2, 'C', Version::Start), "E0373");
        assert_eq!(start, Err("it compiles, and the compiler must refuse it with E0373".to_owned()));
        let other = judge(&Target::Exercise(2, 'C', Version::Solution), "E0382").expect_err("another code");
        assert!(other.ends_with("and not with E0382"), "{other}");
    }
}
