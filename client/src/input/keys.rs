//! What remains of a typed line without the keys that a terminal sends as escape sequences. No I/O.
//!
//! In the terminal's line mode an arrow key is only a sequence such as `ESC [ A` in the middle of the line.
//! It moves nothing, and it must not reach the room.

use std::borrow::Cow;

const ESCAPE: char = '\u{1b}';
const BELL: char = '\u{7}';
/// Ends a string that a terminal sends, such as the reply to a question for its colours.
const STRING_END: &str = "\u{1b}\\";

/// Returns the line without escape sequences and control characters. A tab stays: it is text in a paste.
/// The result is `Cow::Owned` if something was removed.
pub(crate) fn strip_keys(line: &str) -> Cow<'_, str> {
    let is_key = |c: char| c.is_control() && c != '\t';
    if !line.contains(is_key) {
        return Cow::Borrowed(line);
    }
    let (mut text, mut rest) = (String::with_capacity(line.len()), line);
    while let Some(start) = rest.find(is_key) {
        text.push_str(&rest[..start]);
        let mut chars = rest[start..].chars();
        let key = chars.next();
        rest = match key {
            Some(ESCAPE) => after_escape(chars.as_str()),
            // The same sequences, where one character of eight bits stands for two of seven.
            Some('\u{9b}') => after_parameters(chars.as_str()),
            Some('\u{8f}') => after_final(chars.as_str()),
            Some('\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}') => after_string(chars.as_str()),
            _ => chars.as_str(),
        };
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// Returns what follows the sequence of which only ESC has been read.
fn after_escape(rest: &str) -> &str {
    let mut chars = rest.chars();
    match chars.next() {
        // The Linux console sends ESC [ [ A for F1.
        Some('[') => after_parameters(chars.as_str().strip_prefix('[').unwrap_or(chars.as_str())),
        Some('O') => after_parameters(chars.as_str()),
        Some(']' | 'P' | 'X' | '^' | '_') => after_string(chars.as_str()),
        // The Escape key itself. Another sequence or another key follows.
        Some(c) if c.is_control() => rest,
        // Alt and a key.
        Some(_) => chars.as_str(),
        None => rest,
    }
}

/// Returns what follows the parameters and the final character of a sequence.
fn after_parameters(rest: &str) -> &str {
    after_final(rest.trim_start_matches(|c| (' '..='?').contains(&c)))
}

fn after_final(rest: &str) -> &str {
    rest.strip_prefix(|c| ('@'..='~').contains(&c)).unwrap_or(rest)
}

/// Returns what follows a string of the terminal. Without an end it is no such string: somebody has typed Alt
/// and a bracket.
fn after_string(rest: &str) -> &str {
    let ends = [rest.find(BELL).map(|end| end + 1), rest.find(STRING_END).map(|end| end + STRING_END.len())];
    ends.into_iter().flatten().min().map_or(rest, |end| &rest[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_such_keys_stays_as_it_is() {
        for line in ["", "  hello  ", "a\tb", "漢字 🦀 e\u{301} 👨\u{200d}👩", "[A and Ob are text"] {
            assert!(matches!(strip_keys(line), Cow::Borrowed(text) if text == line), "{line:?}");
        }
    }

    #[test]
    fn nothing_of_a_key_remains_and_the_text_around_it_does() {
        for (keys, what) in [
            ("\u{1b}[A", "Up"),
            ("\u{1b}[1;5D", "Ctrl-Left"),
            ("\u{1b}[3~", "Delete"),
            ("\u{1b}[200~", "the start of a paste"),
            ("\u{1b}[[A", "F1 on the Linux console"),
            ("\u{1b}OP", "F1"),
            ("\u{1b}O5P", "Ctrl-F1 of an old terminal"),
            ("\u{1b}\u{1b}[C", "Alt-Right"),
            ("\u{1b}b", "Alt-b"),
            ("\u{1b}é", "Alt-é"),
            ("\u{1b}]", "Alt-]"),
            ("\u{1b}]11;rgb:0/0/0\u{7}", "a colour"),
            ("\u{1b}]11;rgb:0/0/0\u{1b}\\", "a colour"),
            ("\u{1b}P1$r0m\u{1b}\\", "a setting"),
            ("\u{1b}[?62;c", "the terminal's name"),
            ("\u{9b}A", "Up in eight bits"),
            ("\u{8f}P", "F1 in eight bits"),
            ("\u{0}\u{1}\u{7}\u{c}\r\u{7f}\u{85}", "control characters"),
        ] {
            assert_eq!(strip_keys(&format!("one{keys} two{keys}é{keys}")), "one twoé", "{what}");
            assert_eq!(strip_keys(keys), "", "{what}");
        }
        assert_eq!(strip_keys("one\u{1b}"), "one");
        assert_eq!(strip_keys("one\u{1b}["), "one");
        assert_eq!(strip_keys("\u{1b}\u{1b}"), "");
    }
}
