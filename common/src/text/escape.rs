//! Makes text from the network safe to print. No I/O, no state.
//!
//! A terminal executes control characters that it prints. So a character that could move the cursor, hide
//! something, or lie about the order of a line is shown as an escape such as `\u{1b}`. Letters of all
//! scripts, and their marks, stay as they are.
//!
//! These are invisible, and stay because they are text:
//!
//! | character | stays |
//! |---|---|
//! | joiner, U+200D | between two emoji; beside a letter of a script that joins letters |
//! | non-joiner, U+200C | beside a letter of such a script: in Persian words, and in many of India |
//! | vowel separator, U+180E | beside a Mongolian letter |
//! | space without a width, U+200B | beside a letter of a script without spaces, such as Khmer |
//! | direction marks, U+200E, U+200F, U+061C | everywhere: each counts as one more letter of its direction |
//! | soft hyphen, U+00AD | everywhere |
//! | tags, U+E0020 to U+E007F | in the flags of England, Scotland and Wales |
//!
//! The embeddings, overrides and isolates of bidirectional text (U+202A to U+202E, U+2066 to U+2069) can show
//! a whole line in another order, so they are always escaped. A row of more than four invisible characters
//! and marks is escaped from the fifth on.

/// How many marks one letter may have. No script needs more. A hundred marks would cover the lines above.
const MAX_MARKS: usize = 4;
/// Joins two emoji into one picture, such as a family, and letters of some scripts.
pub(crate) const ZERO_WIDTH_JOINER: char = '\u{200d}';
/// Keeps two letters from being joined.
pub(crate) const NON_JOINER: char = '\u{200c}';
/// England, Scotland and Wales: the black flag, then their code of ISO 3166-2 in tags.
const FLAGS: [&str; 3] = [
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}",
];

/// Escapes a text that has to stay one line. A line end becomes `\n`.
pub fn escape_line(text: &str) -> String {
    escape_text(text).replace('\n', "\\n")
}

/// Escapes a text. Its line ends stay, and the caller decides how the next line begins.
pub fn escape_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (c, stays) in characters(text) {
        match c {
            '\n' => out.push(c),
            // A tab would move the cursor by an unknown number of cells.
            '\t' => out.push_str("    "),
            _ if stays => out.push(c),
            _ => out.extend(c.escape_unicode()),
        }
    }
    out
}

/// Returns each character of a text, and whether it is shown as it is.
pub fn characters(text: &str) -> impl Iterator<Item = (char, bool)> + '_ {
    let mut marks = 0;
    // Whether what came last is an emoji, perhaps with a skin tone or a variation selector 16.
    let mut after_emoji = false;
    let (mut last, mut flag_end) = (None, 0);
    text.char_indices().map(move |(at, c)| {
        let next = text[at + c.len_utf8()..].chars().next();
        let beside = |is_of_script: fn(char) -> bool| [last, next].into_iter().flatten().any(is_of_script);
        let in_picture = c == ZERO_WIDTH_JOINER && after_emoji && next.is_some_and(is_emoji);
        let is_text = match c {
            ZERO_WIDTH_JOINER | NON_JOINER => in_picture || beside(joins_letters),
            '\u{180e}' => beside(is_mongolian),
            '\u{200b}' => beside(needs_no_spaces),
            _ => at < flag_end || is_printable(c),
        };
        if let Some(flag) = FLAGS.iter().find(|flag| text[at..].starts_with(**flag)) {
            flag_end = at + flag.len();
        }
        let is_invisible = matches!(c, ZERO_WIDTH_JOINER | NON_JOINER | '\u{180e}' | '\u{200b}');
        let is_small = is_mark(c) || is_direction_mark(c) || is_invisible && !in_picture;
        marks = if is_small { marks + 1 } else { 0 };
        after_emoji = is_emoji(c) || after_emoji && (c == '\u{fe0f}' || is_skin_tone(c));
        last = Some(c);
        (c, is_text && marks <= MAX_MARKS)
    })
}

/// Whether a letter or a mark is of a script in which a joiner or a non-joiner changes how letters look:
/// Arabic and its like, and the scripts of India and its neighbours.
fn joins_letters(c: char) -> bool {
    let is_of_script = matches!(
        c as u32,
        0x600..=0xdff
            | 0xf00..=0x109f
            | 0x1700..=0x1c4f
            | 0xa840..=0xaaff
            | 0xabc0..=0xabff
            | 0x10a00..=0x11fff
            | 0x1e900..=0x1e95f
    );
    is_of_script && (c.is_alphanumeric() || is_mark(c))
}

fn is_mongolian(c: char) -> bool {
    matches!(c, '\u{1820}'..='\u{18aa}')
}

/// Whether a letter or a mark is of a script that is written without spaces between words: Thai, Lao,
/// Tibetan, Burmese, Khmer, and their like.
fn needs_no_spaces(c: char) -> bool {
    matches!(c as u32, 0xe00..=0x109f | 0x1780..=0x17ff | 0x1950..=0x1aaf | 0xa9e0..=0xa9fe | 0xaa60..=0xaadf)
}

/// Whether the character is invisible and has a direction of its own, as a letter has.
fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}')
}

/// Whether the character is one of those that name a flag.
pub(crate) fn is_tag(c: char) -> bool {
    matches!(c, '\u{e0020}'..='\u{e007f}')
}

/// Whether this can be a part of a picture that is joined from emoji.
pub(crate) fn is_emoji(c: char) -> bool {
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

/// Whether this character is text wherever it stands.
pub(crate) fn is_printable(c: char) -> bool {
    match c {
        ' '..='~' => true,
        // std escapes these spaces, but French and Chinese text uses them, and text that was typeset.
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => true,
        // std escapes these, too. A terminal draws the soft hyphen, or nothing.
        '\u{ad}' => true,
        _ if is_direction_mark(c) => true,
        // Arabic and Syriac signs around a number or over letters. They have a shape.
        '\u{600}'..='\u{605}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}' => true,
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
            '\u{9b}',
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{2060}',
            '\u{feff}',
            '\u{2028}',
            '\u{3164}',
            '\u{2800}',
            '\u{7f}',
            '\u{0}',
            '\u{180e}',
            '\u{e0001}',
            '\u{e0067}',
            '\u{fff9}',
        ] {
            assert!(escape_text(&format!("a{c}b")).starts_with("a\\u{"), "{:x}", c as u32);
        }
        assert_eq!(escape_line("a\nb\tc"), "a\\nb    c");
    }

    #[test]
    fn what_could_show_a_line_in_another_order_is_escaped_in_every_script() {
        for c in ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{206f}') {
            for around in ["a", "ש", "م", "न"] {
                let escaped = escape_text(&format!("{around}{c}{around}"));
                assert_eq!(escaped, format!("{around}{}{around}", c.escape_unicode()), "{:x}", u32::from(c));
            }
        }
    }

    #[test]
    fn joiners_and_marks_of_a_script_stay_in_its_words() {
        for text in [
            // Persian: a prefix, a plural of a foreign word, an ordinal, an abbreviation.
            "می\u{200c}خواهم",
            "PDF\u{200c}ها",
            "۳\u{200c}ام",
            "ه\u{200d}.ش",
            // Sinhala, Malayalam, Marathi, Bengali.
            "ශ්\u{200d}රී ලංකා",
            "അവന്\u{200d} വന്നു",
            "दर्\u{200d}या",
            "র\u{200d}্যাব",
            "क्\u{200c}ष",
            // Khmer, Thai and Mongolian.
            "ខ្ញុំ\u{200b}ទៅ\u{200b}ផ្ទះ",
            "ภาษา\u{200b}ไทย",
            "ᠠᠮᠠᠯ\u{180e}ᠠ",
            "Donau\u{ad}dampf\u{ad}schiff",
            "\u{200f}שלום (C++)\u{200e}, 5\u{61c}",
            "10\u{2009}000",
            "\u{6dd}٢٣",
        ] {
            assert_eq!(escape_text(text), text, "{text:?}");
        }
        let many = escape_text(&"\u{200e}".repeat(5));
        assert_eq!(many, format!("{}\\u{{200e}}", "\u{200e}".repeat(4)));
        let many = escape_text(&format!("م{}م", "\u{200c}".repeat(3)));
        assert_eq!(many, "م\u{200c}\\u{200c}\u{200c}م", "one stands beside no letter");
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
        for flag in FLAGS {
            let text = format!("a{flag}{flag}b");
            assert_eq!(escape_text(&text), text);
            // Half of one, and one that hides a text.
            let half = flag.trim_end_matches('\u{e007f}');
            assert!(escape_text(half).starts_with("🏴\\u{e0067}\\u{e0062}"), "{half:?}");
            assert!(escape_text(&format!("{flag}\u{e0067}")).ends_with("\\u{e0067}"));
        }
        assert_eq!(escape_text("🏴\u{e0067}"), "🏴\\u{e0067}");
    }
}
