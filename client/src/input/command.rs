//! Parses a typed line into a command. No I/O.

use crate::settings::{Bell, Utterance, DEFAULT_HISTORY};
#[cfg(feature = "edit")]
use chat_common::text::invisible::bare;
use chat_common::text::invisible::{behind_blank_start, behind_false_slash, trim, without_invisible_start};

/// The meaning of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// An empty line.
    Nothing,
    Say(Utterance),
    Reply(String),
    /// Who is here, or those of them whose name contains this.
    Who(Option<String>),
    Nick(String),
    History(u32),
    Search(String),
    Help,
    Clear,
    Bell(Option<Bell>),
    Ignore(Option<String>),
    /// Send a held paste. With nothing held, the client says so.
    Paste,
    /// Forget a held paste. With nothing held, the client says so.
    Drop,
    Quit,
}

/// The lines of `/help`.
pub(crate) const COMMAND_HELP: &[&str] = &[
    "/who [PATTERN]      list who is here, or whose name contains PATTERN",
    "/msg NAME TEXT      say something to one person alone",
    "/reply TEXT         reply to the last private message",
    "/me TEXT            do something: * Sara waves",
    "/nick NAME          change your name",
    "/history [N]        show the last N messages again",
    "/search TEXT        show the messages that contain TEXT",
    "/ignore [NAME]      hide a person's messages, or show them again",
    "/bell [MODE]        ring for: off, mention, all",
    "/paste, /drop       send a paste that waits, or forget it",
    "/clear              clear the screen",
    "/quit, exit         leave",
    "//TEXT              say a text that begins with /",
    "/help               list these",
];

/// Returns what is wrong with a line that begins with something that only looks like a slash. As a message it
/// would say to everybody what was meant for one person.
pub(crate) fn false_slash(line: &str) -> Option<String> {
    let verb = behind_false_slash(line)?.split(char::is_whitespace).next().unwrap_or_default();
    Some(format!("that is not /; type /{verb}"))
}

/// Whether a text begins as one for one person does, with `/msg` or `/reply`, even if that is not quite how
/// it is written. As a message it would be said to everybody.
#[cfg(feature = "edit")]
pub(crate) fn is_for_one_person(text: &str) -> bool {
    let text = behind_blank_start(text);
    let command = text.strip_prefix('/').or_else(|| behind_false_slash(text));
    let verb = command.and_then(|command| command.split(char::is_whitespace).next()).map(bare);
    verb.is_some_and(|verb| ["msg", "reply"].iter().any(|private| verb.eq_ignore_ascii_case(private)))
}

/// Parses a line without its line end. A private message or a reply may have several lines. The invisible
/// characters at the beginning are no part of it.
///
/// # Errors
/// One line of help about what is wrong.
pub(crate) fn parse_command(line: &str) -> Result<Command, String> {
    let message = |text: String| Ok(Command::Say(Utterance::Message(text)));
    match trim(line) {
        "" => return Ok(Command::Nothing),
        "exit" => return Ok(Command::Quit),
        _ => {}
    }
    // A slash after spaces is most likely a slip, and a private message must not be said to everybody.
    let Some(command) = behind_blank_start(line).strip_prefix('/') else {
        return false_slash(line).map_or_else(|| message(without_invisible_start(line)), Err);
    };
    if command.starts_with('/') {
        return message(command.to_owned());
    }
    let (verb, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let rest = rest.trim();
    let required = |help: &str| if rest.is_empty() { Err(help.to_owned()) } else { Ok(rest.to_owned()) };
    match verb {
        "help" => Ok(Command::Help),
        "who" => Ok(Command::Who((!rest.is_empty()).then(|| rest.to_owned()))),
        "clear" => Ok(Command::Clear),
        "paste" => Ok(Command::Paste),
        "drop" => Ok(Command::Drop),
        "quit" => Ok(Command::Quit),
        "me" => Ok(Command::Say(Utterance::Action(required("what do you do? try /me waves")?))),
        "reply" => required("what is the reply? try /reply I am on my way").map(Command::Reply),
        "nick" => required("what is the new name? try /nick Sal").map(Command::Nick),
        "msg" => match rest.split_once(char::is_whitespace) {
            Some((to, text)) => {
                let (to, text) = (to.to_owned(), text.trim().to_owned());
                Ok(Command::Say(Utterance::Private { to, text }))
            }
            None => Err("to whom, and what? try /msg Sara hello".to_owned()),
        },
        "history" if rest.is_empty() => Ok(Command::History(DEFAULT_HISTORY)),
        "history" => match rest.parse() {
            Ok(count) if count > 0 => Ok(Command::History(count)),
            _ => Err(format!("how many? \"{rest}\" is not a number above 0; try /history 50")),
        },
        "search" => required("what do you look for? try /search lunch").map(Command::Search),
        "bell" if rest.is_empty() => Ok(Command::Bell(None)),
        "bell" => match Bell::parse(rest) {
            Some(bell) => Ok(Command::Bell(Some(bell))),
            None => Err("the bell is one of off, mention, all; try /bell all".to_owned()),
        },
        "ignore" if rest.contains(char::is_whitespace) => {
            Err("one name at a time; try /ignore Sara".to_owned())
        }
        "ignore" => Ok(Command::Ignore((!rest.is_empty()).then(|| rest.to_owned()))),
        _ => Err(format!("there is no command /{verb}; /help lists them, and //{verb} says it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Command {
        Command::Say(Utterance::Message(text.into()))
    }

    #[test]
    fn each_line_becomes_its_command() {
        for (line, command) in [
            ("", Command::Nothing),
            ("  \t", Command::Nothing),
            ("hello  there ", message("hello  there ")),
            ("//etc/passwd", message("/etc/passwd")),
            (" \t/who", Command::Who(None)),
            ("  //x /y ", message("/x /y ")),
            ("a /who", message("a /who")),
            ("exit", Command::Quit),
            ("exit now", message("exit now")),
            ("/quit", Command::Quit),
            (
                "/msg Sara  hi there",
                Command::Say(Utterance::Private { to: "Sara".into(), text: "hi there".into() }),
            ),
            (" /msg Sara hi", Command::Say(Utterance::Private { to: "Sara".into(), text: "hi".into() })),
            ("/paste", Command::Paste),
            ("/drop ", Command::Drop),
            ("/me waves", Command::Say(Utterance::Action("waves".into()))),
            ("/nick Sal", Command::Nick("Sal".into())),
            ("/who", Command::Who(None)),
            ("/who pupil ", Command::Who(Some("pupil".into()))),
            ("/search two words", Command::Search("two words".into())),
            ("/history", Command::History(DEFAULT_HISTORY)),
            ("/history 3", Command::History(3)),
            ("/bell off", Command::Bell(Some(Bell::Off))),
            ("/bell", Command::Bell(None)),
            ("/ignore Tom", Command::Ignore(Some("Tom".into()))),
            ("/ignore", Command::Ignore(None)),
        ] {
            assert_eq!(parse_command(line), Ok(command), "{line:?}");
        }
    }

    #[test]
    fn a_command_behind_what_nobody_sees_is_a_command() {
        let private = Command::Say(Utterance::Private { to: "Ann".into(), text: "secret".into() });
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
            assert_eq!(parse_command(&format!("{start}/msg Ann secret")), Ok(private.clone()), "{start:?}");
        }
        for (line, command) in [
            ("\u{feff}exit\u{200b} ", Command::Quit),
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
        let private = Command::Say(Utterance::Private { to: "Ann".into(), text: "one\ntwo".into() });
        for line in ["/msg Ann one\ntwo", "/msg Ann\none\ntwo\n", "\u{feff} /msg\nAnn one\ntwo"] {
            assert_eq!(parse_command(line), Ok(private.clone()), "{line:?}");
        }
        assert_eq!(parse_command("/reply one\ntwo"), Ok(Command::Reply("one\ntwo".into())));
    }

    #[cfg(feature = "edit")]
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
