//! Reads what a program prints for `--help`.
//!
//! The text begins with a line that says what the program is, and one that begins with `Usage: `. Below them,
//! a line that begins with `--` after two spaces is a flag, and lines that begin far to the right go on with
//! its text. A line that ends with `:` is a heading, other lines after two spaces are commands, and all other
//! lines are notes.

use crate::output_of;
use std::{path::Path, process::Command};

/// All that a `--help` says.
pub(crate) struct Help {
    /// What the program is, without its name, without a capital and without a full stop.
    pub(crate) summary: String,
    /// How the program is called, beginning with its name.
    pub(crate) usage: String,
    /// The flags, in their groups.
    pub(crate) groups: Vec<Group>,
    /// What stands below the flags and commands, a paragraph in each.
    pub(crate) notes: Vec<String>,
}

/// Flags and commands below one heading.
pub(crate) struct Group {
    /// The heading, without its colon. The first group has none.
    pub(crate) heading: Option<String>,
    /// The flags.
    pub(crate) flags: Vec<Flag>,
    /// The commands, each with what it does.
    pub(crate) commands: Vec<String>,
}

/// One line of flags.
pub(crate) struct Flag {
    /// Its names, each with its two hyphens. A line such as `--help, --version` has two.
    pub(crate) names: Vec<String>,
    /// What the value is called, for a flag that takes one.
    pub(crate) value: Option<String>,
    /// What the flag does.
    pub(crate) text: String,
}

/// What a shell can offer behind a flag.
pub(crate) enum Candidates<'a> {
    /// The flag takes no value.
    NoValue,
    /// The value can be anything.
    Anything,
    /// The value is the name of a file.
    Files,
    /// The value is one of these words.
    Words(Vec<&'a str>),
}

impl Help {
    /// Runs the program with `--help` and reads what it prints.
    pub(crate) fn of(program: &Path) -> Result<Help, String> {
        let text = output_of(Command::new(program).arg("--help"))?;
        Help::read(&text).ok_or_else(|| format!("{} has a --help without a usage", program.display()))
    }

    fn read(text: &str) -> Option<Help> {
        let (summary, below) = text.split_once("\n\nUsage: ")?;
        let (usage, below) = below.split_once('\n')?;
        let program = usage.split(' ').next()?;
        let summary = summary.trim_start_matches(program).trim_start_matches(": ").trim_end_matches('.');
        let summary = summary[..1].to_lowercase() + &summary[1..];
        let mut help =
            Help { summary, usage: usage.to_owned(), groups: vec![Group::new(None)], notes: vec![] };
        let mut inside_note = false;
        for line in &joined(below) {
            inside_note &= !line.is_empty();
            if let Some(flag) = line.strip_prefix("  ").filter(|rest| rest.starts_with("--")) {
                help.groups.last_mut()?.flags.push(Flag::read(flag));
            } else if let Some(heading) = line.strip_suffix(':') {
                help.groups.push(Group::new(Some(heading.to_owned())));
            } else if let Some(command) = line.strip_prefix("  ") {
                help.groups.last_mut()?.commands.push(command.to_owned());
            } else if let (true, Some(note)) = (inside_note, help.notes.last_mut()) {
                *note += &format!(" {line}");
            } else if !line.is_empty() {
                help.notes.push(line.to_owned());
                inside_note = true;
            }
        }
        Some(help)
    }

    /// All flags of all groups.
    pub(crate) fn flags(&self) -> impl Iterator<Item = &Flag> {
        self.groups.iter().flat_map(|group| &group.flags)
    }
}

impl Group {
    fn new(heading: Option<String>) -> Group {
        Group { heading, flags: Vec::new(), commands: Vec::new() }
    }
}

/// The lines of a text, each with the lines that go on with it.
fn joined(text: &str) -> Vec<String> {
    const FAR_RIGHT: &str = "          ";
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        match lines.last_mut() {
            Some(last) if line.starts_with(FAR_RIGHT) => *last += &format!(" {}", line.trim_start()),
            _ => lines.push(line.to_owned()),
        }
    }
    lines
}

impl Flag {
    /// Reads a line from the first hyphen on.
    fn read(line: &str) -> Flag {
        let mut names = Vec::new();
        let mut rest = line;
        while rest.starts_with("--") {
            let end = rest.find(' ').unwrap_or(rest.len());
            names.push(rest[..end].trim_end_matches(',').to_owned());
            // Not all spaces: a value stands one space behind its flag, and a text mostly more of them.
            rest = rest[end..].strip_prefix(' ').unwrap_or_default();
        }
        let is_value = |word: &&str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b':')
        };
        let first = rest.split("  ").next().filter(is_value);
        let text = rest[first.map_or(0, str::len)..].trim().to_owned();
        // A text that ends with a default in brackets belongs to a flag that takes a value.
        let unnamed = text.ends_with(']').then_some("VALUE");
        Flag { names, value: first.or(unnamed).map(str::to_owned), text }
    }

    /// What can stand behind this flag.
    pub(crate) fn candidates(&self) -> Candidates<'_> {
        match self.value.as_deref() {
            None => Candidates::NoValue,
            Some("FILE") => Candidates::Files,
            Some(_) => self.words().map_or(Candidates::Anything, Candidates::Words),
        }
    }

    /// The words of a text that lists them, such as "auto, always or never [auto]".
    fn words(&self) -> Option<Vec<&str>> {
        let list = self.text.split(" [").next()?.rsplit(": ").next()?;
        let words: Vec<&str> = list.split(", ").flat_map(|words| words.split(" or ")).collect();
        let is_word = |word: &&str| word.bytes().all(|byte| byte.is_ascii_lowercase());
        (words.len() > 1 && words.iter().all(is_word)).then_some(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names, the value, the text, and the number of words to choose from.
    fn read(line: &str) -> (String, Option<String>, String, usize) {
        let flag = Flag::read(line);
        let words = match flag.candidates() {
            Candidates::Words(words) => words.len(),
            _ => 0,
        };
        (flag.names.join(" "), flag.value, flag.text, words)
    }

    #[test]
    fn a_line_is_names_a_value_and_a_text() {
        let color = "auto, always or never [auto: on a terminal, unless $NO_COLOR is set]";
        let bell = "ring on a terminal for: off, mention, all [mention]";
        for (names, value, text, words) in [
            ("--stay              ", None, "stay here", 0),
            ("--server ", Some("HOST:PORT"), "where it is", 0),
            ("--color ", Some("WHEN"), color, 3),
            ("--bell ", Some("MODE"), bell, 3),
            ("--help, --version", None, "", 0),
            ("--help, --version   ", None, "print this, or the version", 0),
        ] {
            let line = format!("{names}{}  {text}", value.unwrap_or_default());
            let names = names.trim().replace(',', "");
            assert_eq!(
                read(line.trim()),
                (names, value.map(str::to_owned), text.to_owned(), words),
                "{line}"
            );
        }
    }

    #[test]
    fn a_flag_with_a_default_in_brackets_takes_a_value() {
        for (names, text) in [
            ("--ping-after          ", "A call that is old. [5s]"),
            ("--max-unjoined-per-address", "An address. [16]"),
        ] {
            let expected = (names.trim().to_owned(), Some("VALUE".to_owned()), text.to_owned(), 0);
            assert_eq!(read(&format!("{names} {text}")), expected);
        }
    }

    #[test]
    fn a_help_is_a_summary_a_usage_groups_of_flags_and_commands_and_notes() {
        let text = "one: a room\n\nUsage: one [FLAGS]\n\n  --a FILE  a\n            goes on\n  --b  b\n\n\
                    Limits:\n  --c  c [1]\n\nCommands:\n  /who  lists\n\nA note\ngoes on.\n\nAnother.";
        let help = Help::read(text).unwrap();
        assert_eq!((help.summary.as_str(), help.usage.as_str()), ("a room", "one [FLAGS]"));
        let groups: Vec<_> =
            help.groups.iter().map(|group| (group.heading.as_deref(), group.flags.len())).collect();
        assert_eq!(groups, [(None, 2), (Some("Limits"), 1), (Some("Commands"), 0)]);
        assert_eq!(help.groups[0].flags[0].text, "a goes on");
        assert_eq!(help.groups[2].commands, ["/who  lists"]);
        assert_eq!(help.notes, ["A note goes on.", "Another."]);
        assert_eq!(Help::read("Joins a room.\n\nUsage: two\n").unwrap().summary, "joins a room");
    }
}
