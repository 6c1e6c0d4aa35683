//! The flags of a program as a table. Its parser, `--help`, man page, completions and the table of its README
//! are made from it, so each flag is written down once. No I/O, for any thread.

use crate::text::units::{parse_time, show_time, TIME_FORM};
use std::{ops::RangeInclusive, time::Duration};

/// How wide a line of `--help` may be, in characters: as wide as a usual terminal.
const HELP_WIDTH: usize = 80;
/// The topic of [`Program::commands`].
const COMMANDS: &str = "commands";

/// A program, and what can stand in its command line. The flags change an `S`.
pub struct Program<S: 'static> {
    /// The name of the program.
    pub name: &'static str,
    /// What the program does: a sentence without its full stop.
    pub summary: &'static str,
    /// The optional parts of the program.
    pub features: &'static [&'static Feature],
    /// All flags. `--help` shows those without a topic.
    pub flags: Vec<Flag<S>>,
    /// The commands that people type while the program runs, each with what it does.
    pub commands: Vec<(&'static str, &'static str)>,
    /// What else people should know: lines that stand below the commands.
    pub notes: &'static [&'static str],
    /// Returns the error for an argument: what is wrong, and with which flag.
    pub misuse: fn(Misuse, &str) -> String,
}

/// What is wrong with an argument.
#[derive(Clone, Copy, Debug)]
pub enum Misuse {
    /// There is no such flag.
    Unknown,
    /// There is no such flag, and a value follows it.
    UnknownWithValue,
    /// The flag needs a value.
    NoValue,
    /// The flag takes no value.
    Value,
}

/// An optional part of a program.
pub struct Feature {
    /// Its name, for cargo.
    pub name: &'static str,
    /// Whether it is in this build.
    pub built: bool,
    /// What a build without it says of a flag, behind its name and before `how_to_build`.
    pub missing: &'static str,
    /// The line that builds the program with it.
    pub how_to_build: &'static str,
}

/// What the arguments ask for.
pub enum Arguments {
    /// To run, with these flags.
    Run(Vec<String>),
    /// To print this text, which ends with a line end.
    Print(String),
}

/// A flag.
pub struct Flag<S> {
    /// The flag and its value, as in `--stay`, `--log FILE`, `--bell off|mention|all`, `--help [commands]`.
    pub form: String,
    /// What the flag does: a sentence without its capital and its full stop.
    pub text: String,
    /// What holds without the flag, or nothing.
    default: String,
    /// The environment variable that takes the place of the flag.
    variable: Option<&'static str>,
    feature: Option<&'static Feature>,
    /// Where `--help TOPIC` shows the flag. `--help` shows those without a topic.
    pub topic: Option<&'static str>,
    set: Setter<S>,
}

type Setter<S> = fn(&mut S, Given<'_>) -> Result<(), String>;

impl<S> Flag<S> {
    /// Returns a flag. `set` does what it says.
    pub fn new(form: &str, set: Setter<S>) -> Flag<S> {
        let (form, default) = (form.to_owned(), String::new());
        Flag { form, text: String::new(), default, variable: None, feature: None, topic: None, set }
    }

    /// Returns the flags that every program has, and for which [`Program::read`] prints something: `--help`
    /// with its topics and what it does, and `--version`.
    pub fn of_every_program(topics: &str, help: &'static str) -> [Flag<S>; 2] {
        let flag = |form: &str, text| Flag::new(form, |_, _| Ok(())).does(text);
        [flag(&format!("--help [{topics}]"), help), flag("--version", "print the version")]
    }

    /// Sets what the flag does: a sentence without its capital and its full stop.
    pub fn does(self, text: impl Into<String>) -> Flag<S> {
        Flag { text: text.into(), ..self }
    }

    /// Sets what holds without the flag.
    pub fn default(self, default: impl Into<String>) -> Flag<S> {
        Flag { default: default.into(), ..self }
    }

    /// Sets the environment variable that takes the place of the flag.
    pub fn variable(self, variable: &'static str) -> Flag<S> {
        Flag { variable: Some(variable), ..self }
    }

    /// Sets the feature that the flag needs.
    pub fn feature(self, feature: &'static Feature) -> Flag<S> {
        Flag { feature: Some(feature), ..self }
    }

    /// Sets the topic.
    pub fn topic(self, topic: &'static str) -> Flag<S> {
        Flag { topic: Some(topic), ..self }
    }

    /// Returns the name, with its two dashes.
    pub fn name(&self) -> &str {
        self.form.split(' ').next().unwrap_or_default()
    }

    /// Returns the word for the value, such as `FILE` or `off|mention|all`. It is in brackets if the flag can
    /// stand alone, and empty if the flag takes no value.
    pub fn value(&self) -> &str {
        self.form[self.name().len()..].trim_start()
    }

    /// Returns the words that the value can be. There are none if it can be something else.
    pub fn choices(&self) -> Vec<&str> {
        let words = self.value().trim_matches(['[', ']']).split('|');
        words.filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase())).collect()
    }

    /// Returns what holds without the flag, as in `$CHAT_SERVER, or 127.0.0.1:1234`. It can be empty.
    pub fn otherwise(&self) -> String {
        match (self.variable, self.default.as_str()) {
            (None, default) => default.to_owned(),
            (Some(variable), "") => format!("${variable}"),
            (Some(variable), default) => format!("${variable}, or {default}"),
        }
    }

    /// Does what the flag says. `name` is the flag or its variable.
    fn apply(&self, state: &mut S, name: &str, text: &str) -> Result<(), String> {
        if let Some(feature) = self.feature.filter(|feature| !feature.built) {
            return Err(format!("{name} {}: {}", feature.missing, feature.how_to_build));
        }
        let choices = self.choices();
        match choices.split_last() {
            Some((last, others)) if !choices.contains(&text) => {
                Err(format!("{name} is {} or {last}, not {text:?}", others.join(", ")))
            }
            _ => (self.set)(state, Given { name, text, choices }),
        }
    }
}

/// A flag that was given, with its value.
pub struct Given<'a> {
    name: &'a str,
    text: &'a str,
    choices: Vec<&'a str>,
}

impl Given<'_> {
    /// Returns whether the value comes from the environment variable.
    pub fn is_variable(&self) -> bool {
        self.name.starts_with('$')
    }

    /// Puts the value into its place, as it is.
    ///
    /// # Errors
    /// None. The type is that of a flag's function, and so are those below.
    pub fn text<T: From<String>>(self, place: &mut Option<T>) -> Result<(), String> {
        self.read(place, |text| Ok(T::from(text.to_owned())))
    }

    /// Puts what `read` makes of the value into its place.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn read<T, P: From<T>>(
        self,
        place: &mut P,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<(), String> {
        *place = read(self.text)?.into();
        Ok(())
    }

    /// Puts the value into its place.
    ///
    /// # Errors
    /// Says what the flag takes, if the value is malformed.
    pub fn value<T: Value>(self, place: &mut T) -> Result<(), String> {
        let wrong = || format!("{} takes {}, not {:?}", self.name, T::FORM, self.text);
        *place = T::parse(self.text).ok_or_else(wrong)?;
        Ok(())
    }

    /// Puts the value into its place, if it is in the range.
    ///
    /// # Errors
    /// Says what the flag takes, if the value is malformed or out of range.
    pub fn within<T: Value + PartialOrd>(
        self,
        place: &mut T,
        range: RangeInclusive<T>,
    ) -> Result<(), String> {
        let (least, most) = (range.start().show(), range.end().show());
        let wrong = format!("{} takes {least} to {most}, not {:?}", self.name, self.text);
        self.value(place)?;
        range.contains(place).then_some(()).ok_or(wrong)
    }

    /// Puts one of these values into its place: the first one for the first of the words, and so on.
    ///
    /// # Errors
    /// None.
    pub fn choose<T: Copy, const N: usize>(self, place: &mut T, values: [T; N]) -> Result<(), String> {
        let index = self.choices.iter().position(|word| *word == self.text);
        self.put(place, values[index.expect("each value of such a flag is one of the words")])
    }

    /// Puts `value` into its place, for a flag that stands alone.
    ///
    /// # Errors
    /// None.
    pub fn put<T>(self, place: &mut T, value: T) -> Result<(), String> {
        *place = value;
        Ok(())
    }
}

/// A type of values that people write.
pub trait Value: Sized {
    /// The word for it, as in `--wait TIME`.
    const WORD: &'static str;
    /// What a value looks like, for error messages.
    const FORM: &'static str;

    /// Reads a value. Returns `None` for anything that does not look like one.
    fn parse(text: &str) -> Option<Self>;

    /// Writes the value, so that `parse` reads it again.
    fn show(&self) -> String;
}

impl Value for usize {
    const WORD: &'static str = "N";
    const FORM: &'static str = "a whole number";

    fn parse(text: &str) -> Option<usize> {
        text.parse().ok()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for Duration {
    const WORD: &'static str = "TIME";
    const FORM: &'static str = TIME_FORM;

    fn parse(text: &str) -> Option<Duration> {
        parse_time(text)
    }

    fn show(&self) -> String {
        show_time(*self)
    }
}

impl<S> Program<S> {
    /// Reads the arguments, without the program's name, and the environment variables of flags that are not
    /// among them. An empty variable counts as none.
    ///
    /// # Errors
    /// One line for people that says which argument is wrong.
    pub fn read(
        &self,
        arguments: impl IntoIterator<Item = String>,
        variable: &dyn Fn(&str) -> Option<String>,
        state: &mut S,
    ) -> Result<Arguments, String> {
        let (mut arguments, mut given) = (arguments.into_iter(), Vec::new());
        while let Some(argument) = arguments.next() {
            let (name, attached) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (argument.as_str(), None),
            };
            match name {
                "--help" | "-h" => {
                    let topic = attached.or_else(|| arguments.next()).unwrap_or_default();
                    return Ok(Arguments::Print(self.help(&topic)));
                }
                "--version" | "-V" => return Ok(Arguments::Print(self.version())),
                _ => {}
            }
            let misuse = |misuse| (self.misuse)(misuse, name);
            let unknown = if attached.is_some() { Misuse::UnknownWithValue } else { Misuse::Unknown };
            let flag = self.flags.iter().find(|flag| flag.name() == name).ok_or_else(|| misuse(unknown))?;
            let text = match (flag.value(), attached) {
                ("", Some(_)) => return Err(misuse(Misuse::Value)),
                ("", None) => String::new(),
                (_, attached) => {
                    attached.or_else(|| arguments.next()).ok_or_else(|| misuse(Misuse::NoValue))?
                }
            };
            flag.apply(state, name, &text)?;
            given.push(name.to_owned());
        }
        for flag in self.flags.iter().filter(|flag| !given.iter().any(|name| name == flag.name())) {
            let Some(name) = flag.variable else { continue };
            if let Some(text) = variable(name).filter(|text| !text.is_empty()) {
                flag.apply(state, &format!("${name}"), &text)?;
            }
        }
        Ok(Arguments::Run(given))
    }

    /// Returns the output of `--version`.
    fn version(&self) -> String {
        let built: Vec<&str> =
            self.features.iter().filter(|feature| feature.built).map(|feature| feature.name).collect();
        let features = if built.is_empty() { String::new() } else { format!(" ({})", built.join(", ")) };
        format!("{} {}{features}\n", self.name, env!("CARGO_PKG_VERSION"))
    }

    /// Returns the output of `--help TOPIC`. For anything that is not a topic, it is that of `--help`.
    fn help(&self, topic: &str) -> String {
        if topic == COMMANDS {
            let notes: String = self.notes.iter().map(|note| format!("{note}\n")).collect();
            return format!("{}\n{notes}", in_columns("", &self.commands));
        }
        let topic = self.flags.iter().find_map(|flag| flag.topic.filter(|word| *word == topic));
        let flags = self.flags.iter().filter(|flag| flag.topic == topic);
        let rows: Vec<(&str, String)> = flags
            .map(|flag| match flag.otherwise() {
                otherwise if otherwise.is_empty() => (flag.form.as_str(), flag.text.clone()),
                otherwise => (flag.form.as_str(), format!("{} [{otherwise}]", flag.text)),
            })
            .collect();
        format!("{}. Usage: {} [FLAGS]\n{}", self.summary, self.name, in_columns("  ", &rows))
    }
}

/// Writes rows of two columns behind an indent. The second column is wrapped between words.
pub fn in_columns(indent: &str, rows: &[(&str, impl AsRef<str>)]) -> String {
    let column = rows.iter().map(|(left, _)| indent.len() + left.len() + 2).max().unwrap_or_default();
    let mut text = String::new();
    for (left, right) in rows {
        let mut line = format!("{:column$}", format!("{indent}{left}"));
        for word in right.as_ref().split(' ') {
            if line.len() + word.len() > HELP_WIDTH {
                text += &format!("{}\n", line.trim_end());
                line = " ".repeat(column);
            }
            line += &format!("{word} ");
        }
        text += &format!("{}\n", line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const MISSING: Feature =
        Feature { name: "extra", built: false, missing: "needs extra", how_to_build: "build it" };

    /// The word, the mode and the switch of the program below.
    type State = (Option<String>, usize, bool);

    fn program() -> Program<State> {
        let flag = Flag::<State>::new;
        Program {
            name: "one",
            summary: "Does one thing",
            features: &[&MISSING],
            flags: vec![
                flag("--word WORD", |to, v| v.text(&mut to.0)).does("a word").variable("ONE_WORD"),
                flag("--mode low|high", |to, v| v.choose(&mut to.1, [1, 9])).does("a mode").default("low"),
                flag("--on", |to, v| v.put(&mut to.2, true)).does("a switch").topic("more"),
                flag("--extra FILE", |to, v| v.text(&mut to.0)).variable("ONE_EXTRA").feature(&MISSING),
            ],
            commands: vec![("/go", "goes")],
            notes: &["A note."],
            misuse: |misuse, flag| format!("{misuse:?} {flag}"),
        }
    }

    /// Reads a line where `$name` is set. Returns the state, or the text to print.
    fn read(line: &str, name: &str) -> Result<Result<State, String>, String> {
        let variable = |asked: &str| (asked == name).then(|| "there".to_owned());
        let mut state = (None, 0, false);
        let arguments = line.split_whitespace().map(str::to_owned);
        Ok(match program().read(arguments, &variable, &mut state)? {
            Arguments::Run(_) => Ok(state),
            Arguments::Print(text) => Err(text),
        })
    }

    #[test]
    fn a_value_stands_behind_a_space_or_an_equals_sign_and_the_last_one_counts() {
        let state = Ok(Ok((Some("b".to_owned()), 9, true)));
        assert_eq!(read("--word a --mode=low --on --word=b --mode high", ""), state);
        assert_eq!(read("", "ONE_WORD"), Ok(Ok((Some("there".to_owned()), 0, false))));
        assert_eq!(read("--word a", "ONE_WORD"), Ok(Ok((Some("a".to_owned()), 0, false))));
    }

    #[test]
    fn each_misuse_names_its_flag_and_a_missing_feature_says_how_to_build_it() {
        for (line, variable, error) in [
            ("--other", "", "Unknown --other"),
            ("--other=1", "", "UnknownWithValue --other"),
            ("--word", "", "NoValue --word"),
            ("--on=1", "", "Value --on"),
            ("--mode mid", "", "--mode is low or high, not \"mid\""),
            ("--extra f", "", "--extra needs extra: build it"),
            ("", "ONE_EXTRA", "$ONE_EXTRA needs extra: build it"),
        ] {
            assert_eq!(read(line, variable), Err(error.to_owned()), "{line}");
        }
    }

    #[test]
    fn the_help_shows_the_flags_without_a_topic_and_each_topic_its_own() {
        let printed = |line| read(line, "").unwrap().unwrap_err();
        let help = printed("--help");
        assert!(help.contains("  --word WORD      a word [$ONE_WORD]\n"), "{help}");
        assert!(help.contains("a mode [low]\n") && !help.contains("--on"), "{help}");
        assert!(printed("--help more").ends_with("\n  --on  a switch\n"));
        assert_eq!(printed("--help=commands"), "/go  goes\n\nA note.\n");
        assert_eq!(printed("--help nonsense"), help);
    }
}
