//! The operator's commands. Runs on the thread `console`, which reads standard input.
//!
//! std cannot wake a thread from that read, so it is the only thread that is not joined. It ends with the
//! process. It holds the room weakly, because the room ends when it is dropped.

use super::stats::summary;
use crate::{
    door::{name::fold, Ban, Door},
    room::{Command, Room},
};
use chat_common::shutdown::Shutdown;
use std::{
    io::{self, BufRead, Write},
    sync::{Arc, Weak},
};

const HELP: &str = "\
/who                        who is here
/say TEXT                   say something to everybody, as the server
/kick NAME [REASON]         remove a member, who can join again
/ban ADDRESS[/BITS]|NAME    remove all members with the address or name, and refuse them from now on
/unban ADDRESS[/BITS]|NAME  remove a ban
/bans                       list the bans
/stats                      show the statistics
/stop                       deliver what was accepted, and stop the server";

const ENDING: &str = "the room is ending";

/// What the operator's commands use.
pub(crate) struct Console {
    pub(crate) room: Weak<Room>,
    pub(crate) door: Arc<Door>,
    pub(crate) shutdown: Arc<Shutdown>,
    /// The longest text of a notice, in bytes.
    pub(crate) max_text: usize,
}

impl Console {
    /// Reads commands until the input ends. The room goes on after that.
    ///
    /// # Blocking
    /// On the input and the output. On the broadcaster, which waits for no client.
    ///
    /// # Errors
    /// When the input cannot be read, or the output cannot be written.
    pub(crate) fn run_loop(&self, input: impl BufRead, mut output: impl Write) -> io::Result<()> {
        for line in input.lines() {
            let line = line?;
            let line = line.trim();
            if !line.is_empty() {
                writeln!(output, "{}", self.apply(line))?;
                output.flush()?;
            }
        }
        Ok(())
    }

    /// Carries out the command in `line`. Returns the text to print.
    fn apply(&self, line: &str) -> String {
        let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        let (name, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let text = if command == "/kick" { reason.trim() } else { rest };
        if text.len() > self.max_text {
            // A longer text may not fit into a frame.
            return format!("the text has {} bytes, and {} are the most", text.len(), self.max_text);
        }
        match (command, rest) {
            ("/help", _) => HELP.to_owned(),
            ("/who", _) => {
                let names = self.with_room(Room::names).unwrap_or_default();
                match names.len() {
                    0 => "nobody is here".to_owned(),
                    count => format!("{count} here: {}", names.join(", ")),
                }
            }
            ("/stats", _) => self.with_room(summary).unwrap_or(ENDING.to_owned()),
            ("/bans", _) => match self.door.bans.list() {
                bans if bans.is_empty() => "nobody is banned".to_owned(),
                bans => shown(&bans, "\n"),
            },
            ("/stop", _) => {
                self.shutdown.request();
                "stopping: delivering what was accepted".to_owned()
            }
            ("/say" | "/kick" | "/ban" | "/unban", "") => {
                let usage = HELP.lines().find(|line| line.starts_with(&format!("{command} ")));
                format!("usage: {}", usage.unwrap_or(command))
            }
            ("/say", text) => {
                let said = self.with_room(|room| room.send(Command::Notice(text.to_owned())));
                said.and_then(Result::ok).map_or(ENDING, |()| "said").to_owned()
            }
            ("/kick", _) => self.remove(Ban::Name(fold(name)), text),
            ("/ban" | "/unban", word) => match Ban::of(word) {
                Ok(ban) if command == "/ban" => self.add_ban(&ban),
                Ok(ban) => self.remove_ban(&ban),
                Err(why) => why,
            },
            _ => format!(
                "{command:?} is no command of the server; /help lists them, and /say TEXT says something"
            ),
        }
    }

    /// Adds a ban, and then removes the members that it covers. In this order a member that joins
    /// meanwhile is either refused or removed.
    fn add_ban(&self, ban: &Ban) -> String {
        let kept = self.door.bans.add(ban);
        let out = self.remove(ban.clone(), "banned");
        match kept {
            Ok(true) => format!("banned: {ban}; {out}"),
            Ok(false) => format!("banned already: {ban}; {out}"),
            Err(error) => {
                format!("banned until the server ends: {ban}; the ban file cannot be written: {error}; {out}")
            }
        }
    }

    fn remove_ban(&self, ban: &Ban) -> String {
        let out = match self.door.bans.remove(ban) {
            Ok(true) => format!("no longer banned: {ban}"),
            Ok(false) => format!("not banned: {ban}; /bans lists the bans"),
            Err(error) => format!("no longer banned: {ban}; but the ban file cannot be written: {error}"),
        };
        match &self.door.bans.including(ban)[..] {
            [] => out,
            wider => format!("{out}; still banned with all of: {}", shown(wider, ", ")),
        }
    }

    /// Removes the members that `ban` covers. Returns the text to print.
    fn remove(&self, ban: Ban, reason: &str) -> String {
        let reason = reason.to_owned();
        let names = self.with_room(|room| room.ask(|removed_tx| Command::Remove { ban, reason, removed_tx }));
        match names {
            Some(Ok(names)) if !names.is_empty() => format!("removed: {}", names.join(", ")),
            _ => "nobody here to remove".to_owned(),
        }
    }

    /// Uses the room if it is still there. The room is held no longer than that, because it cannot end
    /// meanwhile.
    fn with_room<R>(&self, use_room: impl FnOnce(&Room) -> R) -> Option<R> {
        self.room.upgrade().map(|room| use_room(&room))
    }
}

fn shown(bans: &[Ban], separator: &str) -> String {
    bans.iter().map(Ban::to_string).collect::<Vec<_>>().join(separator)
}
