//! The file `known_rooms`: which key each closed room has shown, as in ssh. Runs on the main thread.
//!
//! A line is `HOST:PORT` and the key in 64 hexadecimal digits. A room has the address that the person gave,
//! with the host in lower case. [`kept_file`](chat_common::program::kept_file) says what else the file may
//! have, and that several clients at once do not lose each other's lines.
//!
//! A damaged line MUST NOT make a known room an unknown one. So nothing is taken from a file that has one.

use chat_common::{
    handshake::state,
    program::kept_file::{KeptFile, Lines},
    wire::seal::PublicKey,
};
use std::{
    io::{self, ErrorKind},
    path::Path,
};

/// The name of the file in the directory for state.
pub(super) const FILE: &str = "known_rooms";
/// More than any person has seen. The whole file is in memory while it is read.
const MAX_ROOMS: usize = 10_000;
/// Enough for so many rooms with the longest names, and comments.
const MAX_BYTES: usize = 4 << 20;

/// What became of a key that was to be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remembered {
    /// The file had it already.
    Already,
    /// The file has it now, in the place of the other key if there was one.
    Now(Option<PublicKey>),
    /// The file has another key for this room, and keeps it.
    Other(PublicKey),
}

/// Returns the key that is known for the room at `server`.
///
/// # Errors
/// When the file cannot be read or is damaged. One line for people.
pub(crate) fn key_of(directory: &Path, server: &str) -> Result<Option<PublicKey>, String> {
    let lines = match file(directory).read() {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None)
        }
        read => read.map_err(|error| format!("cannot read {}: {error}", directory.join(FILE).display()))?,
    };
    Ok(key_in(&rooms(&lines, directory)?, &address(server)))
}

/// Remembers the key of the room at `server`. Replaces the key `replaces`, and no other.
///
/// # Blocking
/// On another client that writes the file, for some milliseconds.
///
/// # Errors
/// When the file cannot be read or written. One line for people. The file is then as before.
pub(crate) fn remember(
    directory: &Path,
    server: &str,
    key: PublicKey,
    replaces: Option<PublicKey>,
) -> Result<Remembered, String> {
    // Nothing has to be written then, and the directory may be one that nobody can write.
    if key_of(directory, server)? == Some(key) {
        return Ok(Remembered::Already);
    }
    state::make_directory(directory)?;
    let change = |lines: &mut Lines| {
        let (rooms, address) = (rooms(lines, directory)?, address(server));
        match key_in(&rooms, &address) {
            Some(known) if known == key => Ok(Remembered::Already),
            Some(known) if replaces != Some(known) => Ok(Remembered::Other(known)),
            known => {
                if known.is_none() && rooms.len() >= MAX_ROOMS {
                    return Err(format!(
                        "{} has {MAX_ROOMS} rooms, and that is the most; remove the lines of some",
                        directory.join(FILE).display()
                    ));
                }
                lines.remove(|entry| parse(entry).is_some_and(|(room, _)| room == address));
                lines.add(&format!("{address} {}", key.to_hex()));
                Ok(Remembered::Now(replaces))
            }
        }
    };
    let cannot_write = |error: io::Error| format!("cannot write {}: {error}", directory.join(FILE).display());
    file(directory).lock().and_then(|mut file| file.change(change)).map_err(cannot_write)?
}

fn file(directory: &Path) -> KeptFile {
    KeptFile::new(directory.join(FILE), MAX_BYTES, state::FILE_MODE)
}

/// How the file names a room.
fn address(server: &str) -> String {
    server.to_ascii_lowercase()
}

fn key_in(rooms: &[(String, PublicKey)], address: &str) -> Option<PublicKey> {
    rooms.iter().find(|(known, _)| known == address).map(|(_, key)| *key)
}

/// Returns the rooms in the file of this directory.
fn rooms(lines: &Lines, directory: &Path) -> Result<Vec<(String, PublicKey)>, String> {
    let room = |(number, entry): (usize, String)| {
        parse(&entry).ok_or_else(|| {
            format!(
                "line {number} of {} is not HOST:PORT and a key; correct it, or remove it and check the \
                 room's key again",
                directory.join(FILE).display()
            )
        })
    };
    lines.entries().map(room).collect()
}

fn parse(entry: &str) -> Option<(String, PublicKey)> {
    let mut words = entry.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some(server), Some(key), None) => Some((address(server), PublicKey::from_hex(key)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_common::wire::seal::KeyPair;
    use std::{fs, path::PathBuf, thread};

    /// The lock beside the file.
    const LOCK: &str = "known_rooms.lock";

    fn temporary(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("rpc-chat-rooms-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        path
    }

    fn key() -> PublicKey {
        KeyPair::generate().unwrap().public
    }

    #[test]
    fn a_room_is_known_by_its_address_and_letters_in_any_case() {
        let (directory, first, second) = (temporary("address"), key(), key());
        assert_eq!(key_of(&directory, "Room.example:1").unwrap(), None);
        assert_eq!(remember(&directory, "Room.example:1", first, None), Ok(Remembered::Now(None)));
        assert_eq!(remember(&directory, "room.example:2", second, None), Ok(Remembered::Now(None)));
        assert_eq!(key_of(&directory, "ROOM.example:1").unwrap(), Some(first));
        assert_eq!(key_of(&directory, "room.example:2").unwrap(), Some(second));
        assert_eq!(key_of(&directory, "room.example:3").unwrap(), None);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_key_is_replaced_only_in_place_of_the_one_that_was_meant() {
        let (directory, [first, second, third]) = (temporary("replace"), [key(), key(), key()]);
        remember(&directory, "a:1", first, None).unwrap();
        fs::write(
            directory.join(FILE),
            format!("# mine\n\n{}", fs::read_to_string(directory.join(FILE)).unwrap()),
        )
        .unwrap();
        assert_eq!(remember(&directory, "a:1", first, None), Ok(Remembered::Already));
        for replaces in [None, Some(third)] {
            assert_eq!(remember(&directory, "a:1", second, replaces), Ok(Remembered::Other(first)));
        }
        assert_eq!(remember(&directory, "a:1", second, Some(first)), Ok(Remembered::Now(Some(first))));
        let text = fs::read_to_string(directory.join(FILE)).unwrap();
        assert_eq!(text, format!("# mine\n\na:1 {}\n", second.to_hex()));
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_file_that_was_saved_on_windows_is_read() {
        let (directory, [first, second]) = (temporary("windows"), [key(), key()]);
        state::make_directory(&directory).unwrap();
        let text = format!("\u{feff}a:1 {}\r\nb:1 {}\r\n", first.to_hex(), second.to_hex());
        fs::write(directory.join(FILE), text).unwrap();
        assert_eq!(key_of(&directory, "a:1").unwrap(), Some(first));
        assert_eq!(remember(&directory, "b:1", second, None), Ok(Remembered::Already));
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_known_room_needs_nothing_to_be_written() {
        let (directory, key) = (temporary("known"), key());
        remember(&directory, "a:1", key, None).unwrap();
        fs::remove_file(directory.join(LOCK)).unwrap();
        // Root may write everywhere, but nobody can write this.
        fs::create_dir(directory.join(LOCK)).unwrap();
        assert_eq!(remember(&directory, "a:1", key, None), Ok(Remembered::Already));
        remember(&directory, "b:1", key, None).unwrap_err();
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_link_to_the_file_stays_one_and_a_pipe_in_its_place_is_not_waited_for() {
        let (directory, key) = (temporary("link"), key());
        fs::create_dir_all(directory.join("elsewhere")).unwrap();
        let (path, target) = (directory.join(FILE), directory.join("elsewhere/rooms"));
        std::os::unix::fs::symlink("elsewhere/rooms", &path).unwrap();
        for room in ["a:1", "b:1"] {
            assert_eq!(remember(&directory, room, key, None), Ok(Remembered::Now(None)));
            assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
        }
        assert_eq!(fs::read_to_string(&target).unwrap().lines().count(), 2);
        fs::remove_file(&target).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&target).status().unwrap().success());
        for why in
            [key_of(&directory, "a:1").unwrap_err(), remember(&directory, "a:1", key, None).unwrap_err()]
        {
            assert!(why.ends_with("/known_rooms: it is not a regular file"), "{why}");
        }
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn clients_at_once_lose_no_line() {
        const CLIENTS: usize = 8;
        const ROOMS: usize = 10;
        let (directory, key) = (temporary("at-once"), key());
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let directory = &directory;
                scope.spawn(move || {
                    for room in 0..ROOMS {
                        remember(directory, &format!("{client}:{room}"), key, None).unwrap();
                    }
                });
            }
        });
        let lines = fs::read_to_string(directory.join(FILE)).unwrap();
        assert_eq!(lines.lines().count(), CLIENTS * ROOMS);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_damaged_line_and_a_file_that_is_too_long_are_refused() {
        let directory = temporary("damaged");
        state::make_directory(&directory).unwrap();
        let path = directory.join(FILE);
        let good = format!("a:1 {}\n", key().to_hex());
        for bad in ["b:1", "b:1 12ab", &format!("{} more", good.trim())] {
            fs::write(&path, format!("{good}{bad}\n")).unwrap();
            for why in [
                key_of(&directory, "a:1").unwrap_err(),
                remember(&directory, "c:1", key(), None).unwrap_err(),
            ] {
                assert!(why.starts_with("line 2 of ") && !why.contains('\n'), "{why}");
            }
        }
        fs::write(&path, "#".repeat(MAX_BYTES + 1)).unwrap();
        assert!(key_of(&directory, "a:1").unwrap_err().contains("4MiB"));
        let key_of_all = key().to_hex();
        let rooms: String = (0..MAX_ROOMS).map(|room| format!("{room}:1 {key_of_all}\n")).collect();
        fs::write(&path, &rooms).unwrap();
        assert!(remember(&directory, "new:1", key(), None).unwrap_err().contains("10000 rooms"));
        assert_eq!(fs::read_to_string(&path).unwrap(), rooms);
        fs::remove_dir_all(directory).unwrap();
    }
}
