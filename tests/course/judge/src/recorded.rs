//! The verdicts on the servers in Go, recorded for those who have no Go.

use crate::{target::course, verdicts::VERDICTS};
use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

/// What was recorded.
#[derive(Debug)]
pub struct Recorded {
    /// When, and with which Go.
    pub head: String,
    /// By the names of the server and of the verdict, with a space between them.
    verdicts: BTreeMap<String, Result<(), String>>,
}

/// The first line says when. Each other line is a server, a verdict, and `ok` or a sentence.
fn file() -> PathBuf {
    course().join("go/recorded/verdicts.txt")
}

impl Recorded {
    /// Reads what was recorded. A file that is not there is empty.
    pub fn read() -> Recorded {
        let text = fs::read_to_string(file()).unwrap_or_default();
        let mut lines = text.lines();
        let head = lines.next().unwrap_or("never recorded").to_owned();
        let verdict = |text: &str| if text == "ok" { Ok(()) } else { Err(text.to_owned()) };
        let verdicts = lines.filter_map(|line| line.split_once(": "));
        Recorded { head, verdicts: verdicts.map(|(key, text)| (key.to_owned(), verdict(text))).collect() }
    }

    /// The verdicts on this server, as many as it is asked, as they stand in the table.
    pub fn cells(&self, server: &str, count: usize) -> Vec<String> {
        let cell = |name: &str| match self.verdicts.get(&format!("{server} {name}")) {
            Some(Ok(())) => "[ok]",
            Some(Err(_)) => "[red]",
            None => "[unknown]",
        };
        VERDICTS.iter().take(count).map(|verdict| cell(verdict.name).to_owned()).collect()
    }
}

/// Records these lines, with today's date.
pub fn write(lines: &[String]) {
    let output = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output();
        output.map_or_else(
            |_| String::new(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
    };
    let (date, go) = (output("date", "+%Y-%m-%d"), output("go", "version"));
    let text = format!("recorded on {date} with {go}\n{}\n", lines.join("\n"));
    if let Err(error) = fs::write(file(), text) {
        println!("{}: {error}", file().display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        matrix::MATRIX,
        target::{folder, Target},
    };

    #[test]
    fn the_recorded_verdicts_on_go_are_as_the_pages_say() {
        let recorded = Recorded::read();
        for (server, row) in MATRIX {
            let Some(Target::Go(step)) = Target::named(server) else { continue };
            for (verdict, expected) in VERDICTS.iter().zip(*row).filter(|_| folder(step).is_ok()) {
                let key = format!("{server} {}", verdict.name);
                let verdict = recorded.verdicts.get(&key).unwrap_or_else(|| panic!("{key} is not recorded"));
                assert!(expected.fits(verdict), "{key}: {verdict:?}");
            }
        }
    }
}
