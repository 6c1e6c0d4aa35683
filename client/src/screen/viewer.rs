//! The reader of the lines, on whom some of the words depend. No I/O.

use crate::{
    screen::styled_line::StyledLine,
    settings::{Bell, TimeFormat},
};
use chat_common::{program::zone::Zone, terminal::color::Style};

/// Who reads the lines, and when.
pub(crate) struct Viewer {
    pub(crate) own_name: String,
    pub(crate) zone: Zone,
    /// In milliseconds since the epoch.
    pub(crate) now: u64,
    /// What stands before each line.
    pub(crate) time: TimeFormat,
    pub(crate) bell: Bell,
}

impl Viewer {
    /// The local time of day, such as `14:02`. It has the date if that is not today.
    pub(crate) fn time_of(&self, milliseconds: u64) -> String {
        let (time, today) = (self.zone.local(milliseconds), self.zone.local(self.now).date());
        let date = if time.date() == today { String::new() } else { time.date() + " " };
        format!("{date}{}", time.minutes())
    }

    /// Returns what stands before a line: the local time, if there is to be one, and a space.
    pub(crate) fn prefix(&self, line: &StyledLine) -> String {
        let time = line.time.unwrap_or(self.now);
        match self.time {
            TimeFormat::Off => String::new(),
            TimeFormat::Time => self.time_of(time) + " ",
            TimeFormat::Date => self.zone.local(time).date_and_seconds() + " ",
        }
    }

    /// Returns the spans of a line, with what stands before it.
    pub(crate) fn with_time(&self, line: &StyledLine) -> Vec<(Style, String)> {
        let prefix = Some((Style::Dim, self.prefix(line))).filter(|(_, prefix)| !prefix.is_empty());
        prefix.into_iter().chain(line.spans.iter().cloned()).collect()
    }

    #[cfg(test)]
    pub(crate) fn at(now: u64) -> Viewer {
        let (zone, time, bell) = (Zone::default(), TimeFormat::Off, Bell::Off);
        Viewer { own_name: "Tom".into(), zone, now, time, bell }
    }
}
