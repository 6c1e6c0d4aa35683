//! Makes text from the network safe to print. No I/O, no state.
//!
//! A terminal executes control characters that it prints. So a character that could move the cursor, change
//! the direction of text, or be invisible is shown as an escape such as `\u{1b}`. Letters of all scripts, and
//! their marks, stay as they are.

/// How many marks one letter may have. No script needs more. A hundred marks would cover the lines above.
const MAX_MARKS: usize = 4;
/// Joins emoji to one picture.
#[cfg(feature = "edit")]
pub(crate) const JOINER: char = '\u{200d}';

/// Escapes a text that has to stay one line. A line end becomes `\n`.
pub(crate) fn escape_line(text: &str) -> String {
    escape_text(text).replace('\n', "\\n")
}

/// Escapes a text. Its line ends stay, and the caller decides how the next line begins.
pub(crate) fn escape_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut marks = 0;
    for c in text.chars() {
        marks = if is_mark(c) { marks + 1 } else { 0 };
        match c {
            '\n' => out.push(c),
            // A tab would move the cursor by an unknown number of cells.
            '\t' => out.push_str("    "),
            _ if is_printable(c) && marks <= MAX_MARKS => out.push(c),
            _ => out.extend(c.escape_unicode()),
        }
    }
    out
}

/// Whether a terminal prints this character and does nothing else.
pub(crate) fn is_printable(c: char) -> bool {
    match c {
        ' '..='~' => true,
        // std escapes these spaces, but French and Chinese text uses them.
        '\u{a0}' | '\u{202f}' | '\u{3000}' => true,
        // Letters that are invisible.
        '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{2800}' => false,
        _ => is_printable_after_letter(c),
    }
}

/// Whether this is a mark that a terminal draws on the character before it.
pub(crate) fn is_mark(c: char) -> bool {
    !c.is_ascii() && is_printable_after_letter(c) && !c.escape_debug().eq([c])
}

/// Whether std takes this character for printable after a letter. (std always escapes a mark that stands
/// alone.)
fn is_printable_after_letter(c: char) -> bool {
    let mut bytes = [0; 5];
    bytes[0] = b'a';
    let length = 1 + c.encode_utf8(&mut bytes[1..]).len();
    std::str::from_utf8(&bytes[..length]).is_ok_and(|text| text.escape_debug().eq(text.chars()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_all_scripts_and_their_marks_are_not_escaped() {
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
            assert_eq!(escape_text(text), text);
        }
    }

    #[test]
    fn control_characters_and_invisible_characters_are_escaped() {
        assert_eq!(escape_text("\u{1b}[2J\u{7}\r"), "\\u{1b}[2J\\u{7}\\u{d}");
        for c in [
            '\u{9b}', '\u{202e}', '\u{2066}', '\u{200b}', '\u{200e}', '\u{feff}', '\u{ad}', '\u{2028}',
            '\u{3164}', '\u{2800}', '\u{7f}', '\u{0}',
        ] {
            assert!(escape_text(&format!("a{c}b")).starts_with("a\\u{"), "{:x}", c as u32);
        }
        assert_eq!(escape_line("a\nb\tc"), "a\\nb    c");
    }

    #[test]
    fn at_most_four_marks_on_a_letter_are_printed() {
        let marked = format!("a{}b", "\u{301}".repeat(6));
        assert_eq!(escape_text(&marked), format!("a{}\\u{{301}}\\u{{301}}b", "\u{301}".repeat(4)));
    }
}
