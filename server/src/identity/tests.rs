//! What the unit tests of this folder share.

use super::scripts::Script;
use chat_common::wire::token::Token;
use std::{env, fs, path::PathBuf};
use unicode_security::confusable_detection::skeleton as unicode_skeleton;

/// An empty folder for the files of one test. Dropping it removes it.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Folder {
        let name = format!("rpc-chat-door-{:016x}", Token::random().unwrap().to_u64());
        let folder = env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        Folder(folder)
    }

    /// The path of a file in the folder, which may be missing.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) fn letters(script: &Script) -> impl Iterator<Item = char> + '_ {
    script.letters.iter().cloned().flatten().map(|number| char::from_u32(number).unwrap())
}

pub(super) fn digits(script: &Script) -> impl Iterator<Item = char> + '_ {
    script.zeros.iter().flat_map(|zero| (*zero..).take(10))
}

/// The text that the eye takes `text` for, after the data of Unicode.
pub(super) fn seen(text: &str) -> String {
    unicode_skeleton(text).collect()
}
