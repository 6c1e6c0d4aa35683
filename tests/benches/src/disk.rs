//! The disk on which the servers of a run keep what they must not lose: how long a sync takes there, and how
//! much a folder holds. Runs on the main thread.

use crate::measure::Figure;
use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

/// How many writes are measured.
const WRITES: u64 = 100;

/// Measures a write and its sync into a file in `folder` that was filled with zeros before: the median.
///
/// # Blocking
/// On the disk.
pub fn sync_times(folder: &Path) -> io::Result<Vec<Figure>> {
    let median = |bytes| sync_time(folder, bytes).map(|time| time.as_secs_f64() * 1e3);
    Ok(vec![("sync_4_kib_ms", median(4 << 10)?), ("sync_64_kib_ms", median(64 << 10)?)])
}

fn sync_time(folder: &Path, bytes: usize) -> io::Result<Duration> {
    let path = folder.join("bench-sync");
    let file = File::create(&path)?;
    let (zeros, data) = (vec![0; bytes], vec![1; bytes]);
    (0..WRITES).try_for_each(|index| file.write_all_at(&zeros, index * bytes as u64))?;
    file.sync_all()?;
    let one = |index| {
        let start = Instant::now();
        file.write_all_at(&data, index * bytes as u64)?;
        file.sync_data()?;
        Ok(start.elapsed())
    };
    let mut times = (0..WRITES).map(one).collect::<io::Result<Vec<Duration>>>()?;
    fs::remove_file(path)?;
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

/// Returns the length of all files in `folder` whose names end with `extension`, in bytes.
pub fn bytes_of_files(folder: &Path, extension: &str) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in folder.read_dir()? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|found| found == extension) {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}
