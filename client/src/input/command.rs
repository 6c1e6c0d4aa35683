//! What a typed line means. No I/O: a line in, a command or one line of help out.

use crate::settings::options::{Bell, HISTORY_SHOWN};

/// What a line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// An empty line.
    Nothing,
    Say(String),
    Act(String),
    Tell {
        to: String,
        text: String,
    },
    Reply(String),
    Who,
    Nick(String),
    History(u32),
    Help,
    Clear,
    Bell(Option<Bell>),
    Ignore(Option<String>),
    Quit,
}

/// What `/help` says, a line each.
pub(crate) const HELP: &[&str] = &[
    "/who                list who is here",
    "/msg NAME TEXT      say something to one person alone",
    "/reply TEXT         answer the last one who did",
    "/me TEXT            do something: * Sara waves",
    "/nick NAME          be called something else",
    "/history [N]        show the last N messages again",
    "/ignore [NAME]      hide a person's messages, or show them again",
    "/bell [MODE]        ring for: off, mention, all",
    "/clear              clear the screen",
    "/quit, exit         leave",
    "//TEXT              say a text that begins with /",
];

/// The meaning of a line, without its line end.
///
/// # Errors
/// One line of help for a mistake.
pub(crate) fn parse(line: &str) -> Result<Command, String> {
    if line.trim().is_empty() {
        return Ok(Command::Nothing);
    }
    if line.trim() == "exit" {
        return Ok(Command::Quit);
    }
    let Some(command) = line.strip_prefix('/') else { return Ok(Command::Say(line.to_owned())) };
    if command.starts_with('/') {
        return Ok(Command::Say(command.to_owned()));
    }
    let (verb, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let rest = rest.trim();
    let needed = |help: &str| if rest.is_empty() { Err(help.to_owned()) } else { Ok(rest.to_owned()) };
    match verb {
        "help" => Ok(Command::Help),
        "who" => Ok(Command::Who),
        "clear" => Ok(Command::Clear),
        "quit" => Ok(Command::Quit),
        "me" => needed("what do you do? try /me waves").map(Command::Act),
        "reply" => needed("what is the answer? try /reply I am on my way").map(Command::Reply),
        "nick" => {
            let name = needed("what is the new name? try /nick Sal")?;
            Ok(Command::Nick(name))
        }
        "msg" => match rest.split_once(char::is_whitespace) {
            Some((to, text)) => Ok(Command::Tell { to: to.to_owned(), text: text.trim().to_owned() }),
            None => Err("whom, and what? try /msg Sara hello".to_owned()),
        },
        "history" if rest.is_empty() => Ok(Command::History(HISTORY_SHOWN)),
        "history" => match rest.parse() {
            Ok(count) if count > 0 => Ok(Command::History(count)),
            _ => Err(format!("how many? \"{rest}\" is no number; try /history 50")),
        },
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

    #[test]
    fn lines_mean_what_they_say() {
        for (line, command) in [
            ("", Command::Nothing),
            ("  \t", Command::Nothing),
            ("hello  there ", Command::Say("hello  there ".into())),
            ("//etc/passwd", Command::Say("/etc/passwd".into())),
            (" /who", Command::Say(" /who".into())),
            ("exit", Command::Quit),
            ("exit now", Command::Say("exit now".into())),
            ("/quit", Command::Quit),
            ("/msg Sara  hi there", Command::Tell { to: "Sara".into(), text: "hi there".into() }),
            ("/me waves", Command::Act("waves".into())),
            ("/nick Sal", Command::Nick("Sal".into())),
            ("/history", Command::History(HISTORY_SHOWN)),
            ("/history 3", Command::History(3)),
            ("/bell off", Command::Bell(Some(Bell::Off))),
            ("/bell", Command::Bell(None)),
            ("/ignore Tom", Command::Ignore(Some("Tom".into()))),
            ("/ignore", Command::Ignore(None)),
        ] {
            assert_eq!(parse(line), Ok(command), "{line:?}");
        }
    }

    #[test]
    fn mistakes_get_one_line_of_help_each() {
        for line in [
            "/",
            "/wave",
            "/msg",
            "/msg Sara",
            "/msg Sara ",
            "/me",
            "/reply ",
            "/nick",
            "/history x",
            "/history 0",
            "/bell 3",
            "/ignore a b",
        ] {
            let help = parse(line).expect_err(line);
            assert!(!help.is_empty() && !help.contains('\n'), "{help}");
        }
    }
}
