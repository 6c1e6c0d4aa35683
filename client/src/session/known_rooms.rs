//! The file `known_rooms`: which key each closed room has shown, as in ssh. Runs on the main thread.
//!
//! A line is `HOST:PORT` and the key in 64 hexadecimal digits. A line that begins with `#` is a comment. A
//! room has the address that the person gave, with the host in lower case.
//!
//! Requirements:
//! - Several clients at once MUST NOT lose each other's lines. So who writes has a lock, and reads the file
//!   again under it.
//! - A damaged line MUST NOT make a known room an unknown one. So nothing is taken from a file that has one.
//! - A crash MUST NOT leave half of a file.

use chat_common::{
    closed::{state, PublicKey},
    text_file,
};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// The name of the file in the directory for state.
pub(super) const FILE: &str = "known_rooms";
const LOCK: &str = "known_rooms.lock";
/// Written first, and then renamed. Only the holder of the lock writes it.
const UNFINISHED: &str = ".known_rooms.new";
/// More than any person has seen. The whole file is in memory while it is read.
const MAX_ROOMS: usize = 10_000;
/// Enough for so many rooms with the longest names, and comments. In bytes.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

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
    Ok(key_in(&read(&directory.join(FILE))?, &address(server)))
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
    let path = directory.join(FILE);
    // Nothing has to be written then, and the directory may be one that nobody can write.
    if key_in(&read(&path)?, &address(server)) == Some(key) {
        return Ok(Remembered::Already);
    }
    state::make_directory(directory)?;
    let cannot_write = |error: io::Error| format!("cannot write {}: {error}", path.display());
    let lock =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(directory.join(LOCK));
    let lock = lock.and_then(|lock| lock.lock().map(|()| lock));
    // Its end frees the lock.
    let _lock = lock.map_err(cannot_write)?;
    let (mut lines, address) = (read(&path)?, address(server));
    match key_in(&lines, &address) {
        Some(known) if known == key => return Ok(Remembered::Already),
        Some(known) if replaces != Some(known) => return Ok(Remembered::Other(known)),
        _ => {}
    }
    lines.retain(|line| line.room.as_ref().is_none_or(|(known, _)| *known != address));
    if lines.iter().filter(|line| line.room.is_some()).count() >= MAX_ROOMS {
        return Err(format!(
            "{} has {MAX_ROOMS} rooms, and that is the most; remove the lines of some",
            path.display()
        ));
    }
    lines.push(Line { text: format!("{address} {}", key.to_hex()), room: Some((address, key)) });
    let text: String = lines.iter().map(|line| format!("{}\n", line.text)).collect();
    write(directory, &path, &text).map_err(cannot_write)?;
    Ok(Remembered::Now(replaces))
}

/// A line of the file, and the room that it names. A comment names none.
struct Line {
    text: String,
    room: Option<(String, PublicKey)>,
}

/// How the file names a room.
fn address(server: &str) -> String {
    server.to_ascii_lowercase()
}

fn key_in(lines: &[Line], address: &str) -> Option<PublicKey> {
    let rooms = lines.iter().filter_map(|line| line.room.as_ref());
    rooms.into_iter().find(|(known, _)| known == address).map(|(_, key)| *key)
}

fn read(path: &Path) -> Result<Vec<Line>, String> {
    let cannot_read = |why: String| format!("cannot read {}: {why}", path.display());
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(cannot_read(error.to_string())),
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| cannot_read(error.to_string()))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(cannot_read("it has more than 4 MiB; remove the lines of some rooms".to_owned()));
    }
    let text = text_file::decode(&bytes).map_err(|error| cannot_read(error.to_string()))?;
    let line = |(index, text): (usize, &str)| {
        parse(text).ok_or_else(|| {
            format!(
                "line {} of {} is not HOST:PORT and a key; correct it, or remove it and check the room's key \
                 again",
                index + 1,
                path.display()
            )
        })
    };
    text.lines().enumerate().map(line).collect()
}

fn parse(text: &str) -> Option<Line> {
    let mut words = text.split_whitespace();
    let room = match (words.next(), words.next(), words.next()) {
        (None, ..) => None,
        (Some(word), ..) if word.starts_with('#') => None,
        (Some(server), Some(key), None) => Some((address(server), PublicKey::from_hex(key)?)),
        _ => return None,
    };
    Some(Line { text: text.to_owned(), room })
}

fn write(directory: &Path, path: &Path, text: &str) -> io::Result<()> {
    let unfinished: PathBuf = directory.join(UNFINISHED);
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_common::closed::KeyPair;
    use std::thread;

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
        let lines = read(&directory.join(FILE)).unwrap();
        assert_eq!(lines.len(), CLIENTS * ROOMS);
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
        fs::write(&path, "#".repeat(MAX_BYTES as usize + 1)).unwrap();
        assert!(key_of(&directory, "a:1").unwrap_err().contains("4 MiB"));
        let key_of_all = key().to_hex();
        let rooms: String = (0..MAX_ROOMS).map(|room| format!("{room}:1 {key_of_all}\n")).collect();
        fs::write(&path, &rooms).unwrap();
        assert!(remember(&directory, "new:1", key(), None).unwrap_err().contains("10000 rooms"));
        assert_eq!(fs::read_to_string(&path).unwrap(), rooms);
        fs::remove_dir_all(directory).unwrap();
    }
}
