//! The operator's commands: one table for the console and for operators in the room. They run on the thread
//! `console`, and on the threads of operators' connections. They may read the room, and change it only
//! through commands to the broadcaster.

use super::{
    motd::Motd,
    stats::summary,
    who::{covering, muted, removed, who},
};
use crate::{
    door::{Door, Operators},
    identity::{Ban, Terms, TypedTerms},
    room::{Command, Room, EVERYBODY},
};
use chat_common::{
    program::{flags::in_columns, shutdown::Shutdown},
    text::{excerpt::excerpt, invisible::trim},
};
use crossbeam_channel::Sender;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Arc, Weak},
};

/// The longest name that can be muted or banned, in bytes. A record of the journal holds it.
const MAX_NAME: usize = 128;

const ENDING: &str = "the room is ending";

/// What carries out a command. It gets what follows the command. Both results are texts for the
/// operator; an error means that nothing, or not all, was done.
type Run = fn(&Commands, &str) -> Result<String, String>;

/// The commands: each with its arguments, what it does, and what carries it out. Those in brackets may be
/// left out.
const COMMANDS: [(&str, &str, Run); 12] = [
    ("/who [PATTERN]", "who is here; or only whose name has PATTERN in it", |commands, pattern| {
        commands.with_room(|room| who(&room.people(), pattern, room.mutes()))
    }),
    ("/say TEXT", "say something to everybody, as the server", Commands::say),
    ("/kick NAME [REASON]", "remove a member, who can join again", Commands::kick),
    (
        "/mute [NAME|* [TIME] [REASON]]",
        "let NAME, or all but operators, say nothing; or list",
        Commands::mute,
    ),
    ("/unmute NAME|*", "let the member, or everybody, speak again", Commands::unmute),
    ("/ban ADDRESS[/BITS]|NAME [TIME] [REASON]", "remove and refuse who has that", Commands::ban),
    ("/unban ADDRESS[/BITS]|NAME", "remove a ban", Commands::unban),
    ("/bans", "list the bans", |commands, _| match &commands.door.bans.list()[..] {
        [] => Ok("nobody is banned".to_owned()),
        bans => Ok(shown(bans, "\n")),
    }),
    ("/forget NAME", "let others have a name that --names keeps", Commands::forget),
    ("/reload", "read the bans, the message of the day and the operators again", Commands::reload),
    ("/stats", "show the statistics", |commands, _| commands.with_room(|room| summary(room, &commands.door))),
    ("/stop", "deliver what was accepted, and stop the server", |commands, _| {
        commands.shutdown.request();
        Ok("stopping: delivering what was accepted".to_owned())
    }),
];

/// Returns each command and what it does.
pub(crate) fn commands() -> Vec<(&'static str, &'static str)> {
    COMMANDS.iter().map(|(form, does, _)| (*form, *does)).collect()
}

/// What the commands use. It holds the room weakly, because the room ends when it is dropped.
pub(crate) struct Commands {
    pub(crate) room: Weak<Room>,
    pub(crate) door: Arc<Door>,
    pub(crate) shutdown: Arc<Shutdown>,
    pub(crate) motd: Motd,
    /// The longest text of a notice, in bytes.
    pub(crate) max_text: usize,
}

impl Commands {
    /// Carries out the command in `line`. Returns the reply.
    ///
    /// # Blocking
    /// On the broadcaster, which waits for no client. On the file system, for the files of the bans and of
    /// the names.
    ///
    /// # Errors
    /// What is wrong with the command, or what it could not do. A text for the operator.
    pub(crate) fn run(&self, line: &str) -> Result<String, String> {
        let (command, rest) = split(trim(line));
        let command = command.to_lowercase();
        let text = if command == "/kick" { split(rest).1 } else { rest };
        if text.len() > self.max_text {
            // A longer text may not fit into a frame.
            return Err(format!("the text has {} bytes, and {} are the most", text.len(), self.max_text));
        }
        if command == "/help" {
            return Ok(in_columns("", &commands()).trim_end().to_owned());
        }
        let Some((form, does, run)) = COMMANDS.iter().find(|(form, ..)| split(form).0 == command) else {
            let command = excerpt(&command);
            return Err(format!(
                "{command:?} is no command of the server; /help lists them, and /say TEXT says something"
            ));
        };
        let is_optional = |arguments: &str| arguments.is_empty() || arguments.starts_with('[');
        if rest.is_empty() && !is_optional(split(form).1) {
            return Err(format!("usage: {form}  {does}"));
        }
        run(self, rest)
    }

    fn say(&self, text: &str) -> Result<String, String> {
        let text = text.to_owned();
        let said = self.ask(|said_tx| Command::Notice { text, said_tx })?;
        said.map(|()| "said".to_owned()).map_err(|refusal| refusal.text)
    }

    /// Bans somebody, and removes the members that the ban covers.
    fn ban(&self, rest: &str) -> Result<String, String> {
        let (word, terms) = split(rest);
        let (ban, typed) = (ban_of(word)?, TypedTerms::read(terms)?);
        let (asked, asked_typed) = (ban.clone(), typed.clone());
        let asked = self.ask(|banned_tx| Command::Ban { ban: asked, typed: asked_typed, banned_tx });
        let Ok((is_new, members)) = asked else { return self.ban_in_file(&ban, &typed) };
        // Who bans an address does not need it offered.
        let out = removed(&members, matches!(ban, Ban::Name(_))) + warning(&ban);
        let (how, covered) =
            (if is_new { "banned" } else { "banned already" }, covering(&ban) + &typed.behind());
        match self.door.bans.save(&ban, &typed.terms) {
            Ok(()) => Ok(format!("{how}: {covered}; {out}")),
            Err(error) => Err(format!(
                "banned until the server ends or /reload: {covered}; the ban file cannot be written: \
                 {error}; {out}"
            )),
        }
    }

    /// Writes a ban into the file alone, because the room is ending. The next server reads it.
    fn ban_in_file(&self, ban: &Ban, typed: &TypedTerms) -> Result<String, String> {
        let covered = covering(ban) + &typed.behind();
        match self.door.bans.save(ban, &typed.terms) {
            _ if !self.door.bans.have_file() => Err(ENDING.to_owned()),
            Ok(()) => Ok(format!("banned from the next start on: {covered}; {ENDING}")),
            Err(error) => Err(format!("not banned: {covered}; the ban file cannot be written: {error}")),
        }
    }

    /// Mutes a name or everybody, for a time or without a time limit. Without a name, it lists the mutes.
    fn mute(&self, rest: &str) -> Result<String, String> {
        if rest.is_empty() {
            return self.with_room(|room| muted(&room.mutes().list()));
        }
        let (name, terms) = split(rest);
        let (name, typed) = (name_of(name)?, TypedTerms::read(terms)?);
        let (asked, asked_typed) = (name.clone(), typed.clone());
        let told = self.ask(|muted_tx| Command::Mute { name: asked, typed: asked_typed, muted_tx })?;
        match told.map_err(|refusal| refusal.text)? {
            Some(name) if name == EVERYBODY => {
                Ok(format!("muted: everybody but operators {typed}; /unmute * ends it"))
            }
            Some(name) => Ok(format!("muted: {name} {typed}; /unmute {name} ends it")),
            None => Ok(format!(
                "muted: {name} {typed}; nobody here has this name now, and /unmute {name} ends it"
            )),
        }
    }

    /// Lets everybody have a name again that belongs to a key.
    fn forget(&self, name: &str) -> Result<String, String> {
        match self.door.names.as_ref().map(|names| names.forget(name)) {
            None => Err("names belong to nobody here; --names FILE of a closed room keeps them".to_owned()),
            Some(Ok(true)) => Ok(format!("forgotten: {name}; it belongs to whoever takes it next")),
            Some(Ok(false)) => Err(format!("not kept: {}; it belongs to nobody", excerpt(name))),
            Some(Err(error)) => Err(format!(
                "forgotten until the server ends: {name}; the names file cannot be written: {error}"
            )),
        }
    }

    fn unmute(&self, rest: &str) -> Result<String, String> {
        let unmuted = name_of(split(rest).0)?;
        let name = unmuted.clone();
        let was_muted = self.ask(|unmuted_tx| Command::Unmute { name, unmuted_tx })?;
        match was_muted.map_err(|refusal| refusal.text)? {
            true if unmuted == EVERYBODY => Ok("no longer muted: everybody".to_owned()),
            true => Ok(format!("no longer muted: {unmuted}")),
            false => Err(format!("not muted: {unmuted}; /mute lists who is")),
        }
    }

    /// Reads the files again that somebody has changed: of the bans, of the message of the day and of the
    /// operators. One that cannot be read changes nothing.
    fn reload(&self, _: &str) -> Result<String, String> {
        let bans = self.door.bans.reload().map_err(|error| format!("cannot use the ban file: {error}"));
        let operators = self.door.operators.as_ref().map_or(Ok(()), Operators::reload);
        let wrong: Vec<String> =
            [bans, self.motd.reload(), operators].into_iter().filter_map(Result::err).collect();
        match wrong.is_empty() {
            true => Ok("read again: the bans, the message of the day and the operators".to_owned()),
            false => Err(format!("not all was read again: {}", wrong.join("; "))),
        }
    }

    fn unban(&self, word: &str) -> Result<String, String> {
        let ban = &Ban::of(word)?;
        let removed = match self.door.bans.remove(ban) {
            Ok(true) => Ok(format!("no longer banned: {ban}")),
            Ok(false) => Err(format!("not banned: {}; /bans lists the bans", excerpt(&ban.to_string()))),
            Err(error) => {
                Err(format!("no longer banned: {ban}; but the ban file cannot be written: {error}"))
            }
        };
        let still = match &self.door.bans.including(ban)[..] {
            [] => String::new(),
            wider => format!("; still banned with all of: {}", shown(wider, ", ")),
        };
        removed.map(|out| out + &still).map_err(|why| why + &still)
    }

    /// Removes the members with the name in `rest`, for the reason that follows it.
    fn kick(&self, rest: &str) -> Result<String, String> {
        let (name, reason) = split(rest);
        let (ban, reason) = (Ban::Name(name.to_owned()), reason.to_owned());
        let members = self.ask(|removed_tx| Command::Remove { ban, reason, removed_tx })?;
        let out = removed(&members, true);
        if members.is_empty() {
            Err(out)
        } else {
            Ok(out)
        }
    }

    /// Sends a command to the broadcaster, and waits for its answer.
    fn ask<T>(&self, command: impl FnOnce(Sender<T>) -> Command) -> Result<T, String> {
        self.with_room(|room| room.ask(command))?.map_err(|_| ENDING.to_owned())
    }

    /// Uses the room if it is still there. The room is held no longer than that, because it cannot end
    /// meanwhile.
    fn with_room<R>(&self, use_room: impl FnOnce(&Room) -> R) -> Result<R, String> {
        self.room.upgrade().map(|room| use_room(&room)).ok_or(ENDING.to_owned())
    }
}

/// Returns the first word, and what follows it.
fn split(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim())
}

/// Returns the name that is to be muted, or `*`.
fn name_of(word: &str) -> Result<String, String> {
    match ban_of(word) {
        _ if word == EVERYBODY => Ok(word.to_owned()),
        Ok(Ban::Name(name)) => Ok(name),
        _ => {
            let word = excerpt(word);
            Err(format!("{word:?} is no name; a mute is for a name or for *, and /who lists who is here"))
        }
    }
}

/// Returns the ban that a word means, of an address or of a name that somebody can have.
fn ban_of(word: &str) -> Result<Ban, String> {
    match Ban::of(word)? {
        Ban::Name(name) if name.len() > MAX_NAME => {
            let (length, name) = (name.len(), excerpt(&name));
            Err(format!("the name {name} has {length} bytes, and {MAX_NAME} are the most"))
        }
        ban => Ok(ban),
    }
}

/// Returns what an operator has to know of a ban that keeps this machine out.
fn warning(ban: &Ban) -> &'static str {
    let own: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let is_own = matches!(ban, Ban::Address(_)) && own.iter().any(|address| ban.covers("", *address));
    if is_own {
        "; this machine's own address is banned: nobody on it can join, nor through a tunnel that ends on it"
    } else {
        ""
    }
}

fn shown(bans: &[(Ban, Terms)], separator: &str) -> String {
    let shown = bans.iter().map(|(ban, terms)| format!("{ban}{}", terms.behind()));
    shown.collect::<Vec<_>>().join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{identity::Bans, settings::Limits};

    #[test]
    fn a_ban_while_the_room_ends_is_there_at_the_next_start() {
        let path = std::env::temp_dir().join(format!("rpc-chat-late-ban-{}", std::process::id()));
        let commands = |bans: Bans| Commands {
            room: Weak::new(),
            door: Arc::new(Door::new(bans, &Limits::default())),
            shutdown: Arc::default(),
            motd: Motd::load(None, 100).unwrap(),
            max_text: 100,
        };
        let reply = commands(Bans::load(path.clone()).unwrap()).run("/ban 192.0.2.7").unwrap();
        assert!(reply.starts_with("banned from the next start on: "), "{reply}");
        let read = Bans::load(path.clone()).unwrap().list();
        assert_eq!(read, [(Ban::of("192.0.2.7").unwrap(), Terms::default())]);
        for file in [path.clone(), path.with_extension("lock")] {
            let _ = std::fs::remove_file(file);
        }
        assert_eq!(commands(Bans::default()).run("/ban 192.0.2.7").unwrap_err(), ENDING);
    }
}
