//! The kind of room in which the scenarios run: `CHAT_ROOM=journal` gives each server that a test starts a
//! journal of its own. Without it, a server has what its test asks for.
//!
//! A test about a room that has no journal says so: [`Program::server_that_forgets`] and
//! [`Program::start_server_that_forgets`].
//!
//! [`Program::server_that_forgets`]: crate::process::Program::server_that_forgets
//! [`Program::start_server_that_forgets`]: crate::process::Program::start_server_that_forgets

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::{
        atomic::{AtomicU64, Ordering::Relaxed},
        OnceLock,
    },
};

/// The variable with the kind of room: nothing, or names with commas between.
const VARIABLE: &str = "CHAT_ROOM";
/// The shortest that a server takes, in bytes: so a scenario goes through several files, and fills few zeros.
pub(crate) const SEGMENT_BYTES: u64 = 64 << 10;

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
                "closed" => panic!("{VARIABLE}={names}: the harness cannot start a closed room yet"),
                _ => panic!("{VARIABLE}={names}: there is no room of the kind {name:?}"),
            }
        }
        kind
    }
}

/// What a client writes when it has joined a room of the kind of this run, which has no message of the day.
pub fn connected() -> String {
    format!("{CONNECTED}\n{}", kept())
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

/// The last field of `connected` in JSON, where the room of this run keeps what is said.
pub fn kept_field() -> &'static str {
    if Kind::of_this_run().journal {
        ",\"kept_for\":2592000"
    } else {
        ""
    }
}

/// A folder that is removed when this is dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Default for Folder {
    fn default() -> Folder {
        Folder::new()
    }
}

impl Folder {
    /// Returns a folder that is not there yet.
    pub fn new() -> Folder {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("rpc-chat-room-{}-{}", process::id(), COUNT.fetch_add(1, Relaxed));
        let path = env::temp_dir().join(name);
        // The number of a process that was killed may come again.
        let _ = fs::remove_dir_all(&path);
        Folder(path)
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a server needs for a room of the kind of this run. It must live as long as the server.
#[derive(Debug)]
pub struct Room {
    journal: Option<Folder>,
}

impl Room {
    /// A room without a journal, whatever the kind of this run.
    pub fn that_forgets() -> Room {
        Room { journal: None }
    }

    /// Makes a new room. A test that names a journal itself gets none from here.
    pub fn new(names_a_journal: bool) -> Room {
        let wants = Kind::of_this_run().journal && !names_a_journal;
        Room { journal: wants.then(Folder::new) }
    }

    /// Returns the folder of its journal.
    pub fn journal(&self) -> Option<&Path> {
        self.journal.as_ref().map(Folder::path)
    }

    /// Returns the arguments of a server with this room.
    pub fn arguments(&self) -> Vec<String> {
        let Some(journal) = self.journal() else { return Vec::new() };
        let path = journal.to_str().expect("the folder for temporary files has a name of text").to_owned();
        vec!["--journal".to_owned(), path, "--segment-size".to_owned(), SEGMENT_BYTES.to_string()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_are_read_from_their_names() {
        assert_eq!(Kind::read(""), Kind::default());
        assert_eq!(Kind::read("journal"), Kind { journal: true, closed: false });
    }

    #[test]
    #[should_panic(expected = "cannot start a closed room yet")]
    fn a_kind_that_is_not_there_yet_is_refused() {
        Kind::read("journal,closed");
    }

    #[test]
    #[should_panic(expected = "no room of the kind \"journl\"")]
    fn a_kind_that_is_misspelt_is_refused() {
        Kind::read("journl");
    }
}
