//! The verdicts on all servers of the course, each compared with its row of the [matrix](crate::matrix).

use crate::{
    matrix::{row, Expected, MATRIX},
    picture,
    target::{course, folder, Target},
    trace,
    verdicts::{Verdict, VERDICTS},
    way,
};
use chat_tests::process::{installed, target_folder};
use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
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

/// Judges the server that this command starts, and prints each verdict. It is asked as many verdicts as there
/// are in `expected`.
///
/// # Blocking
/// Until the last verdict.
pub fn judge(command: &mut Command, expected: &[Expected], rounds: usize) -> Vec<Judged> {
    let verdicts = VERDICTS.iter().zip(expected);
    let judged = verdicts.map(|(verdict, expected)| {
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

/// Judges all servers of the course, or only those with these names, and prints the table. Returns whether
/// all are as their pages say.
///
/// # Blocking
/// On the compilers, and until the last verdict.
pub fn judge_all(rounds: usize, names: &[&str], record: bool) -> bool {
    let go = installed("go");
    let (recorded, mut to_record) = (Recorded::read(), Vec::new());
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for (name, expected) in MATRIX {
        let Some(target) = Target::named(name) else { continue };
        let is_wanted = names.is_empty() || names.contains(name);
        if !is_wanted || target.step().is_some_and(|step| folder(step).is_err()) {
            continue;
        }
        if matches!(target, Target::Go(_)) && !go {
            let cells = VERDICTS.iter().map(|verdict| recorded.cell(name, verdict.name));
            rows.push(((*name).to_owned(), cells.take(expected.len()).collect()));
            continue;
        }
        println!("\n== {name}");
        match target.build() {
            Err(why) => {
                println!("{why}");
                wrong.push(format!("{name}: {why}"));
            }
            Ok(mut command) => {
                let judged = judge(&mut command, expected, rounds);
                rows.push((
                    (*name).to_owned(),
                    judged.iter().map(|judged| cell(&judged.result).to_owned()).collect(),
                ));
                for judged in &judged {
                    if rounds > 1 {
                        println!("  {}", figures(judged));
                    }
                    if judged.wrong > 0 {
                        wrong.push(format!("{name}: {}", complaint(judged)));
                    }
                    if matches!(target, Target::Go(_)) {
                        to_record.push(format!("{name} {}: {}", judged.verdict, text(&judged.result)));
                    }
                }
            }
        }
    }
    print_table(&rows, (!go).then_some(recorded.head.as_str()));
    if record && wrong.is_empty() && go {
        Recorded::write(&to_record);
    }
    wrong.iter().for_each(|wrong| println!("NOT as its page says: {wrong}"));
    if wrong.is_empty() {
        println!("All are as their pages say.");
    }
    wrong.is_empty()
}

/// What is wrong with a verdict.
pub fn complaint(judged: &Judged) -> String {
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

fn print_table(rows: &[(String, Vec<String>)], recorded: Option<&str>) {
    print!("\n{:14}", "");
    VERDICTS.iter().for_each(|verdict| print!("{:14}", verdict.name));
    println!();
    for (name, cells) in rows {
        let name = name.strip_prefix("go-").map_or(name.clone(), |step| format!("{step} in Go"));
        print!("{name:14}");
        cells.iter().for_each(|cell| print!("{cell:14}"));
        println!();
    }
    if let Some(head) = recorded {
        println!("There is no Go here. What stands in brackets was {head}.");
    }
    println!();
}

/// The numbers of the steps that exist.
fn steps() -> impl Iterator<Item = u32> {
    (0..).take_while(|step| folder(*step).is_ok())
}

/// Draws a message's way through a step: lets it happen, with a trace, and draws what the trace shows.
///
/// # Errors
/// When the step does not build, or when nobody can join or speak.
fn picture_of(step: u32) -> Result<String, String> {
    let traces = target_folder().join("course");
    fs::create_dir_all(&traces).map_err(|error| format!("{}: {error}", traces.display()))?;
    let file = traces.join(format!("way-{step}.json"));
    trace::record(&Target::Step(step).build()?, &file)?;
    let way = way::find(&trace::read(&file)?)?;
    Ok(picture::draw(&format!("Step {step}: the way of a message"), &way))
}

/// Draws the pictures of all steps, and returns the steps whose pages have another one.
///
/// # Errors
/// As [`picture_of`].
pub fn old_pictures() -> Result<Vec<u32>, String> {
    let mut old = Vec::new();
    for step in steps() {
        let kept = fs::read_to_string(folder(step)?.join(PICTURE)).unwrap_or_default();
        if picture_of(step)? != kept {
            old.push(step);
        }
    }
    Ok(old)
}

/// Draws the pictures of all steps again, into their folders.
///
/// # Errors
/// As [`picture_of`], and when a picture cannot be written.
pub fn draw_all() -> Result<(), String> {
    steps().try_for_each(|step| {
        let file = folder(step)?.join(PICTURE);
        fs::write(&file, picture_of(step)?).map_err(|error| format!("{}: {error}", file.display()))
    })
}

/// The file of a step's picture.
const PICTURE: &str = "way.svg";

/// The verdicts on the servers in Go, for those who have no Go.
struct Recorded {
    /// When they were recorded, and with which Go.
    head: String,
    /// By the names of the target and of the verdict, with a space between them.
    verdicts: BTreeMap<String, String>,
}

impl Recorded {
    fn path() -> PathBuf {
        course().join("go/recorded/verdicts.txt")
    }

    fn read() -> Recorded {
        let text = fs::read_to_string(Recorded::path()).unwrap_or_default();
        let mut lines = text.lines();
        let head = lines.next().unwrap_or("recorded never").to_owned();
        let verdicts = lines.filter_map(|line| line.split_once(": "));
        Recorded { head, verdicts: verdicts.map(|(key, text)| (key.to_owned(), text.to_owned())).collect() }
    }

    fn cell(&self, target: &str, verdict: &str) -> String {
        match self.verdicts.get(&format!("{target} {verdict}")).map(String::as_str) {
            Some("ok") => "[ok]".to_owned(),
            Some(_) => "[red]".to_owned(),
            None => "[unknown]".to_owned(),
        }
    }

    fn write(lines: &[String]) {
        let output = |program: &str, argument: &str| {
            let output = Command::new(program).arg(argument).output();
            output.map_or_else(
                |_| String::new(),
                |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            )
        };
        let (date, go) = (output("date", "+%Y-%m-%d"), output("go", "version"));
        let text = format!("recorded on {date} with {go}\n{}\n", lines.join("\n"));
        if let Err(error) = fs::write(Recorded::path(), text) {
            println!("{}: {error}", Recorded::path().display());
        }
    }
}

/// The row of a target: that of the [matrix](crate::matrix), or all that step 4 is asked.
pub fn expected(name: &str) -> &'static [Expected] {
    row(name).unwrap_or(&[Expected::Green; 3])
}
