//! What is judged, and how it is built: a step of the course, an exercise, the real server, or any program.

use crate::verdicts::LOG_BYTES;
use chat_tests::process::{installed, profile_folder, repository, target_folder};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

/// A server that can be built and started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The server of a step: `2`.
    Step(u32),
    /// The same step in Go: `go-2`.
    Go(u32),
    /// The code of an exercise: `2B` is what a student has made of it so far, or else its start.
    Exercise(u32, char, Version),
    /// `chat-server`.
    RealServer,
    /// A command, in which `{}` stands for the address on which the program shall listen.
    Program(String),
}

/// Which code of an exercise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// What is in `mine/`, or else the start.
    Mine,
    /// `start-2B`: where the exercise begins.
    Start,
    /// `solution-2B`: where it ends.
    Solution,
}

impl Target {
    /// Returns the target of this name, as the command line and the [matrix](crate::matrix) have it.
    pub fn named(name: &str) -> Option<Target> {
        let exercise = |name: &str, version| {
            let letter = name.chars().last().filter(char::is_ascii_uppercase)?;
            Some(Target::Exercise(name.trim_end_matches(letter).parse().ok()?, letter, version))
        };
        match name {
            "chat-server" => Some(Target::RealServer),
            "mine" => exercise(&changed_last(&course().join("mine"))?, Version::Mine),
            _ if name.starts_with("go-") => Some(Target::Go(name.strip_prefix("go-")?.parse().ok()?)),
            _ if name.starts_with("start-") => exercise(name.strip_prefix("start-")?, Version::Start),
            _ if name.starts_with("solution-") => {
                exercise(name.strip_prefix("solution-")?, Version::Solution)
            }
            _ => name.parse().ok().map(Target::Step).or_else(|| exercise(name, Version::Mine)),
        }
    }

    /// Its name, by which it is found in the [matrix](crate::matrix).
    pub fn name(&self) -> String {
        match self {
            Target::Step(step) => step.to_string(),
            Target::Go(step) => format!("go-{step}"),
            Target::Exercise(step, letter, Version::Mine) => format!("{step}{letter}"),
            Target::Exercise(step, letter, Version::Start) => format!("start-{step}{letter}"),
            Target::Exercise(step, letter, Version::Solution) => format!("solution-{step}{letter}"),
            Target::RealServer => "chat-server".to_owned(),
            Target::Program(command) => command.clone(),
        }
    }

    /// The number of its step.
    pub fn step(&self) -> Option<u32> {
        match self {
            Target::Step(step) | Target::Go(step) | Target::Exercise(step, ..) => Some(*step),
            Target::RealServer | Target::Program(_) => None,
        }
    }

    /// Builds it, and returns the command that starts it on a free port of 127.0.0.1.
    ///
    /// # Blocking
    /// On the compiler.
    ///
    /// # Errors
    /// When there is no such server, or when it does not build.
    pub fn build(&self) -> Result<Command, String> {
        let package = |step: &u32| format!("course-step-{step}");
        match self {
            Target::Step(step) => cargo_build(&["--package", &package(step), "--bin", &package(step)])?,
            Target::Go(step) => go_build(*step)?,
            Target::Exercise(step, letter, version) => {
                if let Some(mine) = self.mine() {
                    cargo_build(&["--manifest-path", &mine.join("Cargo.toml").to_string_lossy()])?;
                } else {
                    let example = example(*step, *letter, version.word());
                    cargo_build(&["--package", &package(step), "--example", &example])?;
                }
            }
            Target::RealServer => cargo_build(&["--package", "chat-server", "--bin", "chat-server"])?,
            Target::Program(_) => {}
        }
        self.command()
    }

    /// Returns the command that starts it on a free port of 127.0.0.1. It must be built.
    ///
    /// # Errors
    /// When there is no such server.
    pub fn command(&self) -> Result<Command, String> {
        let built = profile_folder();
        let mut command = match self {
            Target::Step(step) => Command::new(built.join(format!("course-step-{step}"))),
            Target::Go(step) => {
                let mut command = Command::new(go_program(*step));
                command.args(["-listen", FREE_PORT]);
                return Ok(command);
            }
            Target::Exercise(step, letter, version) => match self.mine() {
                Some(mine) => Command::new(built.join(package_name(&mine.join("Cargo.toml"))?)),
                None => {
                    let example = example(*step, *letter, version.word());
                    Command::new(built.join("examples").join(example))
                }
            },
            Target::RealServer => {
                let mut command = Command::new(built.join("chat-server"));
                command.args(["--rate-burst", "0", "--log-size", &LOG_BYTES.to_string()]);
                command
            }
            Target::Program(words) => {
                let mut words = words.split_whitespace().map(|word| word.replace("{}", FREE_PORT));
                let mut command = Command::new(words.next().ok_or("the command is empty")?);
                command.args(words);
                return Ok(command);
            }
        };
        if let Some(step) = self.step() {
            folder(step)?;
        }
        command.args(["--listen", FREE_PORT]);
        Ok(command)
    }

    /// What a student has made of it, if it was started.
    fn mine(&self) -> Option<PathBuf> {
        match self {
            Target::Exercise(step, letter, Version::Mine) => mine(*step, *letter),
            _ => None,
        }
    }

    /// A solution of this exercise.
    pub fn solution(&self) -> Option<PathBuf> {
        let Target::Exercise(step, letter, _) = self else { return None };
        Some(folder(*step).ok()?.join(format!("solution/{letter}.rs")))
    }

    /// Its step's question: the first heading of the page.
    pub fn question(&self) -> Option<String> {
        let page = fs::read_to_string(folder(self.step()?).ok()?.join("README.md")).ok()?;
        page.lines().find_map(|line| line.strip_prefix("# ")).map(str::to_owned)
    }
}

impl Version {
    /// The word for it in the names of files and of examples.
    fn word(self) -> &'static str {
        match self {
            Version::Mine | Version::Start => "start",
            Version::Solution => "solution",
        }
    }
}

/// The same server, whose patience ends after a second. So does that of each step by itself.
pub(crate) fn impatient(command: &Command) -> Command {
    const TIMEOUTS: [&str; 3] = ["--hello-timeout", "--join-timeout", "--frame-timeout"];
    let mut impatient = Command::new(command.get_program());
    impatient.args(command.get_args());
    for (name, value) in command.get_envs() {
        value.map(|value| impatient.env(name, value));
    }
    if ["chat-server", "real-server"].iter().any(|name| Path::new(command.get_program()).ends_with(name)) {
        impatient.args(TIMEOUTS.iter().flat_map(|timeout| [*timeout, "1s"]));
    }
    impatient
}

const FREE_PORT: &str = "127.0.0.1:0";

/// The folder of the course.
pub fn course() -> PathBuf {
    repository().join("tests/course")
}

/// The folder of a step, such as `tests/course/2-scope`.
///
/// # Errors
/// When there is no such step.
pub fn folder(step: u32) -> Result<PathBuf, String> {
    let start = format!("{step}-");
    let entries = fs::read_dir(course()).map_err(|error| error.to_string())?.flatten();
    let is_step =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&start));
    entries.map(|entry| entry.path()).find(is_step).ok_or_else(|| format!("there is no step {step}"))
}

/// What a student has made of an exercise, if it was started.
pub fn mine(step: u32, letter: char) -> Option<PathBuf> {
    Some(course().join("mine").join(format!("{step}{letter}"))).filter(|mine| mine.is_dir())
}

/// The name of the example with the `start` or the `solution` of an exercise.
pub(crate) fn example(step: u32, letter: char, word: &str) -> String {
    format!("step{step}-{word}-{letter}")
}

/// The exercise in `mine/` on which the student works.
fn changed_last(mine: &Path) -> Option<String> {
    let changed = |path: &Path| path.join("src/main.rs").metadata().and_then(|file| file.modified()).ok();
    let folders = fs::read_dir(mine).ok()?.flatten().map(|entry| entry.path());
    let newest = folders.max_by_key(|path| changed(path).unwrap_or(SystemTime::UNIX_EPOCH))?;
    Some(newest.file_name()?.to_string_lossy().into_owned())
}

/// The name of the package with this manifest, and so of its program.
fn package_name(manifest: &Path) -> Result<String, String> {
    let text = fs::read_to_string(manifest).map_err(|error| format!("{}: {error}", manifest.display()))?;
    let name = text.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    name.map(str::to_owned).ok_or_else(|| format!("{} has no name", manifest.display()))
}

/// Builds what these arguments of cargo name.
pub(crate) fn cargo_build(arguments: &[&str]) -> Result<(), String> {
    succeeds(cargo("build").args(arguments))
}

/// Cargo's `build` or `test`, into the folder in which this program lies, and so with its profile.
pub(crate) fn cargo(command: &str) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([command, "--quiet"]).current_dir(repository());
    cargo.arg("--target-dir").arg(target_folder());
    if profile_folder().ends_with("release") {
        cargo.arg("--release");
    }
    cargo
}

/// Builds a step in Go.
fn go_build(step: u32) -> Result<(), String> {
    if !installed("go") {
        return Err("there is no Go here; `make course` shows the recorded verdicts".to_owned());
    }
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(go_program(step)).arg(".").current_dir(folder(step)?.join("go"));
    succeeds(&mut go)
}

fn go_program(step: u32) -> PathBuf {
    target_folder().join(format!("course/go-{step}"))
}

fn succeeds(build: &mut Command) -> Result<(), String> {
    let status = build.status().map_err(|error| format!("{:?}: {error}", build.get_program()))?;
    status.success().then_some(()).ok_or_else(|| "it does not build".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_target_has_a_name() {
        assert_eq!(Target::named("2"), Some(Target::Step(2)));
        assert_eq!(Target::named("go-3"), Some(Target::Go(3)));
        assert_eq!(Target::named("2B"), Some(Target::Exercise(2, 'B', Version::Mine)));
        assert_eq!(Target::named("solution-4A"), Some(Target::Exercise(4, 'A', Version::Solution)));
        assert_eq!(Target::named("chat-server"), Some(Target::RealServer));
        for name in ["2", "go-3", "2B", "start-0A", "solution-4A", "chat-server"] {
            assert_eq!(Target::named(name).map(|target| target.name()), Some(name.to_owned()));
        }
        for wrong in ["", "B", "2b", "go-", "go-2B", "start-2", "-"] {
            assert_eq!(Target::named(wrong), None, "{wrong:?}");
        }
    }
}
