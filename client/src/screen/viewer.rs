//! The reader of the lines, on whom some of the words depend. No I/O.

use crate::screen::clock::LocalClock;

/// Who reads the lines, where, and when.
pub(crate) struct Viewer<'v> {
    pub(crate) own_name: &'v str,
    pub(crate) clock: &'v LocalClock,
    /// In milliseconds since the epoch.
    pub(crate) now: u64,
    pub(crate) on_terminal: bool,
}

impl Viewer<'_> {
    /// The local time of day, such as `14:02`. It has the date if that is not today.
    pub(crate) fn time_of(&self, milliseconds: u64) -> String {
        let (time, today) = (self.clock.local(milliseconds), self.clock.local(self.now).date());
        let date = if time.date() == today { String::new() } else { time.date() + " " };
        format!("{date}{}", time.minutes())
    }
}
