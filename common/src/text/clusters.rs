//! What a person sees as one character, although it may be several in Unicode. No I/O, no state.
//!
//! The rules are those of Unicode for grapheme clusters (UAX #29). Two more keep together what a reader sees
//! as one: letters that a virama joins, in all scripts in which it does, and letters with a joiner between.

use crate::text::escape::{is_emoji, is_mark, is_skin_tone, is_tag, NON_JOINER, ZERO_WIDTH_JOINER as JOINER};

/// Vowel signs and other marks that stand beside their letter: the category Mc of Unicode, with the other
/// marks between them, and the vowel signs am of Thai and Lao. A row begins at every second of these code
/// points, and ends before the next.
const SPACING_MARKS: [u32; 198] = [
    0x903, 0x904, 0x93b, 0x93d, 0x93e, 0x950, 0x982, 0x984, 0x9be, 0x9ce, 0x9d7, 0x9d8, 0xa03, 0xa04, 0xa3e,
    0xa41, 0xa83, 0xa84, 0xabe, 0xace, 0xb02, 0xb04, 0xb3e, 0xb58, 0xbbe, 0xbce, 0xbd7, 0xbd8, 0xc01, 0xc04,
    0xc41, 0xc45, 0xc82, 0xc84, 0xcbe, 0xcd7, 0xcf3, 0xcf4, 0xd02, 0xd04, 0xd3e, 0xd4e, 0xd57, 0xd58, 0xd82,
    0xd84, 0xdcf, 0xde0, 0xdf2, 0xdf4, 0xe33, 0xe34, 0xeb3, 0xeb4, 0xf3e, 0xf40, 0xf7f, 0xf80, 0x102b,
    0x103d, 0x1056, 0x1058, 0x1062, 0x1065, 0x1067, 0x106e, 0x1083, 0x108e, 0x108f, 0x1090, 0x109a, 0x109d,
    0x1715, 0x1716, 0x1734, 0x1735, 0x17b6, 0x17c9, 0x1923, 0x1939, 0x1a19, 0x1a1b, 0x1a55, 0x1a73, 0x1b04,
    0x1b05, 0x1b35, 0x1b45, 0x1b82, 0x1b83, 0x1ba1, 0x1bab, 0x1be7, 0x1bf4, 0x1c24, 0x1c36, 0x1ce1, 0x1ce2,
    0x1cf7, 0x1cf8, 0x302e, 0x3030, 0xa823, 0xa828, 0xa880, 0xa882, 0xa8b4, 0xa8c4, 0xa952, 0xa954, 0xa983,
    0xa984, 0xa9b4, 0xa9c1, 0xaa2f, 0xaa35, 0xaa4d, 0xaa4e, 0xaa7b, 0xaa7e, 0xaaeb, 0xaaf0, 0xaaf5, 0xaaf6,
    0xabe3, 0xabeb, 0xabec, 0xabed, 0x11000, 0x11003, 0x11082, 0x11083, 0x110b0, 0x110b9, 0x1112c, 0x1112d,
    0x11145, 0x11147, 0x11182, 0x11183, 0x111b3, 0x111c1, 0x111ce, 0x111cf, 0x1122c, 0x11236, 0x112e0,
    0x112e3, 0x11302, 0x11304, 0x1133e, 0x1134e, 0x11357, 0x11358, 0x11362, 0x11364, 0x11435, 0x11446,
    0x114b0, 0x114c2, 0x115af, 0x115bf, 0x11630, 0x1163f, 0x116ac, 0x116b7, 0x11720, 0x11727, 0x1182c,
    0x11839, 0x11930, 0x1193e, 0x119d1, 0x119e0, 0x119e4, 0x119e5, 0x11a39, 0x11a3a, 0x11a57, 0x11a59,
    0x11a97, 0x11a98, 0x11c2f, 0x11c3f, 0x11ca9, 0x11cb5, 0x11d8a, 0x11d97, 0x11ef5, 0x11ef7, 0x16f51,
    0x16f88, 0x16ff0, 0x16ff2, 0x1d165, 0x1d167, 0x1d16d, 0x1d173,
];

/// Signs that put the next letter into the one before: the virama of most scripts of India, and its like in
/// Myanmar, Khmer, Bali and Java. That of Sinhala does it only with a joiner.
const LINKERS: [char; 12] = [
    '\u{94d}', '\u{9cd}', '\u{a4d}', '\u{acd}', '\u{b4d}', '\u{c4d}', '\u{ccd}', '\u{d4d}', '\u{1039}',
    '\u{17d2}', '\u{1b44}', '\u{a9c0}',
];
const VIRAMA_OF_SINHALA: char = '\u{dca}';

/// Returns where the character before `at` begins, as a reader sees it. Both are in bytes.
pub fn start_before(text: &str, at: usize) -> usize {
    let mut starts = text[..at].char_indices().rev().map(|(start, _)| start);
    starts.find(|start| is_boundary(text, *start)).unwrap_or(0)
}

/// Returns where the character behind `at` ends, as a reader sees it. Both are in bytes.
pub fn end_after(text: &str, at: usize) -> usize {
    let mut ends = text[at..].char_indices().skip(1).map(|(end, _)| at + end);
    ends.find(|end| is_boundary(text, *end)).unwrap_or(text.len())
}

fn is_boundary(text: &str, at: usize) -> bool {
    let next = text[at..].chars().next();
    next.is_none_or(|next| !continues(text[..at].chars().rev(), next))
}

/// Whether a character continues what stands before it, as a reader sees it. `before` goes backwards.
pub fn continues(before: impl Iterator<Item = char> + Clone, c: char) -> bool {
    let Some(last) = before.clone().next() else { return false };
    if last.is_control() || c.is_control() {
        return false;
    }
    match c {
        _ if is_part(c) => true,
        _ if is_regional(c) => before.take_while(|c| is_regional(*c)).count() % 2 == 1,
        _ if last == JOINER && is_emoji(c) => before.skip(1).find(|c| !is_part(*c)).is_some_and(is_emoji),
        _ => stands_before_its_letter(last) || is_of_one_syllable(last, c) || is_linked(before, c),
    }
}

/// Whether a character belongs to the one before it, whatever that is.
fn is_part(c: char) -> bool {
    let is_beside = SPACING_MARKS.partition_point(|bound| *bound <= u32::from(c)) % 2 == 1;
    is_mark(c) || matches!(c, JOINER | NON_JOINER) || is_skin_tone(c) || is_tag(c) || is_beside
}

/// Whether two of these characters are a flag.
fn is_regional(c: char) -> bool {
    matches!(c, '\u{1f1e6}'..='\u{1f1ff}')
}

/// Arabic and other signs that are drawn around the number behind them, and letters that are drawn on the
/// next one.
fn stands_before_its_letter(c: char) -> bool {
    matches!(
        c,
        '\u{600}'..='\u{605}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{d4e}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{111c2}'..='\u{111c3}'
    )
}

/// Whether two Korean letters are drawn as one syllable.
fn is_of_one_syllable(one: char, next: char) -> bool {
    const SYLLABLES: u32 = 0xac00;
    const WITH_ONE_VOWEL: u32 = 28;
    let leads = matches!(one, '\u{1100}'..='\u{115f}' | '\u{a960}'..='\u{a97c}');
    let is_vowel = |c: char| matches!(c, '\u{1160}'..='\u{11a7}' | '\u{d7b0}'..='\u{d7c6}');
    let ends = |c: char| matches!(c, '\u{11a8}'..='\u{11ff}' | '\u{d7cb}'..='\u{d7fb}');
    let is_syllable = |c: char| matches!(c, '\u{ac00}'..='\u{d7a3}');
    let is_open = is_syllable(one) && (u32::from(one) - SYLLABLES).is_multiple_of(WITH_ONE_VOWEL);
    match next {
        '\u{1100}'..='\u{115f}' | '\u{a960}'..='\u{a97c}' => leads,
        _ if is_syllable(next) => leads,
        _ if is_vowel(next) => leads || is_vowel(one) || is_open,
        _ if ends(next) => is_vowel(one) || is_syllable(one) || ends(one),
        _ => false,
    }
}

/// Whether a letter is drawn into the one before, because a linker stands between.
fn is_linked(before: impl Iterator<Item = char>, letter: char) -> bool {
    let mut is_joined = false;
    for c in before {
        if LINKERS.contains(&c) || is_joined && c == VIRAMA_OF_SINHALA {
            // Scripts have blocks of 128 characters.
            return letter.is_alphabetic() && u32::from(letter) >> 7 == u32::from(c) >> 7;
        }
        is_joined |= c == JOINER;
        if !is_mark(c) && c != JOINER {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGLAND: &str = "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}";

    #[test]
    fn what_a_reader_sees_as_one_character_is_one() {
        for character in [
            "a",
            "漢",
            "e\u{301}\u{302}",
            "👍🏽",
            "👩\u{200d}👩\u{200d}👧",
            "👩🏽\u{200d}💻",
            "❤\u{fe0f}",
            "1\u{fe0f}\u{20e3}",
            "🇩🇪",
            ENGLAND,
            "🏳\u{fe0f}\u{200d}🌈",
            "नि",
            "क्षि",
            "र्\u{200d}य",
            "ক্ষ",
            "ന്\u{200d}",
            "ක්\u{200d}ර",
            "ស្ត្រី",
            "နို",
            "ที่",
            "กำ",
            "한",
            "\u{1112}\u{1161}\u{11ab}",
            "각\u{11a8}",
            "م\u{200c}",
            "\u{600}١",
            "葛\u{e0100}",
            "ﾊ\u{ff9e}",
        ] {
            let text = format!("x{character}y");
            let end = 1 + character.len();
            assert_eq!((end_after(&text, 1), start_before(&text, end)), (end, 1), "{character}");
        }
    }

    #[test]
    fn what_a_reader_sees_as_two_characters_is_two() {
        for (one, two) in [
            ("a", "b"),
            ("क", "ष"),
            ("क्\u{200c}", "ष"),
            ("த்", "த"),
            ("ක්", "ර"),
            ("🇩🇪", "🇫🇷"),
            ("👩", "👩"),
            ("a\u{200d}", "👩"),
            ("\n", "\u{301}"),
            ("각", "가"),
            ("क्", "a"),
        ] {
            let text = format!("{one}{two}");
            assert_eq!(end_after(&text, 0), one.len(), "{one}|{two}");
            assert_eq!(start_before(&text, text.len()), one.len(), "{one}|{two}");
        }
        assert_eq!((start_before("", 0), end_after("", 0)), (0, 0));
    }
}
