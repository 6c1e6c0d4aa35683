//! The operator's commands. Runs on the thread `console`, which reads standard input.
//!
//! std cannot wake a thread from that read, so it is not joined. It ends with the process. It holds the room
//! weakly, because the room ends when it is dropped.

use super::{
    stats::summary,
    who::{covering, muted, removed, who},
};
use crate::{
    door::Door,
    identity::Ban,
    room::{Command, MutedFor, Room},
    settings::COMMANDS,
};
use chat_common::{
    program::{background_writer::BackgroundWriter, shutdown::Shutdown},
    text::{
        invisible::trim,
        units::{parse_time, TIME_FORM},
    },
};
use log::{info, warn};
use std::{
    io::{self, BufRead, Read},
    sync::{Arc, Weak},
};

/// A longer line is read to its end, but not kept. No command needs more. In bytes.
const MAX_LINE_BYTES: usize = 1024 * 1024;

const ENDING: &str = "the room is ending";

/// What the operator's commands use.
pub(crate) struct Console {
    pub(crate) room: Weak<Room>,
    pub(crate) door: Arc<Door>,
    pub(crate) shutdown: Arc<Shutdown>,
    pub(crate) output: BackgroundWriter,
    /// The longest text of a notice, in bytes.
    pub(crate) max_text: usize,
}

impl Console {
    /// Reads commands until the input ends, and logs why it ended. The room goes on after that.
    ///
    /// # Blocking
    /// On the input, without a limit. On the broadcaster, which waits for no client. On the file system, for
    /// the files of the bans and of the names.
    pub(crate) fn run_loop(&self, mut input: impl BufRead) {
        loop {
            let reply = match read_line(&mut input) {
                Ok(Some(Line::Complete(line))) if trim(&line).is_empty() => continue,
                Ok(Some(Line::Complete(line))) => self.apply(trim(&line)),
                Ok(Some(Line::TooLong)) => {
                    format!("a line of more than {MAX_LINE_BYTES} bytes is no command of the server")
                }
                Ok(None) => return info!("the console has ended: the end of its input"),
                Err(error) => return warn!("the console has ended: cannot read standard input: {error}"),
            };
            self.output.write_text(&(reply + "\n"));
        }
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
            ("/help", _) => COMMANDS.to_owned(),
            ("/who", pattern) => {
                let answer = self.with_room(|room| who(&room.people(), pattern, room.mutes()));
                answer.unwrap_or(ENDING.to_owned())
            }
            ("/mute", "") => self.with_room(|room| muted(&room.mutes().list())).unwrap_or(ENDING.to_owned()),
            ("/stats", _) => self.with_room(|room| summary(room, &self.door)).unwrap_or(ENDING.to_owned()),
            ("/bans", _) => match self.door.bans.list() {
                bans if bans.is_empty() => "nobody is banned".to_owned(),
                bans => shown(&bans, "\n"),
            },
            ("/stop", _) => {
                self.shutdown.request();
                "stopping: delivering what was accepted".to_owned()
            }
            ("/say" | "/kick" | "/unmute" | "/ban" | "/unban" | "/forget", "") => {
                let usage = COMMANDS.lines().find(|line| line.starts_with(&format!("{command} ")));
                format!("usage: {}", usage.unwrap_or(command))
            }
            ("/say", text) => {
                let text = text.to_owned();
                match self.with_room(|room| room.ask(|said_tx| Command::Notice { text, said_tx })) {
                    Some(Ok(Ok(()))) => "said".to_owned(),
                    Some(Ok(Err(refusal))) => refusal.text,
                    _ => ENDING.to_owned(),
                }
            }
            ("/kick", _) => self.kick(name, text),
            ("/forget", name) => self.forget(name),
            ("/mute" | "/unmute", _) => match Ban::of(name) {
                Ok(Ban::Name(name)) if command == "/mute" => self.mute(&name, reason.trim()),
                Ok(Ban::Name(name)) => self.unmute(&name),
                _ => format!("{name:?} is no name; a mute is for a name, and /who lists who is here"),
            },
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

    /// Bans somebody, and removes the members that the ban covers.
    fn add_ban(&self, ban: &Ban) -> String {
        let banned =
            self.with_room(|room| room.ask(|banned_tx| Command::Ban { ban: ban.clone(), banned_tx }));
        let Some(Ok((is_new, members))) = banned else { return ENDING.to_owned() };
        // Who bans an address does not need it offered.
        let out = removed(&members, matches!(ban, Ban::Name(_)));
        let (how, ban) = (if is_new { "banned" } else { "banned already" }, (ban, covering(ban)));
        match self.door.bans.save(ban.0) {
            Ok(()) => format!("{how}: {}; {out}", ban.1),
            Err(error) => {
                let ban = ban.1;
                format!("banned until the server ends: {ban}; the ban file cannot be written: {error}; {out}")
            }
        }
    }

    /// Mutes a name for the time in `time`, or without a time limit if that is empty.
    fn mute(&self, muted: &str, time: &str) -> String {
        let time = match (time, parse_time(time)) {
            ("", _) => MutedFor::Good,
            (_, Some(time)) if !time.is_zero() => MutedFor::Time(time),
            _ => return format!("{time:?} is no time; /mute NAME [TIME] takes {TIME_FORM}"),
        };
        let name = muted.to_owned();
        match self.with_room(|room| room.ask(|muted_tx| Command::Mute { name, time, muted_tx })) {
            Some(Ok(Ok(Some(name)))) => format!("muted: {name} {time}; /unmute {name} ends it"),
            Some(Ok(Ok(None))) => {
                format!("muted: {muted} {time}; nobody here has this name now, and /unmute {muted} ends it")
            }
            Some(Ok(Err(_))) => "there are too many mutes; /mute lists them, /unmute ends one".to_owned(),
            _ => ENDING.to_owned(),
        }
    }

    /// Lets everybody have a name again that belongs to a key.
    fn forget(&self, name: &str) -> String {
        match self.door.forget_name(name) {
            None => "names belong to nobody here; --names FILE of a closed room keeps them".to_owned(),
            Some(Ok(true)) => format!("forgotten: {name}; it belongs to whoever takes it next"),
            Some(Ok(false)) => format!("not kept: {name}; it belongs to nobody"),
            Some(Err(error)) => {
                format!("forgotten until the server ends: {name}; the names file cannot be written: {error}")
            }
        }
    }

    fn unmute(&self, unmuted: &str) -> String {
        let name = unmuted.to_owned();
        match self.with_room(|room| room.ask(|unmuted_tx| Command::Unmute { name, unmuted_tx })) {
            Some(Ok(true)) => format!("no longer muted: {unmuted}"),
            Some(Ok(false)) => format!("not muted: {unmuted}; /mute lists who is"),
            _ => ENDING.to_owned(),
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

    /// Removes the members with this name. Returns the text to print.
    fn kick(&self, name: &str, reason: &str) -> String {
        let (ban, reason) = (Ban::Name(name.to_owned()), reason.to_owned());
        match self.with_room(|room| room.ask(|removed_tx| Command::Remove { ban, reason, removed_tx })) {
            Some(Ok(members)) => removed(&members, true),
            _ => ENDING.to_owned(),
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

/// One line of the input.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// Bytes that are not UTF-8 are replaced, because one wrong key must not end the console.
    Complete(String),
    TooLong,
}

/// Reads a line to its end. Returns `None` at the end of the input.
///
/// # Errors
/// When the input cannot be read.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Line>> {
    let (mut bytes, mut is_too_long) = (Vec::new(), false);
    loop {
        input.take(MAX_LINE_BYTES as u64 + 1).read_until(b'\n', &mut bytes)?;
        if bytes.len() <= MAX_LINE_BYTES || bytes.ends_with(b"\n") {
            break;
        }
        is_too_long = true;
        bytes.clear();
    }
    if is_too_long {
        return Ok(Some(Line::TooLong));
    }
    Ok((!bytes.is_empty()).then(|| Line::Complete(String::from_utf8_lossy(&bytes).into_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_text_whatever_its_bytes_are_and_has_a_maximum_length() {
        let longest = "x".repeat(MAX_LINE_BYTES);
        let mut bytes = b"/who\xff\n\n".to_vec();
        bytes.extend(format!("{longest}\n{longest}x\n{longest}{longest}{longest}\nlast").bytes());
        let mut input = &bytes[..];
        let complete = |text: &str| Some(Line::Complete(text.to_owned()));
        for expected in [
            complete("/who\u{fffd}\n"),
            complete("\n"),
            complete(&format!("{longest}\n")),
            Some(Line::TooLong),
            Some(Line::TooLong),
            complete("last"),
            None,
        ] {
            assert_eq!(read_line(&mut input).unwrap(), expected);
        }
    }
}
