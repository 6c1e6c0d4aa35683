//! For how long a ban or a mute holds, and why. Plain values, for any thread.

use chat_common::{
    program::wall_clock,
    text::{
        calendar::DateTime,
        excerpt::excerpt,
        units::{parse_time, show_roughly, TIME_FORM},
    },
};
use std::{fmt, time::Duration};

/// The longest reason, in bytes. It stands in one record of the journal, and in one line of the ban file.
const MAX_REASON: usize = 256;
/// The last second with a year of four digits, since the Unix epoch. The ban file can say no later one.
const LAST_SECOND: u64 = 253_402_300_799;

/// For how long a ban or a mute holds, and why.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    /// The time as it was typed, until the terms are in a list. From then on it is what is left.
    given: Option<Duration>,
    /// When it ends: seconds since the Unix epoch, by the clock of the server. `None` means that only an
    /// operator ends it.
    pub(crate) until: Option<u64>,
    /// Why, for those whom it meets. It can be empty.
    pub(crate) reason: String,
}

impl PartialEq for Terms {
    fn eq(&self, other: &Terms) -> bool {
        (self.until, &self.reason) == (other.until, &other.reason)
    }
}

impl Eq for Terms {}

impl Terms {
    pub(crate) fn new(until: Option<u64>, reason: String) -> Terms {
        Terms { given: None, until, reason }
    }

    /// Returns the terms as they are kept in a list.
    pub(crate) fn kept(&self) -> Terms {
        Terms { given: None, ..self.clone() }
    }

    /// Reads what an operator types: `[TIME] [REASON]`.
    ///
    /// # Errors
    /// What is wrong with it, for the operator.
    pub(crate) fn read(text: &str) -> Result<Terms, String> {
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let is_time = word.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit());
        let mut given = None;
        let (until, reason) = match parse_time(word) {
            Some(time) if is_time && !time.is_zero() => {
                // A time that the ban file cannot hold does not end.
                let until = now().checked_add(time.as_secs().max(1)).filter(|until| *until <= LAST_SECOND);
                given = until.map(|_| time);
                (until, rest.trim())
            }
            _ if is_time => return Err(format!("{:?} is not {TIME_FORM}", excerpt(word))),
            _ => (None, text),
        };
        if reason.len() > MAX_REASON {
            return Err(format!("the reason has {} bytes, and {MAX_REASON} are the most", reason.len()));
        }
        if reason.contains(char::is_control) {
            // It stands in one line of the ban file.
            return Err("the reason has a line end, or another control character".to_owned());
        }
        Ok(Terms { given, until, reason: reason.to_owned() })
    }

    /// Reads what stands behind a ban in its file, as [`Terms::in_file`] writes it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read_in_file(text: &str) -> Result<Terms, String> {
        let mut terms = Terms::default();
        let mut rest = text.trim();
        if let Some(behind) = rest.strip_prefix("until ") {
            let (time, reason) = behind.split_once(' ').unwrap_or((behind, ""));
            let seconds = DateTime::parse_rfc3339(time).and_then(|seconds| u64::try_from(seconds).ok());
            let why = || format!("{time:?} is no time such as 2026-11-23T08:05:09Z");
            terms.until = Some(seconds.ok_or_else(why)?);
            rest = reason.trim();
        }
        match rest.strip_prefix("because ") {
            Some(reason) => terms.reason = reason.trim().to_owned(),
            None if rest.is_empty() => {}
            None => return Err(format!("{rest:?} is neither \"until TIME\" nor \"because REASON\"")),
        }
        Ok(terms)
    }

    /// Returns what stands behind a ban in its file.
    pub(super) fn in_file(&self) -> String {
        let mut text = String::new();
        if let Some(until) = self.until {
            let until = i64::try_from(until).unwrap_or(i64::MAX);
            text += &format!(" until {}", DateTime::from_seconds(until).rfc3339());
        }
        if !self.reason.is_empty() {
            text += &format!(" because {}", self.reason);
        }
        text
    }

    /// Whether it has not ended.
    pub(crate) fn hold(&self) -> bool {
        self.until.is_none_or(|until| until > now())
    }

    /// Returns the words that stand behind a ban: ` for 10m: too loud`, or nothing.
    pub(crate) fn behind(&self) -> String {
        let time = self.until.map_or(String::new(), |_| format!(" {}", self.time()));
        time + &self.because()
    }

    fn time(&self) -> String {
        match self.until {
            Some(until) => {
                let left = || Duration::from_secs(until.saturating_sub(now()));
                format!("for {}", show_roughly(self.given.unwrap_or_else(left)))
            }
            None => "without a time limit".to_owned(),
        }
    }

    fn because(&self) -> String {
        match &*self.reason {
            "" => String::new(),
            reason => format!(": {reason}"),
        }
    }
}

impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.time(), self.because())
    }
}

/// In seconds since the Unix epoch.
fn now() -> u64 {
    wall_clock::now() / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_comes_first_and_the_rest_is_the_reason() {
        for (text, has_time, reason) in [
            ("", false, ""),
            ("10m", true, ""),
            ("10m  too loud", true, "too loud"),
            ("too loud", false, "too loud"),
            ("soon", false, "soon"),
        ] {
            let terms = Terms::read(text).unwrap();
            assert_eq!((terms.until.is_some(), &*terms.reason), (has_time, reason), "{text}");
            assert!(terms.hold());
            // What is told at once has the time as it was typed, however slow the machine is.
            assert_eq!(terms.to_string().contains("for 10m"), has_time, "{text}");
        }
        for wrong in ["10x", "0", "-1h", "10m10", &"x".repeat(257), "a\nname tom", "10m \u{1b}[2J"] {
            assert!(Terms::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_stands_in_the_file_is_read_again() {
        for typed in ["", "too loud", "10m", "1m a b", "because of that", "9999999d", "99999999999d so long"]
        {
            let terms = Terms::read(typed).unwrap();
            assert_eq!(Terms::read_in_file(&terms.in_file()), Ok(terms), "{typed}");
        }
        for wrong in ["until soon", "until 2026-02-30T00:00:00Z", "too loud"] {
            assert!(Terms::read_in_file(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_words_say_how_long_and_why() {
        let terms = Terms::new(None, "too loud".to_owned());
        assert_eq!(
            (terms.to_string(), terms.behind()),
            ("without a time limit: too loud".into(), ": too loud".into())
        );
        assert_eq!(
            (Terms::default().to_string(), Terms::default().behind()),
            ("without a time limit".into(), String::new())
        );
        let past = Terms::new(Some(1), String::new());
        assert!(!past.hold() && past.behind().starts_with(" for "));
    }
}
