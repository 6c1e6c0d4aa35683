//! Text from the network made safe to look at: no I/O, no state.
//!
//! A terminal obeys what it prints. So whatever could move the cursor, change the order of what is read, or hide itself is
//! shown as an escape such as `\u{1b}`; letters of all scripts, and marks on them, pass as they are.

/// Marks that may follow each other on one letter. No script needs more; a hundred of them climb over the lines above.
const MOST_MARKS: usize = 4;

/// Makes one line of a text: a line end is shown as `\n`.
pub(crate) fn visible_line(text: &str) -> String {
    visible(text).replace('\n', "\\n")
}

/// Makes a text visible; its line ends stay, and the caller decides how the next line begins.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut marks = 0;
    for c in text.chars() {
        marks = if is_mark(c) { marks + 1 } else { 0 };
        match c {
            '\n' => out.push(c),
            // As wide as it may be, but no further than that.
            '\t' => out.push_str("    "),
            _ if is_harmless(c) && marks <= MOST_MARKS => out.push(c),
            _ => out.extend(c.escape_unicode()),
        }
    }
    out
}

/// Whether a terminal shows this character as itself, in its place.
pub(crate) fn is_harmless(c: char) -> bool {
    match c {
        ' '..='~' => true,
        // Blanks that are as wide as they look: std escapes them, but they are the usual space of French and of Chinese.
        '\u{a0}' | '\u{202f}' | '\u{3000}' => true,
        // Letters that show nothing at all.
        '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{2800}' => false,
        _ => survives(c),
    }
}

/// Whether this is a mark that is drawn on the character before it.
pub(crate) fn is_mark(c: char) -> bool {
    !c.is_ascii() && survives(c) && !c.escape_debug().eq([c])
}

/// Whether Rust's own table takes it for printable behind a letter. (Alone, a mark is not.)
fn survives(c: char) -> bool {
    let mut bytes = [0; 5];
    bytes[0] = b'a';
    let length = 1 + c.encode_utf8(&mut bytes[1..]).len();
    std::str::from_utf8(&bytes[..length]).is_ok_and(|text| text.escape_debug().eq(text.chars()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_all_scripts_and_their_marks_pass() {
        for text in [
            "it's a \"test\" \\ of {all}",
            "Grüße",
            "नमस्ते",
            "漢字\u{3000}かな",
            "שלום",
            "e\u{301}",
            "🦀 ✓ ❤\u{fe0f}",
            "two\nlines",
        ] {
            assert_eq!(visible(text), text);
        }
    }

    #[test]
    fn what_moves_hides_or_turns_around_is_shown_as_an_escape() {
        assert_eq!(visible("\u{1b}[2J\u{7}\r"), "\\u{1b}[2J\\u{7}\\u{d}");
        for c in [
            '\u{9b}', '\u{202e}', '\u{2066}', '\u{200b}', '\u{200e}', '\u{feff}', '\u{ad}', '\u{2028}',
            '\u{3164}', '\u{2800}', '\u{7f}', '\u{0}',
        ] {
            assert!(visible(&format!("a{c}b")).starts_with("a\\u{"), "{:x}", c as u32);
        }
        assert_eq!(visible_line("a\nb\tc"), "a\\nb    c");
    }

    #[test]
    fn a_tower_of_marks_ends_at_the_fourth() {
        let tower = format!("a{}b", "\u{301}".repeat(6));
        assert_eq!(visible(&tower), format!("a{}\\u{{301}}\\u{{301}}b", "\u{301}".repeat(4)));
    }
}
