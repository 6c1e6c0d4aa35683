//! A thread is started in a loop and uses the loop's variable. In old Go, all goroutines share one variable
//! and see its last value. In Rust, a closure that borrows the variable does not compile, and a closure that
//! takes it has a value of its own.

use super::verify;
use crate::{
    print_line,
    process::{build, is_installed},
    systems::repository,
};
use std::{
    env, fs, io,
    process::{Command, Output},
};

const WITH_MOVE: &str = r#"
use std::{io, thread};

fn main() -> io::Result<()> {
    thread::scope(|scope| {
        for recipient in ["Ann", "Bob", "Cem"].map(String::from) {
            thread::Builder::new().spawn_scoped(scope, move || println!("to {recipient}"))?;
        }
        Ok(())
    })
}
"#;
const EACH: [&str; 3] = ["to Ann", "to Bob", "to Cem"];

pub(super) fn run() -> io::Result<()> {
    if is_installed("go") {
        let program = env::current_exe()?.with_file_name("go-captured");
        let source = repository().join("tests/go-twin/captured");
        build(Command::new("go").args(["build", "-o"]).arg(&program).current_dir(&source), &source)?;
        print_line("Go starts a goroutine for each of Ann, Bob and Cem, and they print:");
        let printed = print_lines(&Command::new(&program).output()?);
        verify(
            printed == ["to Cem"; 3],
            "before Go 1.22, all goroutines see the last value of the variable",
        )?;
    } else {
        print_line("the Go half is skipped because go is not installed");
    }

    print_line("Rust, with a closure that borrows the variable:");
    let refused = rustc(&WITH_MOVE.replace("move ", ""))?;
    print_line(String::from_utf8_lossy(&refused.stderr).trim_end());
    let borrows = String::from_utf8_lossy(&refused.stderr).contains("E0373");
    verify(borrows && !refused.status.success(), "Rust does not compile that")?;

    print_line("Rust, with a `move` closure, which takes the value of its iteration:");
    let compiled = rustc(WITH_MOVE)?;
    if !compiled.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&compiled.stderr).into_owned()));
    }
    let mut printed = print_lines(&Command::new(env::current_exe()?.with_file_name(PROGRAM)).output()?);
    // The scheduler chooses which thread prints first.
    printed.sort_unstable();
    verify(printed == EACH, "with `move` each thread has a value of its own")
}

/// The name of the compiled Rust program, and of its source without `.rs`.
const PROGRAM: &str = "captured-variable";

/// Compiles this program into the directory of this program.
fn rustc(source: &str) -> io::Result<Output> {
    let program = env::current_exe()?.with_file_name(PROGRAM);
    let file = program.with_extension("rs");
    fs::write(&file, source)?;
    Command::new("rustc").args(["--edition", "2021", "-o"]).arg(&program).arg(&file).output()
}

/// Prints the lines of a program's standard output, indented, and returns them.
fn print_lines(output: &Output) -> Vec<String> {
    let lines: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    lines.iter().for_each(|line| print_line(&format!("  {line}")));
    lines
}
