//! What everybody knows in the closed rooms of one run: one passphrase, one key for all rooms, one for all
//! members.
//!
//! The rooms share a key because ports come again: a client that keeps keys by address would take a new room
//! on an old port for an impostor. Everything stands in one folder of the target folder, where the next run
//! finds it again.

use crate::{
    folder::text,
    process::{target_folder, PASSPHRASE_VARIABLE},
    room::Kind,
};
use chat_common::handshake::{
    credentials::Credentials,
    passphrase::Passphrase,
    state::{load_key, make_directory},
};
use std::{
    fs::{self, OpenOptions},
    io::Write,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process,
    sync::OnceLock,
};

/// The passphrase of each closed room that a test starts, where the test names none.
const WORDS: &str = "lamp river stone cloud";
/// The file with it, and the folder with the keys.
const PASSPHRASE_FILE: &str = "passphrase";
const STATE: &str = "state";
/// The file with the room's key, as chat-server names it.
const ROOM_KEY_FILE: &str = "room_key";
/// The file with the key of the harness's members.
const CLIENT_KEY_FILE: &str = "members_key";

/// The secrets of this run, and where programs find them.
#[derive(Debug)]
pub struct Secrets {
    /// What each room shows.
    pub room: Credentials,
    /// What each member of the harness shows, and each client in the process of a test.
    pub client: Credentials,
    folder: PathBuf,
}

impl Secrets {
    /// Returns the secrets, if the rooms of this run are closed.
    ///
    /// # Panics
    /// When the keys cannot be read or written.
    pub fn of_this_run() -> Option<&'static Secrets> {
        static SECRETS: OnceLock<Secrets> = OnceLock::new();
        Kind::of_this_run().closed.then(|| SECRETS.get_or_init(Secrets::load))
    }

    fn load() -> Secrets {
        let folder = target_folder().join("tmp").join("closed-rooms");
        let state = folder.join(STATE);
        make_directory(&state).unwrap();
        // Another run may read the file meanwhile, so it is whole when it gets its name.
        let unfinished = folder.join(format!("passphrase.{}", process::id()));
        // For its owner alone, or each server would warn of it.
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished).unwrap();
        writeln!(file, "{WORDS}").unwrap();
        fs::rename(&unfinished, folder.join(PASSPHRASE_FILE)).unwrap();
        let [room, client] = [ROOM_KEY_FILE, CLIENT_KEY_FILE].map(|file| Credentials {
            passphrase: Passphrase::new(WORDS).unwrap(),
            key: load_key(&state, file).unwrap(),
        });
        Secrets { room, client, folder }
    }

    /// Returns the environment in which a client finds the passphrase, and a folder for what it keeps. In an
    /// empty folder no room is known, so each client shows the key of its room.
    pub fn client_environment(&self, folder: &Path) -> [(&'static str, String); 2] {
        [(PASSPHRASE_VARIABLE, WORDS.to_owned()), ("XDG_STATE_HOME", text(folder))]
    }

    /// Lets a client that keeps things in `folder` know the room at this address.
    pub fn remember(&self, server: SocketAddr, folder: &Path) {
        let state = folder.join("rpc-chat");
        make_directory(&state).unwrap();
        let line = format!("{server} {}\n", self.room.key.public.to_hex());
        fs::write(state.join("known_rooms"), line).unwrap();
    }

    /// Returns the arguments with which a server takes the passphrase and its key.
    pub fn server_arguments(&self) -> [String; 4] {
        let (passphrase, state) = (self.folder.join(PASSPHRASE_FILE), self.folder.join(STATE));
        ["--passphrase-file".to_owned(), text(&passphrase), "--state".to_owned(), text(&state)]
    }
}
