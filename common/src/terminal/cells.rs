//! How many cells the characters take on a terminal. No I/O.
//!
//! Emoji that are joined into one picture count as if each stood alone. Where a terminal draws one picture of
//! two cells, the row then ends early. With two cells as the count, a terminal that draws each of them would
//! cut the text at the edge, or wrap it into the first column.

use crate::text::escape::is_mark;

/// The cells of the widest character.
pub(crate) const MAX_CHARACTER_CELLS: usize = 3;

/// Returns how many cells a character takes. Where terminals differ, it is the larger number, because a row
/// may be shorter. A test compares it with the data of Unicode, for every character.
///
/// Unicode leaves some widths open ("ambiguous": Greek, Cyrillic, frames, and more). These count as one cell,
/// as in every terminal that is not set to an old East Asian encoding. A terminal with such an encoding cuts
/// the row at its edge.
pub fn cells_of(c: char) -> usize {
    match c as u32 {
        // East Asian letters, signs and punctuation. Whole blocks also cover later versions of Unicode.
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xa960..=0xa97c
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe10..=0xfe19
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x16fe0..=0x18dff
        | 0x1aff0..=0x1b2ff
        | 0x1d300..=0x1d37f
        | 0x20000..=0x3ffff => 2,
        // Emoji and symbols. Many are wide in some terminals alone.
        0x231a..=0x23ff | 0x25fd..=0x25fe | 0x2600..=0x27bf | 0x2b00..=0x2bff | 0x1f000..=0x1ffff => 2,
        // Two Khmer signs that stand for more than one letter.
        0x17a4 => 2,
        0x17d8 => 3,
        // The variation selector 16 makes a narrow emoji wide.
        0xfe0f => 1,
        // Marks with a width of their own: those of halfwidth Katakana, and vowel signs of India that stand
        // beside their letter, which only some terminals draw into the letter's cell.
        0x2d7f
        | 0xff9e..=0xff9f
        | 0x9be
        | 0x9d7
        | 0xb3e
        | 0xb57
        | 0xbbe
        | 0xbd7
        | 0xcc0
        | 0xcc2
        | 0xcc7..=0xcc8
        | 0xcca..=0xccb
        | 0xcd5..=0xcd6
        | 0xd3e
        | 0xd57
        | 0xdcf
        | 0xddf
        | 0x1171e => 1,
        // Every terminal knows these. One that is old, or the console of Linux, draws a cell for other
        // invisible characters: tags, the Arabic direction mark, the Mongolian vowel separator, the soft
        // hyphen.
        0x200b..=0x200f => 0,
        _ if is_mark(c) => 0,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::escape::escape_text;

    #[test]
    fn no_character_takes_more_cells_than_are_counted() {
        use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};
        for c in ('\0'..=char::MAX).filter(|&c| escape_text(&format!("a{c}")).ends_with(c)) {
            let number = u32::from(c);
            let may_be_empty = is_mark(c) || matches!(c, '\u{200e}' | '\u{200f}');
            assert!((1..=MAX_CHARACTER_CELLS).contains(&cells_of(c)) || may_be_empty, "{number:x}");
            assert!(Some(cells_of(c)) >= c.width(), "{number:x} takes {:?}", c.width());
            let emoji = format!("{c}\u{fe0f}");
            assert!(emoji.chars().map(cells_of).sum::<usize>() >= emoji.width(), "{number:x} as an emoji");
        }
    }

    #[test]
    fn usual_texts_take_exactly_the_cells_that_are_counted() {
        use unicode_width::UnicodeWidthStr;
        for text in [
            "Grüße, Zoë! naïve Łódź Nguyễn",
            "Привет, мир",
            "Γειά σου Κόσμε",
            "გამარჯობა բարեւ",
            "שלום עולם",
            "مرحبا بالعالم",
            "नमस्ते दुनिया",
            "می\u{200c}خواهم",
            "\u{200f}שלום\u{200e}",
            "สวัสดีชาวโลก",
            "漢字かな交じり文、カタカナ。",
            "안녕하세요",
            "🦀🎉",
            "e\u{301}",
        ] {
            assert_eq!(text.chars().map(cells_of).sum::<usize>(), text.width(), "{text}");
        }
    }

    #[test]
    fn a_flag_of_tags_takes_as_much_as_where_each_tag_is_drawn() {
        let england = "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}";
        assert_eq!(escape_text(england), england);
        assert_eq!(england.chars().map(cells_of).sum::<usize>(), 2 + 6);
    }

    #[test]
    fn a_joined_picture_takes_two_cells_and_is_never_counted_as_fewer() {
        use unicode_width::UnicodeWidthStr;
        for text in
            ["👨\u{200d}👩\u{200d}👧\u{200d}👦", "👩🏽\u{200d}💻", "🏳\u{fe0f}\u{200d}🌈", "❤\u{fe0f}\u{200d}🔥"]
        {
            assert_eq!(text.width(), 2, "{text}");
            assert!(text.chars().map(cells_of).sum::<usize>() >= 2, "{text}");
        }
    }
}
