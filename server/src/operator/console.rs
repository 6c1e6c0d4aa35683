//! The operator's commands, from the server's own terminal.
//!
//! It runs on the thread `console`, which sits in a read of standard input. std cannot wake it from there, so it is the one
//! thread that is not joined: the process ends it. That is why it borrows the way into the channel for each command and holds no
//! sender of its own, which would keep the room from ending.

use crate::{
    door::{bans::Ban, name::folded},
    operator::stats::summary,
    room::command::Command,
    Shared,
};
use std::io::{self, BufRead, Write};

const HELP: &str = "\
/who                  who is here
/say TEXT             say something to everybody, as the server
/kick NAME [REASON]   remove somebody, who can join again
/ban ADDRESS|NAME     remove, and keep out, whoever has the address or the name
/unban ADDRESS|NAME   lift a ban
/bans                 list the bans
/stats                how the room is doing
/stop                 end the room in good order";

/// Reads commands until the input ends, which changes nothing for the room.
///
/// # Blocking
/// On the input.
///
/// # Errors
/// When the input cannot be read or the output not written.
pub fn console_loop(shared: &Shared, input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    for line in input.lines() {
        let line = line?;
        let line = line.trim();
        if !line.is_empty() {
            writeln!(output, "{}", carry_out(shared, line))?;
            output.flush()?;
        }
    }
    Ok(())
}

/// Does what `line` says, and answers what to print.
fn carry_out(shared: &Shared, line: &str) -> String {
    let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    match (command, rest) {
        ("/help", _) => HELP.to_owned(),
        ("/who", _) => {
            let names = shared.registry.names();
            match names.len() {
                0 => "nobody is here".to_owned(),
                count => format!("{count} here: {}", names.join(", ")),
            }
        }
        ("/stats", _) => summary(shared),
        ("/bans", _) => match shared.bans.list() {
            bans if bans.is_empty() => "nobody is banned".to_owned(),
            bans => bans.iter().map(Ban::to_string).collect::<Vec<_>>().join("\n"),
        },
        ("/stop", _) => {
            shared.shutdown.request();
            "stopping: delivering what was accepted".to_owned()
        }
        ("/say" | "/kick" | "/ban" | "/unban", "") => {
            let usage = HELP.lines().find(|line| line.starts_with(&format!("{command} ")));
            format!("usage: {}", usage.unwrap_or(command))
        }
        ("/say", text) => say(shared, text),
        ("/kick", rest) => {
            let (name, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            if let Some(why) = too_long(shared, reason) {
                return why;
            }
            let name = folded(name);
            removed(&shared.registry.expel(reason.trim(), |who, _| folded(who) == name))
        }
        ("/ban" | "/unban", word) => match Ban::of(word) {
            Some(ban) if command == "/ban" => put_ban(shared, &ban),
            Some(ban) => lift_ban(shared, &ban),
            None => format!("{word:?} is neither an address nor a possible name; ranges are not understood"),
        },
        _ => {
            format!("{command:?} is no command of the server; /help lists them, and /say TEXT says something")
        }
    }
}

fn put_ban(shared: &Shared, ban: &Ban) -> String {
    let kept = shared.bans.add(ban.clone());
    let out = removed(&shared.registry.expel("banned", |name, address| ban.covers(name, address)));
    match kept {
        Ok(true) => format!("banned: {ban}; {out}"),
        Ok(false) => format!("banned already: {ban}; {out}"),
        Err(error) => {
            format!("banned until the server ends: {ban}; the ban file cannot be written: {error}; {out}")
        }
    }
}

fn lift_ban(shared: &Shared, ban: &Ban) -> String {
    match shared.bans.lift(ban) {
        Ok(true) => format!("no longer banned: {ban}"),
        Ok(false) => format!("not banned: {ban}; /bans lists who is"),
        Err(error) => format!("no longer banned: {ban}; but the ban file cannot be written: {error}"),
    }
}

fn say(shared: &Shared, text: &str) -> String {
    if let Some(why) = too_long(shared, text) {
        return why;
    }
    match shared.command(Command::Notice(text.to_owned())) {
        true => "said".to_owned(),
        false => "the room is ending".to_owned(),
    }
}

/// What everybody is to read has to fit into a frame.
fn too_long(shared: &Shared, text: &str) -> Option<String> {
    let limit = shared.limits.max_text.0;
    (text.len() > limit).then(|| format!("the text has {} bytes, and {limit} are the most", text.len()))
}

fn removed(names: &[String]) -> String {
    match names {
        [] => "nobody here to remove".to_owned(),
        names => format!("removed: {}", names.join(", ")),
    }
}
