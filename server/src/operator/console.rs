//! The operator's commands, from the server's own terminal.
//!
//! The thread `console` sits in a read of standard input. std cannot wake it from there, so it is the one thread that is not
//! joined: the process ends it. It holds the room weakly, so that it does not keep the room from ending.

use super::stats::summary;
use crate::{
    door::{bans::Ban, name::fold, Door},
    room::Room,
};
use chat_common::shutdown::Shutdown;
use std::{
    io::{self, BufRead, Write},
    sync::{Arc, Weak},
};

const HELP: &str = "\
/who                  who is here
/say TEXT             say something to everybody, as the server
/kick NAME [REASON]   remove somebody, who can join again
/ban ADDRESS|NAME     remove, and keep out, whoever has the address or the name
/unban ADDRESS|NAME   lift a ban
/bans                 list the bans
/stats                how the room is doing
/stop                 end the room in good order";

/// What the operator can reach.
pub(crate) struct Console {
    pub(crate) room: Weak<Room>,
    pub(crate) door: Arc<Door>,
    pub(crate) shutdown: Arc<Shutdown>,
    /// The longest text of a notice, in bytes.
    pub(crate) max_text: usize,
}

impl Console {
    /// Reads commands until the input ends, which changes nothing for the room.
    ///
    /// # Blocking
    /// On the input.
    ///
    /// # Errors
    /// When the input cannot be read or the output not written.
    pub(crate) fn run_loop(&self, input: impl BufRead, mut output: impl Write) -> io::Result<()> {
        for line in input.lines() {
            let line = line?;
            let line = line.trim();
            if !line.is_empty() {
                let answer = match self.room.upgrade() {
                    Some(room) => self.carry_out(&room, line),
                    None => "the room is ending".to_owned(),
                };
                writeln!(output, "{answer}")?;
                output.flush()?;
            }
        }
        Ok(())
    }

    /// Does what `line` says, and returns what to print.
    fn carry_out(&self, room: &Room, line: &str) -> String {
        let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match (command, rest.trim()) {
            ("/help", _) => HELP.to_owned(),
            ("/who", _) => {
                let names = room.names();
                match names.len() {
                    0 => "nobody is here".to_owned(),
                    count => format!("{count} here: {}", names.join(", ")),
                }
            }
            ("/stats", _) => summary(room),
            ("/bans", _) => match self.door.bans.list() {
                bans if bans.is_empty() => "nobody is banned".to_owned(),
                bans => bans.iter().map(Ban::to_string).collect::<Vec<_>>().join("\n"),
            },
            ("/stop", _) => {
                self.shutdown.request();
                "stopping: delivering what was accepted".to_owned()
            }
            ("/say" | "/kick" | "/ban" | "/unban", "") => {
                let usage = HELP.lines().find(|line| line.starts_with(&format!("{command} ")));
                format!("usage: {}", usage.unwrap_or(command))
            }
            ("/say", text) => self.too_long(text).unwrap_or_else(|| match room.notice(text.to_owned()) {
                Ok(()) => "said".to_owned(),
                Err(refusal) => refusal.to_string(),
            }),
            ("/kick", rest) => {
                let (name, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                let kick = || removed(&room.remove(Ban::Name(fold(name)), reason.trim()));
                self.too_long(reason).unwrap_or_else(kick)
            }
            ("/ban" | "/unban", word) => match Ban::of(word) {
                Some(ban) if command == "/ban" => self.add_ban(room, &ban),
                Some(ban) => self.remove_ban(&ban),
                None => {
                    format!("{word:?} is neither an address nor a possible name; ranges are not understood")
                }
            },
            _ => format!(
                "{command:?} is no command of the server; /help lists them, and /say TEXT says something"
            ),
        }
    }

    /// The ban first, and then the removal: a member that joins meanwhile is either refused or removed.
    fn add_ban(&self, room: &Room, ban: &Ban) -> String {
        let kept = self.door.bans.add(ban.clone());
        let out = removed(&room.remove(ban.clone(), "banned"));
        match kept {
            Ok(true) => format!("banned: {ban}; {out}"),
            Ok(false) => format!("banned already: {ban}; {out}"),
            Err(error) => {
                format!("banned until the server ends: {ban}; the ban file cannot be written: {error}; {out}")
            }
        }
    }

    fn remove_ban(&self, ban: &Ban) -> String {
        match self.door.bans.remove(ban) {
            Ok(true) => format!("no longer banned: {ban}"),
            Ok(false) => format!("not banned: {ban}; /bans lists who is"),
            Err(error) => format!("no longer banned: {ban}; but the ban file cannot be written: {error}"),
        }
    }

    /// What everybody is to read has to fit into a frame.
    fn too_long(&self, text: &str) -> Option<String> {
        let limit = self.max_text;
        (text.len() > limit).then(|| format!("the text has {} bytes, and {limit} are the most", text.len()))
    }
}

fn removed(names: &[String]) -> String {
    match names {
        [] => "nobody here to remove".to_owned(),
        names => format!("removed: {}", names.join(", ")),
    }
}
