//! What the verdicts on each server of the course must be, as its page says it.
//!
//! A server is asked as many verdicts as its row has, in the order of [`VERDICTS`]. A red verdict must have
//! its own reason, a sentence with certain words. So a step that is red because it does not start is wrong.

#[cfg(doc)]
use crate::verdicts::VERDICTS;
use std::fmt;
use Expected::{Any, Green, Red};

/// What one verdict must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Not convicted.
    Green,
    /// Convicted with a sentence that has these words in this order.
    Red(&'static [&'static str]),
    /// Convicted or not: the page says nothing about it, or the scheduler decides it. A start of the second
    /// lesson is the step or nearly so, and is asked for its own fault alone.
    Any,
}

/// Why a server is convicted.
const OUT_OF_ORDER: Expected = Red(&[" received sequence ", " after sequence "]);
const FROZEN: Expected = Red(&["bob never received sequence "]);
const GROWS: Expected = Red(&["cid has stopped, and the server holds ", " MiB "]);

const GHOST: Expected = Red(&["is a ghost: he hears ann, and nobody serves his calls"]);
/// The exit code of a program in Go that panics is 2.
const PROCESS_ENDED: Expected = Red(&["dan says \"*\", and the server ended with ", "2"]);
const ROOM_DEAD: Expected = Red(&["and the process lives, and the room is dead: "]);
const HELD_BY_STRANGER: Expected = Red(&["a peer who has not joined sends a byte at a time, and "]);
const IMPATIENT: Expected = Red(&["ann has said nothing for a while, and the connection is lost: "]);

const LOST_AT_STOP: Expected = FROZEN;
const NEVER_ENDS: Expected = Red(&["after SIGTERM ", "the server does not end"]);
const SAID_TWICE: Expected = Red(&["bob heard ", " twice"]);
const NEVER_HEARD: Expected = Red(&["bob never heard "]);

/// The rows, by the name of the [target](crate::target). Of an exercise, the verdicts count that its page
/// names.
pub const MATRIX: &[(&str, &[Expected])] = &[
    ("0", &[Green, FROZEN, FROZEN]),
    ("go-0", &[Green, FROZEN, FROZEN]),
    ("1", &[OUT_OF_ORDER, Green, GROWS]),
    ("go-1", &[OUT_OF_ORDER, Green, GROWS]),
    ("2", &[Green, FROZEN, FROZEN]),
    ("go-2", &[Green, FROZEN, FROZEN]),
    ("3", &[Green, Green, GROWS]),
    // A channel of Go has a bound, and so everybody waits when one is full.
    ("go-3", &[Green, FROZEN, FROZEN]),
    ("4", &[Green, Green, Green]),
    ("go-4", &[Green, Green, Green]),
    ("5", &[Green, Green, Green, GHOST]),
    // A panic of a goroutine ends all goroutines.
    ("go-5", &[Green, Green, Green, PROCESS_ENDED]),
    ("6", &[Green, Green, Green, Green, HELD_BY_STRANGER]),
    // A deadline of Go is for all that follows.
    ("go-6", &[Green; 5]),
    ("7", &[Green, Green, Green, Green, Green, LOST_AT_STOP]),
    ("go-7", &[Green, Green, Green, Green, Green, LOST_AT_STOP]),
    ("8", &[Green; 7]),
    ("go-8", &[Green; 7]),
    ("start-0A", &[Any, FROZEN]),
    ("solution-0A", &[Any, Green]),
    ("start-0B", &[Any, FROZEN]),
    ("solution-0B", &[Any, Green]),
    ("start-1A", &[OUT_OF_ORDER, Green]),
    ("solution-1A", &[Green, Green]),
    ("start-1B", &[OUT_OF_ORDER, Green]),
    ("solution-1B", &[Green, Green]),
    ("start-2A", &[Any, FROZEN]),
    ("solution-2A", &[Any, Green]),
    ("start-2B", &[Green, FROZEN]),
    ("solution-2B", &[Green, Green]),
    ("start-3A", &[Green, Green, GROWS]),
    ("solution-3A", &[Green, Green, Green]),
    ("start-3B", &[Green, FROZEN]),
    ("solution-3B", &[Green, Green, Green]),
    ("start-4A", &[Green, FROZEN]),
    ("solution-4A", &[Green, Green, Green]),
    ("start-4B", &[Green, Green, GROWS]),
    ("solution-4B", &[Green, Green, Green]),
    ("start-5A", &[Any, Any, Any, GHOST]),
    ("solution-5A", &[Green, Green, Green, Green]),
    ("start-5B", &[Any, Any, Any, ROOM_DEAD]),
    ("solution-5B", &[Green, Green, Green, Green]),
    ("start-6A", &[Any, Any, Any, Any, HELD_BY_STRANGER]),
    ("solution-6A", &[Green; 5]),
    ("start-6B", &[Any, Any, Any, Any, IMPATIENT]),
    ("solution-6B", &[Green; 5]),
    ("start-7A", &[Any, Any, Any, Any, Any, NEVER_ENDS]),
    ("solution-7A", &[Green; 6]),
    ("start-7B", &[Any, Any, Any, Any, Any, LOST_AT_STOP]),
    ("solution-7B", &[Green; 6]),
    ("start-8A", &[Any, Any, Any, Any, Any, Any, SAID_TWICE]),
    ("solution-8A", &[Green; 7]),
    ("start-8B", &[Any, Any, Any, Any, Any, Any, NEVER_HEARD]),
    ("solution-8B", &[Green; 7]),
    ("chat-server", &[Green; 7]),
];

/// The row of a program that has no page: all that the real server is asked.
pub const ALL_GREEN: &[Expected] = &[Green; 7];

/// The row of the target of this name. A student's exercise must become as its solution is.
pub fn row(name: &str) -> Option<&'static [Expected]> {
    let solution = format!("solution-{name}");
    MATRIX.iter().find(|(other, _)| *other == name || *other == solution).map(|(_, row)| *row)
}

impl Expected {
    /// Whether a verdict is as it must be.
    pub fn fits(self, verdict: &Result<(), String>) -> bool {
        match (self, verdict) {
            (Any, _) | (Green, Ok(())) => true,
            (Red(words), Err(sentence)) => {
                let mut rest = sentence.as_str();
                words.iter().all(|word| rest.split_once(word).map(|(_, after)| rest = after).is_some())
            }
            (Green, Err(_)) | (Red(_), Ok(())) => false,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Green => f.write_str("ok"),
            Red(words) => write!(f, "{} ...", words.join("...")),
            Any => f.write_str("ok or not"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        target::{course, folder, Target},
        verdicts::VERDICTS,
    };
    use std::fs;

    #[test]
    fn each_row_names_a_target_and_no_more_verdicts_than_there_are() {
        for (name, row) in MATRIX {
            assert!(Target::named(name).is_some(), "{name}");
            assert!(row.len() <= VERDICTS.len(), "{name}");
        }
    }

    #[test]
    fn a_server_that_is_red_for_another_reason_does_not_fit() {
        let frozen = Err("bob never received sequence 5, Message".to_owned());
        let other = Err("ann cannot join: the connection is lost".to_owned());
        assert!(FROZEN.fits(&frozen) && !FROZEN.fits(&other) && !FROZEN.fits(&Ok(())));
        assert!(Green.fits(&Ok(())) && !Green.fits(&frozen));
        assert!(Any.fits(&Ok(())) && Any.fits(&other));
        assert!(!OUT_OF_ORDER.fits(&Err("x after sequence 5 received sequence 7".to_owned())));
    }

    #[test]
    fn the_table_of_the_course_has_these_verdicts() {
        let page = fs::read_to_string(course().join("README.md")).unwrap();
        let (mut found, mut columns) = (0, Vec::new());
        for line in page.lines().filter(|line| line.starts_with("| ")) {
            let cells: Vec<&str> = line.trim_matches(['|', ' ']).split(" | ").collect();
            if cells[0] == "step" {
                columns = cells[2..].to_vec();
            }
            let name = match cells[0].strip_suffix(" in Go") {
                Some(step) => format!("go-{step}"),
                None => cells[0].trim_start_matches('[').split(']').next().unwrap().to_owned(),
            };
            let Some(row) = row(&name).filter(|_| cells.len() == 2 + columns.len()) else { continue };
            let said = columns.iter().map(|column| {
                let verdict = VERDICTS.iter().position(|verdict| verdict.name == *column);
                let verdict = verdict.unwrap_or_else(|| panic!("there is no verdict {column:?}"));
                row.get(verdict).map_or("-", |expected| if *expected == Green { "ok" } else { "red" })
            });
            assert_eq!(cells[2..], said.collect::<Vec<_>>(), "step {name}");
            found += 1;
        }
        assert!(found > 5, "the page has only {found} rows");
    }

    #[test]
    fn the_page_of_a_step_shows_verdicts_on_it_in_rust_or_in_go() {
        for (name, row) in MATRIX {
            let Some(Target::Step(step)) = Target::named(name) else { continue };
            let Ok(folder) = folder(step) else { continue };
            let page = fs::read_to_string(folder.join("README.md")).unwrap();
            let in_go = super::row(&format!("go-{name}")).unwrap();
            for ((verdict, in_rust), in_go) in VERDICTS.iter().zip(*row).zip(in_go) {
                let start = format!("{}: ", verdict.name);
                for said in page.lines().filter_map(|line| line.strip_prefix(&start)) {
                    let said = if said == "ok" { Ok(()) } else { Err(said.to_owned()) };
                    let fits = in_rust.fits(&said) || in_go.fits(&said);
                    assert!(fits, "the page of step {step}: {start}{said:?}");
                }
            }
        }
    }
}
