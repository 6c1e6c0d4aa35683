//! The file in which the bans survive a restart. The main thread reads it at the start. The threads of
//! operators change it, and read it again.
//!
//! The file has one ban on each line: `address 192.0.2.7`, `address 2001:db8::/64` or `name sara`. Behind it
//! can stand until when it holds, and then why: `name tom until 2026-11-23T08:05:09Z because too loud`.
//! [`kept_file`](chat_common::program::kept_file) says what else it may have, and what a change of it keeps.

use super::{ban::Ban, terms::Terms, NEW_FILE_MODE};
use chat_common::{
    program::kept_file::{KeptFile, LockedFile},
    text::excerpt::excerpt,
};
use std::{collections::BTreeMap, io, path::PathBuf};

/// The greatest length of the file. It has space for 30,000 bans of addresses.
const MAX_BYTES: usize = 1 << 20;

/// The file of the bans. No other server has it.
#[derive(Debug)]
pub(super) struct BanFile(LockedFile);

impl BanFile {
    /// Reads the bans in the file at `path`, and checks that it can be changed.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub(super) fn load(path: PathBuf) -> io::Result<(BanFile, BTreeMap<Ban, Terms>)> {
        let mut list = BTreeMap::new();
        let file = KeptFile::new(path, MAX_BYTES, NEW_FILE_MODE);
        let locked = file.claim("the ban file", |entry| {
            let (ban, terms) = parse(entry)?;
            list.insert(ban, terms);
            Ok(())
        })?;
        Ok((BanFile(locked), list))
    }

    /// Reads the bans again.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// When the file cannot be read, or names the line that is no ban.
    pub(super) fn read(&mut self) -> io::Result<BTreeMap<Ban, Terms>> {
        self.0.change(|lines| {
            let parsed = lines.entries().map(|(number, entry)| {
                parse(&entry).map_err(|why| io::Error::other(format!("line {number}: {why}")))
            });
            parsed.collect()
        })?
    }

    /// Adds a line for the ban, unless the file has one that means the same. One with other terms is
    /// removed.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub(super) fn add(&mut self, ban: &Ban, terms: &Terms) -> io::Result<()> {
        let is_same = |entry: &str| parse(entry).ok().filter(|(there, _)| there.means_the_same(ban));
        self.0.change(|lines| {
            if !lines.entries().any(|(_, entry)| is_same(&entry).is_some_and(|(_, other)| other == *terms)) {
                lines.remove(|entry| is_same(entry).is_some());
                lines.add(&format!("{ban}{}", terms.in_file()));
            }
        })
    }

    /// Removes the lines of the ban. Returns whether there were any.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub(super) fn remove(&mut self, ban: &Ban) -> io::Result<bool> {
        self.0
            .change(|lines| lines.remove(|entry| parse(entry).is_ok_and(|(there, _)| there.is_ended_by(ban))))
    }
}

/// Returns the ban in an entry of the file, and its terms.
fn parse(entry: &str) -> Result<(Ban, Terms), String> {
    let neither = || Err(format!("{:?} is neither \"address ADDRESS\" nor \"name NAME\"", excerpt(entry)));
    let Some((kind, rest)) = entry.split_once(' ') else { return neither() };
    let rest = rest.trim();
    let (word, terms) = rest.split_once(' ').unwrap_or((rest, ""));
    match (kind, Ban::of(word)) {
        ("address", Ok(ban @ Ban::Address(_))) | ("name", Ok(ban @ Ban::Name(_))) => {
            Terms::read_in_file(terms).map(|terms| (ban, terms))
        }
        ("address" | "name", Err(why)) => Err(why),
        _ => neither(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::Folder;
    use std::fs;

    fn ban(word: &str) -> Ban {
        Ban::of(word).unwrap()
    }

    impl Folder {
        fn load(&self) -> io::Result<(BanFile, BTreeMap<Ban, Terms>)> {
            BanFile::load(self.path("bans"))
        }

        fn write(&self, text: &str) {
            fs::write(self.path("bans"), text).unwrap();
        }

        fn read(&self) -> String {
            fs::read_to_string(self.path("bans")).unwrap()
        }
    }

    #[test]
    fn a_change_keeps_every_other_line_and_their_order() {
        let folder = Folder::new();
        let text = "# trolls\nname sara\n\naddress 10.0.0.1\n  # more\nname SARA\nname tom";
        folder.write(text);
        let (mut file, list) = folder.load().unwrap();
        assert_eq!(list.len(), 4);
        file.add(&ban("192.168.1.9/24"), &Terms::default()).unwrap();
        assert_eq!(folder.read(), format!("{text}\naddress 192.168.1.0/24\n"));
        // Meanwhile the operator adds lines by hand, also one that the server does not understand.
        folder.write(&(folder.read() + "name eve\nwhat is this?\n"));
        assert!(file.remove(&ban("Sara")).unwrap());
        assert!(!file.remove(&ban("sara")).unwrap());
        file.add(&ban("tom"), &Terms::default()).unwrap();
        let kept = "# trolls\n\naddress 10.0.0.1\n  # more\nname tom\naddress 192.168.1.0/24\n\
                    name eve\nwhat is this?\n";
        assert_eq!(folder.read(), kept);
    }

    #[test]
    fn old_files_stay_readable() {
        let folder = Folder::new();
        folder.write("address 192.0.2.7\naddress 2001:db8::1\nname sara\n");
        let (mut file, list) = folder.load().unwrap();
        assert!(list.into_keys().eq(["192.0.2.7", "2001:db8::/64", "sara"].map(ban)));
        assert!(file.remove(&ban("2001:db8::")).unwrap());
    }

    #[test]
    fn the_error_for_a_bad_line_has_its_number() {
        let folder = Folder::new();
        for (line, reason) in [
            ("address nowhere", "neither"),
            ("address 10.0.0.0/40", "0 to 32"),
            ("sara", "neither"),
            ("name 10.0.0.1", "neither"),
        ] {
            folder.write(&format!("# kept\n\nname ann\n{line}\n"));
            let error = folder.load().unwrap_err().to_string();
            assert!(error.contains("cannot use the ban file") && error.contains("line 4"), "{error}");
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_ban_with_other_terms_takes_the_place_of_the_same_one() {
        let folder = Folder::new();
        folder.write("name sara\nname tom until 2026-11-23T08:05:09Z because too loud\n");
        let (mut file, list) = folder.load().unwrap();
        let terms = Terms { until: Some(1_795_421_109), reason: "too loud".to_owned() };
        assert_eq!(list[&ban("tom")], terms);
        file.add(&ban("Sara"), &terms).unwrap();
        file.add(&ban("tom"), &terms).unwrap();
        let until = "until 2026-11-23T08:05:09Z because too loud";
        assert_eq!(folder.read(), format!("name tom {until}\nname Sara {until}\n"));
    }
}
