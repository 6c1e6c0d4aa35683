//! Makes text from the network safe to print. No I/O, no state.
//!
//! A terminal executes control characters that it prints. So a character that could move the cursor, change
//! the direction of text, or be invisible is shown as an escape such as `\u{1b}`. Letters of all scripts, and
//! their marks, stay as they are.

/// How many marks one letter may have. No script needs more. A hundred marks would cover the lines above.
const MAX_MARKS: usize = 4;
/// Joins two emoji into one picture, such as a family. Anywhere else it is invisible, and is escaped.
pub const ZERO_WIDTH_JOINER: char = '\u{200d}';

/// Escapes a text that has to stay one line. A line end becomes `\n`.
pub fn escape_line(text: &str) -> String {
    escape_text(text).replace('\n', "\\n")
}

/// Escapes a text. Its line ends stay, and the caller decides how the next line begins.
pub fn escape_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut marks = 0;
    // Whether what came last is an emoji, perhaps with a skin tone or a variation selector 16.
    let mut after_emoji = false;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if c == ZERO_WIDTH_JOINER && after_emoji && characters.peek().is_some_and(|next| is_emoji(*next)) {
            out.push(c);
            after_emoji = false;
            continue;
        }
        after_emoji = is_emoji(c) || after_emoji && (c == '\u{fe0f}' || is_skin_tone(c));
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

/// Whether this can be a part of a picture that is joined from emoji.
fn is_emoji(c: char) -> bool {
    let in_blocks = matches!(
        c,
        '\u{2194}'..='\u{2195}'
            | '\u{2600}'..='\u{27bf}'
            | '\u{2b00}'..='\u{2bff}'
            | '\u{1f300}'..='\u{1faff}'
    );
    in_blocks && !is_skin_tone(c) && is_printable(c)
}

/// Whether this character colors the emoji before it.
pub(crate) fn is_skin_tone(c: char) -> bool {
    matches!(c, '\u{1f3fb}'..='\u{1f3ff}')
}

/// Whether a terminal prints this character and does nothing else.
pub fn is_printable(c: char) -> bool {
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
pub fn is_mark(c: char) -> bool {
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

    #[test]
    fn a_joiner_stays_between_two_emoji_and_nowhere_else() {
        for text in [
            "👨\u{200d}👩\u{200d}👧\u{200d}👦",
            "👩🏽\u{200d}💻",
            "🏳\u{fe0f}\u{200d}🌈",
            "🏴\u{200d}☠\u{fe0f}",
            "❤\u{fe0f}\u{200d}🔥",
            "🙂\u{200d}↔\u{fe0f}",
        ] {
            assert_eq!(escape_text(text), text);
        }
        for (text, escaped) in [
            ("a\u{200d}b", "a\\u{200d}b"),
            ("\u{200d}👩", "\\u{200d}👩"),
            ("👩\u{200d}", "👩\\u{200d}"),
            ("👩\u{200d}\u{200d}👩", "👩\\u{200d}\\u{200d}👩"),
            ("👩\u{200d}🏽", "👩\\u{200d}🏽"),
            ("👩\u{200d} 👩", "👩\\u{200d} 👩"),
            ("👩\u{200d}a", "👩\\u{200d}a"),
            ("e\u{301}\u{200d}👩", "e\u{301}\\u{200d}👩"),
            ("a\u{fe0f}\u{200d}👩", "a\u{fe0f}\\u{200d}👩"),
            // Its kind stays out: the non-joiner, the word joiner.
            ("👩\u{200c}👩", "👩\\u{200c}👩"),
            ("👩\u{2060}👩", "👩\\u{2060}👩"),
        ] {
            assert_eq!(escape_text(text), escaped, "{text:?}");
        }
    }

    #[test]
    fn flags_and_keycaps_stay_and_tags_are_escaped() {
        assert_eq!(escape_text("🇩🇪 1\u{fe0f}\u{20e3}"), "🇩🇪 1\u{fe0f}\u{20e3}");
        assert_eq!(escape_text("🏴\u{e0067}"), "🏴\\u{e0067}");
    }
}
