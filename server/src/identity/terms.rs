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

/// For how long a ban or a mute holds, and why, as it is kept in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// When it ends: seconds since the Unix epoch, by the clock of the server. `None` means that only an
    /// operator ends it.
    pub(crate) until: Option<u64>,
    /// Why, for those whom it meets. It can be empty.
    pub(crate) reason: String,
}

/// Terms that an operator has just typed. Their words have the time as it was typed, and those of [`Terms`]
/// have what is left of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct TypedTerms {
    time: Option<Duration>,
    pub(crate) terms: Terms,
}

impl TypedTerms {
    /// Reads what an operator types: `[TIME] [REASON]`.
    ///
    /// # Errors
    /// What is wrong with it, for the operator.
    pub(crate) fn read(text: &str) -> Result<TypedTerms, String> {
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let is_time = word.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit());
        let mut typed = None;
        let (until, reason) = match parse_time(word) {
            Some(time) if is_time && !time.is_zero() => {
                // A time that the ban file cannot hold does not end.
                let until = now().checked_add(time.as_secs().max(1)).filter(|until| *until <= LAST_SECOND);
                typed = until.map(|_| time);
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
        Ok(TypedTerms { time: typed, terms: Terms { until, reason: reason.to_owned() } })
    }

    /// Returns the words that stand behind a ban, as [`Terms::behind`].
    pub(crate) fn behind(&self) -> String {
        behind(self.time, &self.terms.reason)
    }
}

impl Terms {
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
            let why = || format!("{:?} is no time such as 2026-11-23T08:05:09Z", excerpt(time));
            terms.until = Some(seconds.ok_or_else(why)?);
            rest = reason.trim();
        }
        match rest.strip_prefix("because ") {
            Some(reason) => terms.reason = reason.trim().to_owned(),
            None if rest.is_empty() => {}
            None => {
                let rest = excerpt(rest);
                return Err(format!("{rest:?} is neither \"until TIME\" nor \"because REASON\""));
            }
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
        behind(self.left(), &self.reason)
    }

    fn left(&self) -> Option<Duration> {
        self.until.map(|until| Duration::from_secs(until.saturating_sub(now())))
    }
}

impl fmt::Display for TypedTerms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&words(self.time, &self.terms.reason))
    }
}

impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&words(self.left(), &self.reason))
    }
}

/// Returns the words that stand behind a mute: `for 10m: too loud`.
fn words(time: Option<Duration>, reason: &str) -> String {
    let without_limit = if time.is_none() { "without a time limit" } else { "" };
    without_limit.to_owned() + behind(time, reason).trim_start()
}

fn behind(time: Option<Duration>, reason: &str) -> String {
    let time = time.map_or(String::new(), |time| format!(" for {}", show_roughly(time)));
    match reason {
        "" => time,
        reason => format!("{time}: {reason}"),
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
            let typed = TypedTerms::read(text).unwrap();
            let terms = &typed.terms;
            assert_eq!((terms.until.is_some(), &*terms.reason), (has_time, reason), "{text}");
            assert!(terms.hold());
            // What is told at once has the time as it was typed, however slow the machine is.
            assert_eq!(typed.to_string().contains("for 10m"), has_time, "{text}");
        }
        for wrong in ["10x", "0", "-1h", "10m10", &"x".repeat(257), "a\nname tom", "10m \u{1b}[2J"] {
            assert!(TypedTerms::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_stands_in_the_file_is_read_again() {
        for typed in ["", "too loud", "10m", "1m a b", "because of that", "9999999d", "99999999999d so long"]
        {
            let terms = TypedTerms::read(typed).unwrap().terms;
            assert_eq!(Terms::read_in_file(&terms.in_file()), Ok(terms), "{typed}");
        }
        for wrong in ["until soon", "until 2026-02-30T00:00:00Z", "too loud"] {
            assert!(Terms::read_in_file(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_words_say_how_long_and_why() {
        let terms = Terms { until: None, reason: "too loud".to_owned() };
        assert_eq!(
            (terms.to_string(), terms.behind()),
            ("without a time limit: too loud".into(), ": too loud".into())
        );
        assert_eq!(
            (Terms::default().to_string(), Terms::default().behind()),
            ("without a time limit".into(), String::new())
        );
        let past = Terms { until: Some(1), ..Terms::default() };
        assert!(!past.hold() && past.behind().starts_with(" for "));
    }
}
