//! The kind of room in which the scenarios run. `CHAT_ROOM=journal` gives each server that a test starts a
//! journal of its own. `CHAT_ROOM=closed` gives each a passphrase, and each client knows it; that needs the
//! feature `closed`. `CHAT_ROOM=closed,journal` does both. Without it, a server has what its test asks for.
//!
//! A test about a room that has no journal says so: [`Program::server_that_forgets`] and
//! [`Program::start_server_that_forgets`]. So does a test about an open room: [`TestServer::that_is_open`],
//! [`Program::start_server_that_is_open`] and [`in_the_open`].
//!
//! [`TestServer::that_is_open`]: crate::server::TestServer::that_is_open
//! [`Program::server_that_forgets`]: crate::process::Program::server_that_forgets
//! [`Program::start_server_that_forgets`]: crate::process::Program::start_server_that_forgets
//! [`Program::start_server_that_is_open`]: crate::process::Program::start_server_that_is_open
//! [`in_the_open`]: crate::process::in_the_open

use crate::folder::{text, Folder};
#[cfg(feature = "closed")]
use crate::secrets::Secrets;
#[cfg(feature = "closed")]
use chat_client::AccessOptions;
use chat_client::JoinOptions;
use chat_server::{Bytes, Settings};
use std::{env, net::SocketAddr, path::Path, sync::OnceLock};

/// The variable with the kind of room: nothing, or names with commas between.
const VARIABLE: &str = "CHAT_ROOM";
/// The shortest that a server takes, in bytes: so a scenario goes through several files, and fills few zeros.
pub(crate) const SEGMENT_BYTES: usize = 64 << 10;

/// The first line of a client that has joined.
const CONNECTED: &str = "Connected! Start typing...";

/// What each server has that a test starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kind {
    /// A journal in a new folder, where the test names none.
    pub journal: bool,
    /// A passphrase.
    pub closed: bool,
}

impl Kind {
    /// Returns the kind that the environment asks for.
    ///
    /// # Panics
    /// When there is no such kind.
    pub fn of_this_run() -> Kind {
        static KIND: OnceLock<Kind> = OnceLock::new();
        *KIND.get_or_init(|| Kind::read(&env::var(VARIABLE).unwrap_or_default()))
    }

    fn read(names: &str) -> Kind {
        let mut kind = Kind::default();
        for name in names.split(',').filter(|name| !name.is_empty()) {
            match name {
                "journal" => kind.journal = true,
                "closed" if cfg!(feature = "closed") => kind.closed = true,
                "closed" => panic!("{VARIABLE}={names} needs the feature: cargo test --features closed"),
                _ => panic!("{VARIABLE}={names}: there is no room of the kind {name:?}"),
            }
        }
        kind
    }
}

/// What a client writes when it has joined a room of the kind of this run, which has no message of the day.
pub fn connected() -> String {
    format!("{CONNECTED}\n{}{}", kept(), remembered())
}

/// The lines of [`connected`].
pub fn connected_lines() -> Vec<String> {
    connected().lines().map(str::to_owned).collect()
}

/// What a client writes when the room of this run keeps what is said: a line, or nothing.
pub fn kept() -> &'static str {
    if Kind::of_this_run().journal {
        "--- what is said here is kept by the server for 30 days ---\n"
    } else {
        ""
    }
}

/// What a client writes when it has joined a closed room for the first time: a line, or nothing. A client of
/// the harness has never been there; only those on a terminal have, because a small screen has no space for
/// the line.
pub fn remembered() -> String {
    #[cfg(feature = "closed")]
    if let Some(secrets) = Secrets::of_this_run() {
        let key = secrets.room.key.public.fingerprint();
        return format!("--- the room's key is {key}; it is remembered ---\n");
    }
    String::new()
}

/// What a server of this run with a passphrase writes when it has started: a line, or nothing.
pub fn room_key_line() -> String {
    #[cfg(feature = "closed")]
    if let Some(secrets) = Secrets::of_this_run() {
        return format!("The room's key is {}\n", secrets.room.key.public.fingerprint());
    }
    String::new()
}

/// The last field of `connected` in JSON, where the room of this run keeps what is said.
pub fn kept_field() -> &'static str {
    if Kind::of_this_run().journal {
        ",\"kept_for\":2592000"
    } else {
        ""
    }
}

/// What a server needs for a room of the kind of this run. It must live as long as the server.
#[derive(Debug)]
pub struct Room {
    journal: Option<Folder>,
    #[cfg(feature = "closed")]
    closed: bool,
}

impl Room {
    /// Makes a room of the kind of this run. It has nothing that the test gives the server itself.
    pub fn beside(given: Kind) -> Room {
        let kind = Kind::of_this_run();
        Room {
            journal: (kind.journal && !given.journal).then(Folder::new),
            #[cfg(feature = "closed")]
            closed: kind.closed && !given.closed,
        }
    }

    /// Makes a room of the kind of this run, but without a journal.
    pub fn that_forgets() -> Room {
        Room::beside(Kind { journal: true, closed: false })
    }

    /// Makes a room of the kind of this run, but without a passphrase.
    pub fn that_is_open() -> Room {
        Room::beside(Kind { journal: false, closed: true })
    }

    /// Returns the folder of its journal.
    pub fn journal(&self) -> Option<&Path> {
        self.journal.as_ref().map(Folder::path)
    }

    /// Returns the arguments of a server with this room.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        if let Some(journal) = self.journal() {
            let (path, segment) = (text(journal), SEGMENT_BYTES.to_string());
            arguments.extend(["--journal".to_owned(), path, "--segment-size".to_owned(), segment]);
        }
        #[cfg(feature = "closed")]
        if let (true, Some(secrets)) = (self.closed, Secrets::of_this_run()) {
            arguments.extend(secrets.server_arguments());
        }
        arguments
    }

    /// Gives a server in the process of the test what it needs for this room.
    pub fn give(&self, settings: &mut Settings) {
        if let Some(journal) = self.journal() {
            settings.journal.directory = Some(journal.to_owned());
            settings.journal.segment_size = Bytes(SEGMENT_BYTES);
        }
        #[cfg(feature = "closed")]
        if let (true, Some(secrets)) = (self.closed, Secrets::of_this_run()) {
            settings.closed = Some(secrets.room.clone());
        }
    }
}

/// Returns the environment of a client for rooms of the kind of this run: nothing, or a passphrase. The
/// client may keep things in `folder`.
pub(crate) fn client_environment(folder: &Folder) -> Vec<(&'static str, String)> {
    #[cfg(feature = "closed")]
    if let Some(secrets) = Secrets::of_this_run() {
        return secrets.client_environment(folder.path()).into();
    }
    let _ = folder;
    Vec::new()
}

/// Returns a folder for what a client keeps that has been in the room at this address before.
pub fn folder_that_knows(server: SocketAddr) -> Folder {
    let folder = Folder::new();
    #[cfg(feature = "closed")]
    if let Some(secrets) = Secrets::of_this_run() {
        secrets.remember(server, folder.path());
    }
    let _ = server;
    folder
}

/// Returns the options of a client in the process of the test, which knows the rooms of this run.
pub fn join_options(server: SocketAddr) -> JoinOptions {
    let options = JoinOptions::new(server.to_string());
    #[cfg(feature = "closed")]
    if let Some(secrets) = Secrets::of_this_run() {
        let access = AccessOptions { credentials: Some(secrets.client.clone()), ..AccessOptions::default() };
        return JoinOptions { access, ..options };
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_are_read_from_their_names() {
        assert_eq!(Kind::read(""), Kind::default());
        assert_eq!(Kind::read("journal"), Kind { journal: true, closed: false });
    }

    #[cfg(feature = "closed")]
    #[test]
    fn a_closed_room_can_have_a_journal() {
        assert_eq!(Kind::read("closed,journal"), Kind { journal: true, closed: true });
    }

    #[cfg(not(feature = "closed"))]
    #[test]
    #[should_panic(expected = "needs the feature: cargo test --features closed")]
    fn a_closed_room_is_not_replaced_by_an_open_one() {
        Kind::read("journal,closed");
    }

    #[test]
    #[should_panic(expected = "no room of the kind \"journl\"")]
    fn a_kind_that_is_misspelt_is_refused() {
        Kind::read("journl");
    }
}
