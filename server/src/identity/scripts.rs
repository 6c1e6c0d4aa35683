//! The letters and digits that names may have, by scripts. Pure data, for any thread.

use std::ops::RangeInclusive;

/// One script. Its letters and digits are written as Unicode numbers, because many of them look alike.
pub(super) struct Script {
    pub(super) letters: &'static [RangeInclusive<u32>],
    /// The zero of each kind of digits; the other nine follow it.
    pub(super) zeros: &'static [char],
}

/// The scripts of names, because std has no table for them.
///
/// The letters are those that people write names with today. Left out are: marks; what normalization (NFKC)
/// would change, such as compatibility ideographs, presentation forms, digraphs and jamo; what shows nothing;
/// letters of phonetics and of old books. Left out are also the digits that look like letters of their own
/// script and that few people use, and the scripts that hardly have a word without a mark, such as Burmese.
///
/// The tests compare the table with the data of Unicode.
#[rustfmt::skip]
pub(super) const SCRIPTS: &[Script] = &[
    // Latin: with Vietnamese, Azerbaijani, pinyin, and the languages of West Africa.
    Script {
        letters: &[
            0x41..=0x5a, 0x61..=0x7a, 0xc0..=0xd6, 0xd8..=0xf6, 0xf8..=0x113, 0x116..=0x12b, 0x12e..=0x131,
            0x134..=0x137, 0x139..=0x13e, 0x141..=0x148, 0x14a..=0x14d, 0x150..=0x17e, 0x181..=0x181,
            0x186..=0x186, 0x18a..=0x18a, 0x18f..=0x190, 0x198..=0x199, 0x1a0..=0x1a1, 0x1af..=0x1b0,
            0x1b3..=0x1b4, 0x1cd..=0x1dc, 0x218..=0x21b, 0x253..=0x254, 0x257..=0x257, 0x259..=0x259,
            0x25b..=0x25b, 0x1e80..=0x1e85, 0x1e9e..=0x1e9e, 0x1ea0..=0x1ef9,
        ],
        zeros: &[],
    },
    // Greek: with the accents of older spelling, but each only as the one character that normalization keeps.
    Script {
        letters: &[
            0x386..=0x386, 0x388..=0x38a, 0x38c..=0x38c, 0x38e..=0x3a1, 0x3a3..=0x3ce, 0x1f00..=0x1f15,
            0x1f18..=0x1f1d, 0x1f20..=0x1f45, 0x1f48..=0x1f4d, 0x1f50..=0x1f57, 0x1f59..=0x1f59,
            0x1f5b..=0x1f5b, 0x1f5d..=0x1f5d, 0x1f5f..=0x1f70, 0x1f72..=0x1f72, 0x1f74..=0x1f74,
            0x1f76..=0x1f76, 0x1f78..=0x1f78, 0x1f7a..=0x1f7a, 0x1f7c..=0x1f7c, 0x1fb6..=0x1fb6,
            0x1fc6..=0x1fc6, 0x1fd6..=0x1fd6, 0x1fe4..=0x1fe6, 0x1fec..=0x1fec, 0x1ff6..=0x1ff6,
        ],
        zeros: &[],
    },
    // Cyrillic: with the languages of Central Asia and of the Caucasus.
    Script {
        letters: &[0x400..=0x45f, 0x490..=0x4bb, 0x4c0..=0x4c0, 0x4cf..=0x4df, 0x4e2..=0x4f9],
        zeros: &[],
    },
    // Armenian.
    Script { letters: &[0x531..=0x556, 0x561..=0x586], zeros: &[] },
    // Georgian.
    Script { letters: &[0x10d0..=0x10f0], zeros: &[] },
    // Hebrew.
    Script { letters: &[0x5d0..=0x5ea], zeros: &[] },
    // Arabic: with Persian, Kurdish, Pashto, Urdu and Uyghur.
    Script {
        letters: &[
            0x621..=0x63a, 0x641..=0x64a, 0x679..=0x679, 0x67c..=0x67c, 0x67e..=0x67e, 0x681..=0x681,
            0x685..=0x686, 0x688..=0x689, 0x691..=0x691, 0x693..=0x693, 0x695..=0x696, 0x698..=0x698,
            0x69a..=0x69a, 0x6a4..=0x6a4, 0x6a9..=0x6a9, 0x6ab..=0x6ab, 0x6ad..=0x6ad, 0x6af..=0x6af,
            0x6b5..=0x6b5, 0x6ba..=0x6ba, 0x6bc..=0x6bc, 0x6be..=0x6be, 0x6c0..=0x6c3, 0x6c6..=0x6c8,
            0x6cb..=0x6ce, 0x6d0..=0x6d0, 0x6d2..=0x6d3, 0x6d5..=0x6d5,
        ],
        zeros: &['\u{660}', '\u{6f0}'],
    },
    // Devanagari.
    Script {
        letters: &[0x905..=0x90b, 0x90d..=0x928, 0x92a..=0x933, 0x935..=0x939, 0x972..=0x972],
        zeros: &['\u{966}'],
    },
    // Bengali.
    Script {
        letters: &[
            0x985..=0x98b, 0x98f..=0x990, 0x993..=0x9a8, 0x9aa..=0x9b0, 0x9b2..=0x9b2, 0x9b6..=0x9b9,
            0x9ce..=0x9ce, 0x9f0..=0x9f1,
        ],
        zeros: &['\u{9e6}'],
    },
    // Gurmukhi.
    Script {
        letters: &[
            0xa05..=0xa0a, 0xa0f..=0xa10, 0xa13..=0xa28, 0xa2a..=0xa30, 0xa32..=0xa32, 0xa35..=0xa35,
            0xa38..=0xa39, 0xa5c..=0xa5c,
        ],
        zeros: &[],
    },
    // Gujarati.
    Script {
        letters: &[
            0xa85..=0xa8b, 0xa8d..=0xa8d, 0xa8f..=0xa91, 0xa93..=0xaa8, 0xaaa..=0xab0, 0xab2..=0xab3,
            0xab5..=0xab9,
        ],
        zeros: &[],
    },
    // Tamil.
    Script {
        letters: &[
            0xb85..=0xb8a, 0xb8e..=0xb90, 0xb92..=0xb95, 0xb99..=0xb9a, 0xb9c..=0xb9c, 0xb9e..=0xb9f,
            0xba3..=0xba4, 0xba8..=0xbaa, 0xbae..=0xbb9,
        ],
        zeros: &[],
    },
    // Telugu.
    Script {
        letters: &[0xc05..=0xc0b, 0xc0e..=0xc10, 0xc12..=0xc28, 0xc2a..=0xc33, 0xc35..=0xc39],
        zeros: &[],
    },
    // Kannada.
    Script {
        letters: &[0xc85..=0xc8b, 0xc8e..=0xc90, 0xc92..=0xca8, 0xcaa..=0xcb3, 0xcb5..=0xcb9],
        zeros: &['\u{ce6}'],
    },
    // Malayalam.
    Script {
        letters: &[0xd05..=0xd0b, 0xd0e..=0xd10, 0xd12..=0xd28, 0xd2a..=0xd39, 0xd7a..=0xd7f],
        zeros: &[],
    },
    // Sinhala.
    Script {
        letters: &[
            0xd85..=0xd8d, 0xd91..=0xd96, 0xd9a..=0xdb1, 0xdb3..=0xdbb, 0xdbd..=0xdbd, 0xdc0..=0xdc6,
        ],
        zeros: &[],
    },
    // Thai.
    Script { letters: &[0xe01..=0xe30, 0xe32..=0xe32, 0xe40..=0xe46], zeros: &['\u{e50}'] },
    // Lao.
    Script {
        letters: &[
            0xe81..=0xe82, 0xe84..=0xe84, 0xe87..=0xe88, 0xe8a..=0xe8a, 0xe8d..=0xe8d, 0xe94..=0xe97,
            0xe99..=0xe9f, 0xea1..=0xea3, 0xea5..=0xea5, 0xea7..=0xea7, 0xeaa..=0xeab, 0xead..=0xeae,
            0xeb0..=0xeb0, 0xeb2..=0xeb2, 0xebd..=0xebd, 0xec0..=0xec4, 0xec6..=0xec6,
        ],
        zeros: &['\u{ed0}'],
    },
    // Ethiopic.
    Script {
        letters: &[
            0x1200..=0x1248, 0x124a..=0x124d, 0x1250..=0x1256, 0x1258..=0x1258, 0x125a..=0x125d,
            0x1260..=0x1288, 0x128a..=0x128d, 0x1290..=0x12b0, 0x12b2..=0x12b5, 0x12b8..=0x12be,
            0x12c0..=0x12c0, 0x12c2..=0x12c5, 0x12c8..=0x12d6, 0x12d8..=0x1310, 0x1312..=0x1315,
            0x1318..=0x135a,
        ],
        zeros: &[],
    },
    // Hangul: whole syllables.
    Script { letters: &[0xac00..=0xd7a3], zeros: &[] },
    // Hiragana: with the sign that makes a vowel long, which Katakana has too.
    Script { letters: &[0x3041..=0x3096, 0x309d..=0x309e, 0x30fc..=0x30fc], zeros: &[] },
    // Katakana.
    Script { letters: &[0x30a1..=0x30fa, 0x30fc..=0x30fe], zeros: &[] },
    // Han: the ideographs of the first block, and the sign that repeats one.
    Script { letters: &[0x3005..=0x3005, 0x4e00..=0x9fff], zeros: &[] },
];

impl Script {
    pub(super) fn has_letter(&self, c: char) -> bool {
        self.letters.iter().any(|range| range.contains(&u32::from(c)))
    }

    /// Returns the zero of the digits of which `c` is one.
    pub(super) fn zero_of(&self, c: char) -> Option<char> {
        self.zeros.iter().copied().find(|zero| digit_value(c, *zero).is_some())
    }
}

/// Returns the value of a digit, if it is one of the ten that begin with `zero`.
pub(super) fn digit_value(c: char, zero: char) -> Option<u32> {
    u32::from(c).checked_sub(u32::from(zero)).filter(|value| *value < 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::{digits, letters};
    use unicode_normalization::{is_nfkc_quick, IsNormalized};
    use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
    use unicode_script::{Script as UnicodeScript, UnicodeScript as _};
    use unicode_security::general_security_profile::*;

    /// What Unicode calls the rows of the table.
    const UNICODE_SCRIPTS: [UnicodeScript; 23] = {
        use UnicodeScript::*;
        [
            Latin, Greek, Cyrillic, Armenian, Georgian, Hebrew, Arabic, Devanagari, Bengali, Gurmukhi,
            Gujarati, Tamil, Telugu, Kannada, Malayalam, Sinhala, Thai, Lao, Ethiopic, Hangul, Hiragana,
            Katakana, Han,
        ]
    };

    #[test]
    fn no_character_of_the_table_is_a_mark_or_invisible_or_changed_by_normalization() {
        assert_eq!(SCRIPTS.len(), UNICODE_SCRIPTS.len());
        for (script, wanted) in SCRIPTS.iter().zip(UNICODE_SCRIPTS) {
            let letters = letters(script).map(|c| (c, true));
            for (c, is_letter) in letters.chain(digits(script).map(|c| (c, false))) {
                use GeneralCategory::{
                    DecimalNumber, LowercaseLetter, ModifierLetter, OtherLetter, UppercaseLetter,
                };
                let number = u32::from(c);
                let of_right_kind = match c.general_category() {
                    UppercaseLetter | LowercaseLetter | OtherLetter | ModifierLetter => is_letter,
                    DecimalNumber => !is_letter,
                    _ => false,
                };
                assert!(of_right_kind, "{number:x} is a {:?}", c.general_category());
                // "Yes" means that it is stable alone, and composes with no character before it.
                assert_eq!(is_nfkc_quick([c].into_iter()), IsNormalized::Yes, "{number:x} is not stable");
                assert_ne!(c.identifier_type(), Some(IdentifierType::Default_Ignorable), "{number:x}");
                assert!(c.script_extension().contains_script(wanted), "{number:x} is not {wanted:?}");
                // std may know an older Unicode, and a ban takes only what std takes for a letter or a digit.
                assert!(c.is_alphanumeric(), "{number:x} is unknown to std");
            }
        }
    }
}
