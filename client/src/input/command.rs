//! Parses a typed line into a command. No I/O.

use crate::{
    events::{Input, Utterance},
    input::shown::TerminalEvent,
    settings::{Bell, DEFAULT_HISTORY},
};
use chat_common::text::{
    excerpt::excerpt,
    invisible::{bare, behind_blank_start, behind_false_slash, trim, without_invisible_start},
};

/// The meaning of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// An empty line.
    Nothing,
    /// Something that the session does.
    Pass(Input),
    /// Something for the terminal alone.
    Show(TerminalEvent),
    /// Send a held paste. With nothing held, the client says so.
    Paste,
    /// Forget a held paste. With nothing held, the client says so.
    Drop,
}

/// Returns what a command means. It gets the verb, and what follows the verb.
///
/// # Errors
/// One line of help about what is wrong.
type Meaning = fn(&str, &str) -> Result<Command, String>;

/// The commands in the room: each with its form, what it does, and what it means. What stands in brackets may
/// be left out.
const COMMANDS: [(&str, &str, Meaning); 15] = [
    ("/who [PATTERN]", "list who is here, or whose name contains PATTERN", |_, pattern| {
        pass(Input::Who(optional(pattern)))
    }),
    ("/msg NAME TEXT", "say something to one person alone", |_, rest| {
        let split = rest.split_once(char::is_whitespace);
        let (to, text) = split.ok_or("to whom, and what? try /msg Sara hello")?;
        pass(Utterance::Private { to: to.to_owned(), text: text.trim().to_owned() })
    }),
    ("/reply TEXT", "reply to the last private message", |_, text| {
        pass(Input::Reply(required(text, "what is the reply? try /reply I am on my way")?))
    }),
    ("/me TEXT", "do something: * Sara waves", |_, text| {
        pass(Utterance::Action(required(text, "what do you do? try /me waves")?))
    }),
    ("/nick NAME", "change your name", |_, name| {
        pass(Input::Rename(required(name, "what is the new name? try /nick Sal")?))
    }),
    ("/history [N]", "show the last N messages again", |_, number| match number.parse() {
        Ok(count) if count > 0 => pass(Input::History { count, before: None }),
        _ if number.is_empty() => pass(Input::History { count: DEFAULT_HISTORY, before: None }),
        _ => Err(format!("how many? \"{}\" is not a number above 0; try /history 50", excerpt(number))),
    }),
    ("/search TEXT", "show the messages that contain TEXT", |_, text| {
        pass(Input::Search(required(text, "what do you look for? try /search lunch")?))
    }),
    ("/ignore [NAME]", "hide a person's messages, or show them again", |_, name| {
        match name.contains(char::is_whitespace) {
            true => Err("one name at a time; try /ignore Sara".to_owned()),
            false => pass(Input::Ignore(optional(name))),
        }
    }),
    ("/bell [MODE]", "ring for: off, mention, all", |_, mode| match Bell::parse(mode) {
        None if !mode.is_empty() => Err("the bell is one of off, mention, all; try /bell all".to_owned()),
        bell => Ok(Command::Show(TerminalEvent::Bell(bell))),
    }),
    ("/paste, /drop", "send a paste that waits, or forget it", |verb, _| {
        Ok(if verb == "/paste" { Command::Paste } else { Command::Drop })
    }),
    ("/op", "be an operator: the server's commands work then", |_, _| pass(Input::Operate(None))),
    ("/clear", "clear the screen", |_, _| Ok(Command::Show(TerminalEvent::Clear))),
    ("/quit, exit", "leave", |_, _| pass(Input::Leave)),
    ("//TEXT", "say a text that begins with /", |_, text| pass(Input::message(text))),
    ("/help", "list these", |_, _| Ok(Command::Show(TerminalEvent::Help))),
];

/// Returns the form of each command, and what the command does.
pub(crate) fn commands() -> Vec<(&'static str, &'static str)> {
    COMMANDS.iter().map(|(form, does, _)| (*form, *does)).collect()
}

/// Returns the verbs of a form, each with its slash.
pub(crate) fn verbs(form: &str) -> impl Iterator<Item = &str> {
    let words = form.split([' ', ',']).filter(|word| word.starts_with('/'));
    words.map(|word| word.trim_end_matches(char::is_uppercase))
}

fn pass(input: impl Into<Input>) -> Result<Command, String> {
    Ok(Command::Pass(input.into()))
}

fn optional(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn required(text: &str, help: &str) -> Result<String, String> {
    optional(text).ok_or_else(|| help.to_owned())
}

/// Returns what is wrong with a line that begins with something that only looks like a slash. As a message it
/// would say to everybody what was meant for one person.
pub(crate) fn false_slash(line: &str) -> Option<String> {
    let verb = behind_false_slash(line)?.split(char::is_whitespace).next().unwrap_or_default();
    Some(format!("that is not /; type /{}", excerpt(verb)))
}

/// Whether a text begins as one for one person does, with `/msg` or `/reply`, even if that is not quite how
/// it is written. As a message it would be said to everybody.
pub(crate) fn is_for_one_person(text: &str) -> bool {
    let text = behind_blank_start(text);
    let command = text.strip_prefix('/').or_else(|| behind_false_slash(text));
    let verb = command.and_then(|command| command.split(char::is_whitespace).next()).map(bare);
    verb.is_some_and(|verb| ["msg", "reply"].iter().any(|private| verb.eq_ignore_ascii_case(private)))
}

fn meaning_of(verb: &str) -> Option<Meaning> {
    let known = COMMANDS.iter().find(|(form, ..)| verbs(form).any(|known| known == verb));
    known.map(|(.., meaning)| *meaning)
}

/// Returns the line as a command for the server, if it begins as a command does, and is none of the client's.
pub(crate) fn server_command(line: &str) -> Option<&str> {
    let command = trim(behind_blank_start(line));
    let verb = command.split(char::is_whitespace).next()?;
    let is_known = !verb.starts_with('/') || verb.starts_with("//") || meaning_of(verb).is_some();
    (!is_known).then_some(command)
}

/// Parses a line without its line end. A private message or a reply may have several lines. The invisible
/// characters at the beginning are no part of it.
///
/// # Errors
/// One line of help about what is wrong.
pub(crate) fn parse_command(line: &str) -> Result<Command, String> {
    match trim(line) {
        "" => return Ok(Command::Nothing),
        "exit" => return pass(Input::Leave),
        _ => {}
    }
    // A slash after spaces is most likely a slip, and a private message must not be said to everybody.
    let command = behind_blank_start(line);
    let (verb, rest) = match command.strip_prefix('/') {
        None => {
            return match false_slash(line) {
                Some(help) => Err(help),
                None => pass(Input::message(without_invisible_start(line))),
            }
        }
        Some(text) if text.starts_with('/') => ("//", text),
        Some(_) => {
            let (verb, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
            (verb, rest.trim())
        }
    };
    match meaning_of(verb) {
        Some(meaning) => meaning(verb, rest),
        None => {
            let verb = excerpt(verb);
            Err(format!("there is no command {verb}; /help lists them, and /{verb} says it"))
        }
    }
}

/// Returns whether a line is a message to everybody, and not a command.
pub(super) fn is_for_everybody(line: &str) -> bool {
    let said = parse_command(line);
    matches!(said, Ok(Command::Pass(Input::Say { utterance: Utterance::Message(_), .. })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Command {
        Command::Pass(Input::message(text))
    }

    fn private(to: &str, text: &str) -> Command {
        Command::Pass(Utterance::Private { to: to.into(), text: text.into() }.into())
    }

    fn history(count: u32) -> Command {
        Command::Pass(Input::History { count, before: None })
    }

    #[test]
    fn each_line_becomes_its_command() {
        for (line, command) in [
            ("", Command::Nothing),
            ("  \t", Command::Nothing),
            ("hello  there ", message("hello  there ")),
            ("//etc/passwd", message("/etc/passwd")),
            (" \t/who", Command::Pass(Input::Who(None))),
            ("  //x /y ", message("/x /y ")),
            ("a /who", message("a /who")),
            ("exit", Command::Pass(Input::Leave)),
            ("exit now", message("exit now")),
            ("/quit", Command::Pass(Input::Leave)),
            ("/msg Sara  hi there", private("Sara", "hi there")),
            (" /msg Sara hi", private("Sara", "hi")),
            ("/paste", Command::Paste),
            ("/drop ", Command::Drop),
            ("/me waves", Command::Pass(Utterance::Action("waves".into()).into())),
            ("/nick Sal", Command::Pass(Input::Rename("Sal".into()))),
            ("/who", Command::Pass(Input::Who(None))),
            ("/who pupil ", Command::Pass(Input::Who(Some("pupil".into())))),
            ("/search two words", Command::Pass(Input::Search("two words".into()))),
            ("/history", history(DEFAULT_HISTORY)),
            ("/history 3", history(3)),
            ("/bell off", Command::Show(TerminalEvent::Bell(Some(Bell::Off)))),
            ("/bell", Command::Show(TerminalEvent::Bell(None))),
            ("/ignore Tom", Command::Pass(Input::Ignore(Some("Tom".into())))),
            ("/ignore", Command::Pass(Input::Ignore(None))),
        ] {
            assert_eq!(parse_command(line), Ok(command), "{line:?}");
        }
    }

    #[test]
    fn a_command_behind_what_nobody_sees_is_a_command() {
        let secret = private("Ann", "secret");
        for start in [
            "\u{feff}",
            "\u{200b}",
            "\u{200e}",
            "\u{2060}",
            "\u{ad}",
            "\u{fe0f}",
            "\u{180e}",
            "\u{3164}",
            "\u{2800}",
            "\u{e0020}",
            "\u{7}",
            "\u{a0}\u{3000}",
            " \u{202e} \u{feff}\u{feff}",
            "\u{301}",
        ] {
            assert_eq!(parse_command(&format!("{start}/msg Ann secret")), Ok(secret.clone()), "{start:?}");
        }
        for (line, command) in [
            ("\u{feff}exit\u{200b} ", Command::Pass(Input::Leave)),
            (" \u{200b}", Command::Nothing),
            ("\u{feff} hi\u{200b}", message(" hi\u{200b}")),
            ("\u{200b}//x", message("/x")),
            ("a\u{feff}/who", message("a\u{feff}/who")),
        ] {
            assert_eq!(parse_command(line), Ok(command), "{line:?}");
        }
        // What is invisible behind the slash makes another word of it, and nothing is said.
        for line in ["/\u{200b}msg Ann secret", "/msg\u{feff} Ann secret", "/\u{338}msg Ann secret"] {
            parse_command(line).expect_err(line);
        }
    }

    #[test]
    fn what_looks_like_a_slash_is_refused_and_said_nowhere() {
        for slash in [
            "\u{ff0f}",
            "\u{feff} \u{ff0f}",
            "\u{2044}",
            "\u{2215}",
            "\u{2571}",
            "\u{27cb}",
            "\u{29f8}",
            "\u{301}\u{ff0f}",
        ] {
            let line = format!("{slash}msg Ann secret");
            assert_eq!(parse_command(&line), Err("that is not /; type /msg".into()), "{line:?}");
        }
        assert_eq!(parse_command("a\u{ff0f}b"), Ok(message("a\u{ff0f}b")));
    }

    #[test]
    fn a_private_text_of_several_lines_is_one_command() {
        let two_lines = private("Ann", "one\ntwo");
        for line in ["/msg Ann one\ntwo", "/msg Ann\none\ntwo\n", "\u{feff} /msg\nAnn one\ntwo"] {
            assert_eq!(parse_command(line), Ok(two_lines.clone()), "{line:?}");
        }
        assert_eq!(parse_command("/reply one\ntwo"), Ok(Command::Pass(Input::Reply("one\ntwo".into()))));
    }

    #[test]
    fn a_text_for_one_person_is_known_by_its_beginning() {
        for start in ["/msg", " \u{200b}/reply", "/MSG", "/m\u{200b}sg", "\u{ff0f}msg", " \u{ff0f}Reply"] {
            assert!(is_for_one_person(&format!("{start} Ann one\ntwo")), "{start:?}");
            assert!(is_for_one_person(&format!("{start}\ntwo")), "{start:?}");
        }
        for text in
            ["", "msg", "//msg Ann a", "/me msg", "/* msg */\nb", "/msgs\nb", "a\n/msg Ann b", "╱╲\nb"]
        {
            assert!(!is_for_one_person(text), "{text:?}");
        }
    }

    #[test]
    fn each_wrong_command_gets_one_line_of_help() {
        for line in [
            "/",
            "/wave",
            "/msg",
            "/msg Sara",
            "/msg Sara ",
            "/me",
            "/reply ",
            "/nick",
            "/search ",
            "/history x",
            "/history 0",
            "/bell 3",
            "/ignore a b",
        ] {
            let help = parse_command(line).expect_err(line);
            assert!(!help.is_empty() && !help.contains('\n'), "{help}");
        }
    }
}
