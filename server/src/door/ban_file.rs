//! The file in which the bans survive a restart. The main thread reads it at the start, and the console
//! changes it.
//!
//! The file has one ban on each line: `address 192.0.2.7`, `address 2001:db8::/64` or `name sara`.
//! `kept_file` says what else it may have, and what a change of it keeps.

use super::{ban::Ban, kept_file::KeptFile};
use std::{collections::BTreeSet, io, path::PathBuf};

/// The greatest length of the file. It has space for 30,000 bans of addresses.
const MAX_BYTES: usize = 1 << 20;

/// The file of the bans.
#[derive(Debug)]
pub(super) struct BanFile(KeptFile);

impl BanFile {
    pub(super) fn new(path: PathBuf) -> BanFile {
        BanFile(KeptFile::new(path, MAX_BYTES))
    }

    /// Reads the bans, and checks that a new version of the file can be written.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub(super) fn load(&self) -> io::Result<BTreeSet<Ban>> {
        let mut list = BTreeSet::new();
        self.0.load("the ban file", |entry| {
            list.insert(parse(entry)?);
            Ok(())
        })?;
        Ok(list)
    }

    /// Adds a line for the ban, unless the file has one.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub(super) fn add(&self, ban: &Ban) -> io::Result<()> {
        let mut contents = self.0.read_to_change()?;
        if contents.entries().any(|entry| parse(&entry).as_ref() == Ok(ban)) {
            return Ok(());
        }
        contents.add_entry(&ban.to_string());
        contents.replace()
    }

    /// Removes the lines of the ban. Returns whether there were any.
    ///
    /// # Blocking
    /// On the file system.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub(super) fn remove(&self, ban: &Ban) -> io::Result<bool> {
        self.0.remove(|entry| parse(entry).as_ref() == Ok(ban))
    }
}

/// Returns the ban in an entry of the file.
fn parse(entry: &str) -> Result<Ban, String> {
    let neither = || Err(format!("{entry:?} is neither \"address ADDRESS\" nor \"name NAME\""));
    let Some((kind, word)) = entry.split_once(' ') else { return neither() };
    match (kind, Ban::of(word.trim())) {
        ("address", Ok(ban @ Ban::Address(_))) | ("name", Ok(ban @ Ban::Name(_))) => Ok(ban),
        ("address" | "name", Err(why)) => Err(why),
        _ => neither(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::door::tests::Folder;
    use std::{
        fs,
        os::unix::fs::{symlink, PermissionsExt},
    };

    fn ban(word: &str) -> Ban {
        Ban::of(word).unwrap()
    }

    impl Folder {
        fn file(&self, name: &str) -> BanFile {
            BanFile::new(self.path(name))
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.path(name), text).unwrap();
        }

        fn read(&self, name: &str) -> String {
            fs::read_to_string(self.path(name)).unwrap()
        }
    }

    #[test]
    fn a_change_keeps_every_other_line_and_their_order() {
        let folder = Folder::new();
        let text = "# trolls\nname sara\n\naddress 10.0.0.1\n  # more\nname SARA\nname tom";
        folder.write("bans", text);
        let file = folder.file("bans");
        assert_eq!(file.load().unwrap().len(), 3);
        file.add(&ban("192.168.1.9/24")).unwrap();
        assert_eq!(folder.read("bans"), format!("{text}\naddress 192.168.1.0/24\n"));
        // Meanwhile the operator adds lines by hand, also one that the server does not understand.
        folder.write("bans", &(folder.read("bans") + "name eve\nwhat is this?\n"));
        assert!(file.remove(&ban("sara")).unwrap());
        assert!(!file.remove(&ban("sara")).unwrap());
        file.add(&ban("tom")).unwrap();
        let kept = "# trolls\n\naddress 10.0.0.1\n  # more\nname tom\naddress 192.168.1.0/24\n\
                    name eve\nwhat is this?\n";
        assert_eq!(folder.read("bans"), kept);
        assert_eq!(folder.names(), ["bans"]);
    }

    #[test]
    fn old_files_stay_readable() {
        let folder = Folder::new();
        folder.write("bans", "address 192.0.2.7\naddress 2001:db8::1\nname sara\n");
        let list = folder.file("bans").load().unwrap();
        assert_eq!(list, ["192.0.2.7", "2001:db8::/64", "sara"].map(ban).into());
        assert!(folder.file("bans").remove(&ban("2001:db8::")).unwrap());
    }

    #[test]
    fn a_change_keeps_the_mode_of_the_file() {
        let folder = Folder::new();
        folder.write("bans", "name sara\n");
        for mode in [0o600, 0o640, 0o666] {
            fs::set_permissions(folder.path("bans"), fs::Permissions::from_mode(mode)).unwrap();
            folder.file("bans").add(&ban(&format!("tom{mode}"))).unwrap();
            let kept = fs::metadata(folder.path("bans")).unwrap().permissions().mode();
            assert_eq!(kept & 0o777, mode);
        }
    }

    #[test]
    fn a_symbolic_link_stays_one_and_its_target_changes() {
        let folder = Folder::new();
        fs::create_dir(folder.path("real")).unwrap();
        // The first change creates the file that the link leads to.
        symlink("real/bans", folder.path("bans")).unwrap();
        for (change, text) in [("sara", "name sara\n"), ("tom", "name sara\nname tom\n")] {
            folder.file("bans").load().unwrap();
            folder.file("bans").add(&ban(change)).unwrap();
            assert!(fs::symlink_metadata(folder.path("bans")).unwrap().is_symlink());
            assert_eq!(folder.read("real/bans"), text);
        }
        assert_eq!(folder.names(), ["bans", "real"]);
    }

    #[test]
    fn files_of_others_are_left_alone() {
        let folder = Folder::new();
        folder.write("bans.new", "mine");
        let file = folder.file("bans");
        file.load().unwrap();
        file.add(&ban("sara")).unwrap();
        assert_eq!(folder.read("bans.new"), "mine");
        assert_eq!(folder.names(), ["bans", "bans.new"]);
    }

    #[test]
    fn only_a_regular_file_of_at_most_1_mib_is_read() {
        let folder = Folder::new();
        folder.write("long", &"#\n".repeat(MAX_BYTES / 2));
        assert!(folder.file("long").load().unwrap().is_empty());
        let error = folder.file("long").add(&ban("sara")).unwrap_err().to_string();
        assert!(error.contains("more than 1 MiB"), "{error}");
        folder.write("too-long", &"#".repeat(MAX_BYTES + 1));
        fs::write(folder.path("binary"), [0xff; 9]).unwrap();
        fs::write(folder.path("latin-1"), b"# caf\xe9\nname tom\n").unwrap();
        assert_eq!(folder.file("latin-1").load().unwrap().len(), 1);
        folder.file("latin-1").add(&ban("sara")).unwrap();
        let kept = fs::read(folder.path("latin-1")).unwrap();
        assert_eq!(kept, b"# caf\xe9\nname tom\nname sara\n");
        fs::create_dir(folder.path("folder")).unwrap();
        symlink("circle", folder.path("circle")).unwrap();
        for (name, reason) in [
            ("too-long", "more than 1 MiB"),
            ("binary", "line 1"),
            ("folder", "not a regular file"),
            ("circle", "circle"),
            ("/dev/full", "not a regular file"),
            ("/dev/zero", "not a regular file"),
        ] {
            let error = folder.file(name).load().unwrap_err().to_string();
            assert!(error.contains("cannot use the ban file") && error.contains(name), "{error}");
            assert!(error.contains(reason), "{error}");
        }
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
            folder.write("bans", &format!("# kept\n\nname ann\n{line}\n"));
            let error = folder.file("bans").load().unwrap_err().to_string();
            assert!(error.contains("line 4") && error.contains(reason), "{error}");
        }
    }
}
