//! What can hide that a line is a command: characters of which a terminal shows nothing, and characters that
//! look like a slash. No I/O, no state.
//!
//! Invisible characters come with what is copied from web pages, chats and files. Anywhere else in a line
//! they may be text: see `escape`.

use crate::text::escape::is_mark;

/// Characters that look like a slash. A keyboard for Chinese or Japanese types the first.
const FALSE_SLASHES: [char; 6] = ['\u{ff0f}', '\u{2044}', '\u{2215}', '\u{2571}', '\u{27cb}', '\u{29f8}'];

/// Whether nothing is drawn for this character, or nothing but a space. White space is not among them.
pub(crate) fn is_invisible(c: char) -> bool {
    c.is_control() && !c.is_whitespace()
        || matches!(
            c,
            // The code points that Unicode calls default ignorable.
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fff8}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
                // The pattern of Braille without dots, and marks around notes between lines.
                | '\u{2800}'
                | '\u{fff9}'..='\u{fffb}'
        )
}

/// Returns the line without the invisible characters at its beginning. White space stays.
pub fn without_invisible_start(line: &str) -> String {
    let start = line.find(|c| !is_empty(c)).unwrap_or(line.len());
    line[..start].chars().filter(|c| !is_invisible(*c)).chain(line[start..].chars()).collect()
}

/// Returns the line without white space and invisible characters at both ends.
pub fn trim(line: &str) -> &str {
    line.trim_matches(is_empty)
}

/// Returns what stands behind the beginning of a line in which no reader sees a character of its own: white
/// space, invisible characters, and marks without a letter.
pub fn behind_blank_start(line: &str) -> &str {
    line.trim_start_matches(|c| is_empty(c) || is_mark(c))
}

/// Returns what stands behind a character at the beginning of the line that only looks like a slash, or
/// `None` if there is none.
pub fn behind_false_slash(line: &str) -> Option<&str> {
    behind_blank_start(line).strip_prefix(FALSE_SLASHES)
}

/// Returns the word as a reader sees it: without invisible characters and marks.
pub fn bare(word: &str) -> String {
    word.chars().filter(|c| !is_invisible(*c) && !is_mark(*c)).collect()
}

fn is_empty(c: char) -> bool {
    c.is_whitespace() || is_invisible(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_invisible_characters_at_the_beginning_are_dropped() {
        for c in ['\u{feff}', '\u{200b}', '\u{200e}', '\u{2060}', '\u{ad}', '\u{fe0f}', '\u{7}', '\u{e0041}']
        {
            let line = format!("{c} {c}\u{a0}a{c}b {c}");
            assert_eq!(without_invisible_start(&line), format!(" \u{a0}a{c}b {c}"));
            assert_eq!(trim(&line), format!("a{c}b"));
            assert_eq!((without_invisible_start(&c.to_string()), trim(&c.to_string())), (String::new(), ""));
        }
        assert_eq!(behind_blank_start("\u{301}\u{feff} \u{338}/msg"), "/msg");
        assert_eq!(bare("/m\u{200b}s\u{301}g\u{feff}"), "/msg");
    }

    #[test]
    fn what_a_reader_sees_is_not_invisible() {
        for c in ['a', '/', '\t', ' ', '\u{a0}', '\u{3000}', '漢', '👩', '\u{301}', '\u{6dd}', '\u{e000}']
        {
            assert!(!is_invisible(c), "{:x}", u32::from(c));
        }
    }
}
