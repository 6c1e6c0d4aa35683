//! A folder for the files of one test. It is removed with everything in it, also when the test fails.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// An empty folder of its own. Dropping it removes it.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Default for Folder {
    fn default() -> Folder {
        Folder::new()
    }
}

impl Folder {
    /// Makes a folder.
    ///
    /// # Panics
    /// When the folder for temporary files takes none.
    pub fn new() -> Folder {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("rpc-chat-test-{}-{}", process::id(), COUNT.fetch_add(1, Relaxed));
        let path = env::temp_dir().join(name);
        // The number of a process that was killed may come again.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Folder(path)
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a file in the folder, as an argument of a program. The file may be missing.
    pub fn file(&self, name: &str) -> String {
        text(&self.0.join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Returns a path as an argument of a program.
///
/// # Panics
/// When it is not UTF-8. The folders of the tests are.
pub(crate) fn text(path: &Path) -> String {
    path.to_str().expect("a folder of the tests has a name of text").to_owned()
}
