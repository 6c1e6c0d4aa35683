//! The rules for names: a name must not look like another person's name, or like the room's own. Pure
//! functions, for any thread.
//!
//! Two names can look the same and still differ: `Sara` with a Cyrillic `а`, an accent as a character of its
//! own, a letter that shows nothing, a styled copy of a letter. So a name is letters of one row of
//! [`SCRIPTS`], which has no character of these kinds. The few letters of one script that look the same are
//! one letter where names are compared, see [`fold`]. A whole name in another script can still look like a
//! Latin name; the README says so.

use std::{collections::BTreeSet, ops::RangeInclusive};

/// Names that look like the room's own, folded. After the Latin names come their
/// spellings in Cyrillic and in Greek letters of the same look.
const RESERVED: &str = "\
    system server admin administrator moderator operator root room host everyone all you \
    ѕуѕтем орегатог гоот гоом ноѕт һоѕт аіі αιι υου γου";

/// One script. Its letters and digits are written as Unicode numbers, because many of them look alike.
struct Script {
    letters: &'static [RangeInclusive<u32>],
    /// The zero of each kind of digits; the other nine follow it.
    zeros: &'static [char],
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
const SCRIPTS: &[Script] = &[
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

/// Letters of one script that look the same, after the list of confusable characters of Unicode. In each
/// word, the letters before `=` are compared as what is behind it. Some pairs differ for a careful reader;
/// that costs only that two such names cannot be in the room together.
const LOOK_ALIKE: &str = "\
    ǎ=ă ð=đ ĺ=í ǐ=ľ þ=p ş=ș ţ=ț ǔ=ŭ æ=ae œ=oe σ=ο ү=у ӏ=і ы=ьі ю=іо ӕ=ае ӹ=ьї ռ=ո զ=գ \
    \u{5df}=\u{5d5} \u{6be}\u{6c1}\u{6d5}=\u{647} \u{6c3}=\u{629} \u{6c2}=\u{6c0} \u{643}=\u{6a9} \
    \u{649}\u{64a}\u{6ba}\u{6d2}=\u{6cc} \u{6d3}=\u{626} \u{62b}=\u{67e} \
    ৰ=র ஈ=ர ஜ=ஐ ஶ=ஸ ஊ=உள ஔ=ஒள റ=ര ඵ=එ ඹ=ඔ ඛ=බ ව=ච භ=හ ฃ=ข คต=ด ฆ=ม ซ=ช ฏ=ฎ ฑ=ท ฦ=ภ ๅ=า แ=เเ ແ=ເເ \
    倂=併 值=値 兑=兌 凑=湊 凒=溰 凓=溧 凔=滄 凗=漼 凘=澌 凙=澤 凚=澿 澟=凜 凟=瀆 囗=口 吴呉=吳 啟=啓 嵒=喦 士=土 塡=填 壿=墫 \
    奨奬=獎 妺=妹 娯娱=娛 嬀=媯 隺=寉 巿=市 帲=帡 恒=恆 悦=悅 户戸=戶 抺=抹 捝=挩 挿揷=插 搖摇=揺 敚=敓 曰=日 昩=昧 晩=晚 肦=朌 \
    胐=朏 胊=朐 脁=朓 脧=朘 膧=朣 末=未 杮=柿 棁=梲 樧=榝 沬=沫 涚=涗 湌=飡 凐=湮 潙=溈 溤=馮 濓=濂 瑶=瑤 眜=眛 硏=研 税=稅 \
    絶=絕 絚=絙 緖=緒 腁=胼 脱=脫 卄卝=艹 茉=苿 蔿=蒍 虁=蘷 蜕=蛻 詽=訮 説=說 謡=謠 讏=讆 豣=豜 趆=赿 跥=跺 躛=躗 躱=躲 輧=軿 \
    郷鄕=鄉 鋭=銳 鎭=鎮 飮=飲 鹃=鹂 黒=黑";

impl Script {
    fn has_letter(&self, c: char) -> bool {
        self.letters.iter().any(|range| range.contains(&u32::from(c)))
    }

    /// Returns the zero of the digits of which `c` is one.
    fn zero_of(&self, c: char) -> Option<char> {
        self.zeros.iter().copied().find(|zero| digit_value(c, *zero).is_some())
    }
}

/// Returns the value of a digit, if it is one of the ten that begin with `zero`.
fn digit_value(c: char, zero: char) -> Option<u32> {
    u32::from(c).checked_sub(u32::from(zero)).filter(|value| *value < 10)
}

/// Returns the form in which names are compared: without case, with the digits 0 to 9, and with one letter
/// for those that look alike.
pub(crate) fn fold(name: &str) -> String {
    name.chars().fold(String::with_capacity(name.len()), |mut folded, c| {
        if c.is_ascii() {
            folded.push(c.to_ascii_lowercase());
            return folded;
        }
        match SCRIPTS.iter().find_map(|script| digit_value(c, script.zero_of(c)?)) {
            Some(value) => folded.extend(char::from_digit(value, 10)),
            None if !c.is_alphanumeric() => folded.push(c),
            // The upper case in between makes `ß` and `ss` equal. It leaves a mark behind a few letters, such
            // as `İ` and `ΰ`. A folded name has none, so that it is a possible name.
            None => {
                let lower = c.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
                for c in lower.filter(|c| c.is_alphanumeric()) {
                    match look_alike(c) {
                        Some(form) => folded.push_str(form),
                        None => folded.push(c),
                    }
                }
            }
        }
        folded
    })
}

/// Returns what a letter is compared as, if that is not the letter itself.
fn look_alike(c: char) -> Option<&'static str> {
    let start = LOOK_ALIKE.find(c)?;
    // No `=` follows a letter that others are compared as.
    let (_, form) = LOOK_ALIKE[start..].split(' ').next()?.split_once('=')?;
    Some(form)
}

/// Checks a name against the rules. `max_length` is in characters.
///
/// # Errors
/// What is wrong with the name, and an example of one that works, for the person who chose it.
pub(crate) fn validate(name: &str, max_length: usize) -> Result<(), String> {
    check_length(name, max_length)?;
    let of_script = |script: &Script, c| script.has_letter(c) || script.zero_of(c).is_some();
    let is_letter = |c: char| c.is_ascii_digit() || SCRIPTS.iter().any(|script| of_script(script, c));
    let Some(first) = name.chars().next() else {
        return Err("a name has at least one letter or digit; try Sara".to_owned());
    };
    if let Some(c) = name.chars().find(|c| !is_letter(*c) && !"_.-".contains(*c)) {
        return Err(match c {
            ' ' => "a name is one word, without spaces; try Sara_B".to_owned(),
            // A mark that stands behind its letter looks like an accent.
            _ if is_mark(c) => {
                "a letter and its accent are one character in a name; type it as one key, or try it \
                 without the accent, as in Andre for André"
                    .to_owned()
            }
            _ if c.is_alphabetic() => {
                format!("the letter {c:?} is not for names; try Sara, or a usual letter in its place")
            }
            _ => format!("{c:?} does not go into a name; take letters, digits, _ . and -, as in Sara_2"),
        });
    }
    if !is_letter(first) {
        return Err(format!("a name begins with a letter or a digit, not with {first}; try Sara{first}2"));
    }
    let of_a_script = || name.chars().filter(|c| !c.is_ascii() || c.is_ascii_alphabetic());
    let Some(script) = SCRIPTS.iter().find(|script| of_a_script().all(|c| of_script(script, c))) else {
        let why = "all letters of a name are of one alphabet; try Sara or Сара, but not a mixture";
        return Err(why.to_owned());
    };
    let zeros: BTreeSet<char> = name.chars().filter_map(|c| script.zero_of(c)).collect();
    if zeros.len() + usize::from(name.contains(|c: char| c.is_ascii_digit())) > 1 {
        return Err("all digits of a name are of one kind; try 0 to 9, as in Sara2".to_owned());
    }
    // A Bengali 4 alone looks like an 8, so a letter comes first and says which digits follow.
    if name.starts_with(|c| script.zero_of(c).is_some()) {
        return Err("a name begins with a letter, or with one of 0 to 9; try 7b or Sara2".to_owned());
    }
    if RESERVED.split(' ').any(|reserved| is_like_reserved(name, reserved)) {
        return Err("the name is reserved for the room itself; choose another, such as Sara".to_owned());
    }
    Ok(())
}

/// Whether a name is one of the reserved ones, or looks like it.
fn is_like_reserved(name: &str, reserved: &str) -> bool {
    let plain: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
    let skeleton = fold(&plain);
    // In a long word `i` and `l` are told apart by nobody who reads quickly. In a short one that would refuse
    // `Ali` because of `all`, so only the digits count as letters there: `a11`.
    let loose =
        |name: &str| name.replace(['1', 'l'], "i").replace('0', "o").replace('5', "s").replace("rn", "m");
    reserved == skeleton
        || reserved == skeleton.replace('1', "l").replace('0', "o")
        || looks_like(&plain, reserved)
        || reserved.len() > 3 && loose(reserved) == loose(&skeleton)
}

/// Whether the character is a mark that is drawn over or under the letter before it.
fn is_mark(c: char) -> bool {
    matches!(u32::from(c), 0x300..=0x36f | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x20d0..=0x20ff)
}

/// Checks only the length of a name. `max_length` is in characters.
///
/// # Errors
/// Says that the name is too long.
pub(crate) fn check_length(name: &str, max_length: usize) -> Result<(), String> {
    // A character has at most four bytes. This comparison comes first, so a name that is far too long
    // costs no time.
    if name.len() > 4 * max_length || name.chars().count() > max_length {
        return Err(format!(
            "a name has at most {max_length} characters; choose a shorter one, such as Sara"
        ));
    }
    Ok(())
}

/// Returns whether two names count as the same, or look the same.
pub(crate) fn is_alike(one: &str, other: &str) -> bool {
    looks_like(one, other) || fold(one) == fold(other)
}

/// Returns whether two names look the same because of `I`, `l`, `1`, `O` and `0`, as `BiII` and `Bill` do, or
/// because of a digit that looks like a full stop. [`fold`] cannot tell that: it makes `I` an `i` and `L` an
/// `l`, and so `Ian` and `Lan` would be one name.
pub(crate) fn looks_like(one: &str, other: &str) -> bool {
    one.chars().map(shape_of).eq(other.chars().map(shape_of))
}

/// Returns what two names share if one [looks like](looks_like) the other.
pub(super) fn shape(name: &str) -> String {
    name.chars().map(shape_of).collect()
}

/// The case of other letters makes no difference, because it makes none in [`fold`].
fn shape_of(c: char) -> char {
    match c {
        'I' | '1' => 'l',
        'L' => 'L',
        'O' | '0' => 'o',
        // The zeros of Arabic and of Persian.
        '\u{660}' | '\u{6f0}' => '.',
        c => c.to_lowercase().next().unwrap_or(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use unicode_normalization::{is_nfkc_quick, IsNormalized};
    use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
    use unicode_script::{Script as UnicodeScript, UnicodeScript as _};
    use unicode_security::{confusable_detection::skeleton as unicode_skeleton, general_security_profile::*};

    /// What Unicode calls the rows of the table.
    const UNICODE_SCRIPTS: [UnicodeScript; 23] = {
        use UnicodeScript::*;
        [
            Latin, Greek, Cyrillic, Armenian, Georgian, Hebrew, Arabic, Devanagari, Bengali, Gurmukhi,
            Gujarati, Tamil, Telugu, Kannada, Malayalam, Sinhala, Thai, Lao, Ethiopic, Hangul, Hiragana,
            Katakana, Han,
        ]
    };

    fn letters(script: &Script) -> impl Iterator<Item = char> + '_ {
        script.letters.iter().cloned().flatten().map(|number| char::from_u32(number).unwrap())
    }

    fn digits(script: &Script) -> impl Iterator<Item = char> + '_ {
        script.zeros.iter().flat_map(|zero| (*zero..).take(10))
    }

    /// The text that the eye takes `text` for, after the data of Unicode.
    fn seen(text: &str) -> String {
        unicode_skeleton(text).collect()
    }

    #[test]
    fn digits_and_letters_of_the_same_shape_make_no_second_name_and_no_name_of_the_room() {
        for name in [
            "ADMlN", "adm1n", "5ystem", "sy5tern", "h0st", "R00T", "y0u", "Y0U", "a11", "A1l", "aIl", "AII",
            "a.1-1",
        ] {
            assert!(validate(name, 32).unwrap_err().contains("reserved"), "{name}");
        }
        for name in ["Ali", "ALI", "Lily", "Bo1", "Roy", "Alia", "Youssef", "سارا٠"] {
            assert_eq!(validate(name, 32), Ok(()), "{name}");
        }
        assert!(looks_like("Bill", "BiII") && looks_like("0laf", "Olaf") && looks_like("l1", "ll"));
        assert!(looks_like("bill", "BiII") && looks_like("Ian", "lan") && looks_like("سارا٠", "سارا."));
        assert!(!looks_like("Ian", "Lan") && !looks_like("Ali", "All") && !looks_like("Al", "A"));
        assert!(is_alike("BILL", "bill") && !looks_like("BILL", "bill") && !is_alike("Ian", "Lan"));
    }

    #[test]
    fn ordinary_names_of_any_script_are_allowed() {
        let names =
            "Ann a Zoë Nguyễn Straße Øyvind Çağla Łukasz Иван Ғалым Київ Ἑλένη Σοφία Անի ნინო שרה محمد \
                     فاطمه۲ کمال कमल गगन१ কমল ਕਮਲ કમલ கமல கமல1 అమల ಕಮಲ കമല අමර นานา ນານາ ሰላም 한솔 さくら \
                     らーめん サラ スー 李雷 佐々木 user_1 J.R-2 7of9 2468";
        for name in names.split(' ') {
            assert_eq!(validate(name, 32), Ok(()), "{name}");
        }
        assert_eq!(validate(&"x".repeat(32), 32), Ok(()));
    }

    #[test]
    fn misleading_names_are_refused() {
        let bad = [
            "",
            " ",
            "a b",
            "[Ann]",
            "_ann",
            "-x",
            ".x",
            "Ann\n",
            "An\u{200b}n",
            "\u{202e}nnA",
            "SYSTEM",
            "system.",
            "S_y-s.tem",
            "Server",
            "admin",
            "S\u{430}ra",
            "\u{ff21}nn",
            "𝐀𝐧𝐧",
            "ⓢ",
            "e\u{301}",
            "\u{1b}[2J",
        ];
        for name in bad {
            assert!(validate(name, 32).is_err(), "{name:?}");
        }
        assert!(validate(&"x".repeat(33), 32).unwrap_err().contains("32"));
    }

    #[test]
    fn each_refusal_says_the_rule_and_shows_a_name_that_works() {
        for (name, rule, example) in [
            ("", "at least one letter or digit", "Sara"),
            ("Sara B", "one word, without spaces", "Sara_B"),
            ("-Sara", "begins with a letter or a digit, not with -", "Sara-2"),
            ("_", "begins with a letter or a digit, not with _", "Sara_2"),
            ("Sara+", "'+' does not go into a name", "Sara_2"),
            ("Sara🦀", "'🦀' does not go into a name", "Sara_2"),
            ("Andre\u{301}", "its accent are one character", "Andre"),
            ("\u{ff21}nn", "the letter 'Ａ' is not for names", "Sara"),
            ("S\u{430}ra", "of one alphabet", "Сара"),
            ("কমল\u{9e7}2", "of one kind", "Sara2"),
            ("\u{9e6}\u{9ed}", "begins with a letter, or with one of 0 to 9", "7b"),
            ("admin", "reserved for the room", "Sara"),
            (&"x".repeat(33), "at most 32 characters", "Sara"),
        ] {
            let why = validate(name, 32).unwrap_err();
            assert!(why.contains(rule) && why.contains(example), "{name}: {why}");
            assert_eq!(validate(example, 32), Ok(()));
        }
    }

    #[test]
    fn a_second_spelling_of_a_name_is_refused() {
        let bad = [
            ("a compatibility ideograph", "\u{f9e1}"),
            ("Greek oxia, which is tonos", "\u{1f71}ννα"),
            ("Hangul jamo, which are a syllable", "\u{1112}\u{1161}\u{11ab}"),
            ("a digraph", "\u{1ca}ovak"),
            ("another digraph", "\u{1c6}ep"),
            ("an Arabic presentation form", "\u{fee1}"),
            ("a word as one character", "\u{fdf4}"),
            ("tatweel, which only makes a letter longer", "مح\u{640}مد"),
            ("an iota below, which counts as a letter", "Иван\u{345}"),
            ("a Hebrew vowel mark behind Cyrillic", "Иван\u{5b0}"),
            ("a Devanagari vowel mark behind Cyrillic", "Иван\u{93e}"),
            ("a Devanagari vowel mark behind its own letter", "\u{915}\u{941}"),
            ("a Bengali zero among ASCII digits", "agent0\u{9e6}7"),
            ("a Bengali zero among nothing but ASCII digits", "1\u{9e6}2"),
            ("a Bengali zero behind Latin letters", "agent\u{9e6}"),
            ("Bengali digits and nothing else", "\u{9e6}\u{9ed}"),
            ("a Devanagari digit before the letters", "१गगन"),
            ("digits of two kinds behind letters", "কমল\u{9e7}2"),
            ("Arabic digits of two kinds", "محمد\u{661}\u{6f2}"),
            ("the Hangul filler", "\u{3164}"),
            ("a jungseong filler", "\u{1160}"),
            ("a choseong filler", "\u{115f}"),
            ("a halfwidth filler", "Ann\u{ffa0}"),
            ("Cyrillic beside Greek", "\u{430}\u{3bd}\u{3bd}"),
            ("Katakana beside Han", "\u{5c71}\u{30cb}"),
        ];
        for (what, name) in bad {
            let why = validate(name, 32).expect_err(what);
            assert!(!why.contains('\n'), "{what}: {why}");
        }
    }

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

    /// A name may have `_`, `.` and `-`, and the digits 0 to 9, beside the letters of any script.
    #[test]
    fn what_looks_like_a_sign_that_any_name_may_have_does_not_tell_two_names_apart() {
        let mut missing = Vec::new();
        for c in SCRIPTS.iter().flat_map(|script| letters(script).chain(digits(script))) {
            for sign in "_.-".chars() {
                if seen(&c.to_string()) == seen(&sign.to_string()) && shape_of(c) != sign {
                    missing.push(format!("{c}={sign}"));
                }
            }
        }
        assert!(missing.is_empty(), "{}", missing.join(" "));
    }

    #[test]
    fn letters_of_one_script_that_look_the_same_are_one_letter() {
        let mut missing = Vec::new();
        for script in SCRIPTS {
            let mut by_look: BTreeMap<String, Vec<char>> = BTreeMap::new();
            let all = || letters(script).chain(digits(script));
            for c in all() {
                by_look.entry(seen(&c.to_string())).or_default().push(c);
            }
            let folded = |c: char| fold(&c.to_string());
            for look in by_look.values() {
                for (one, other) in look.iter().flat_map(|one| look.iter().map(move |other| (*one, *other))) {
                    // As ASCII's own I and l, and 1 and l, these are left to the reader.
                    let of_ascii = one.is_ascii() && other.is_ascii();
                    let letter_and_digit = script.zero_of(one).is_some() != script.zero_of(other).is_some();
                    if !of_ascii && !letter_and_digit && folded(one) != folded(other) {
                        missing.push(format!("{one}={other}"));
                    }
                }
            }
            for c in all().filter(|c| !c.is_ascii()) {
                let look = seen(&c.to_string());
                for (cut, _) in look.char_indices().skip(1) {
                    let halves = by_look.get(&look[..cut]).zip(by_look.get(&look[cut..]));
                    for (left, right) in halves.into_iter().flat_map(|(left, right)| {
                        left.iter().flat_map(move |left| right.iter().map(move |right| (*left, *right)))
                    }) {
                        if folded(c) != folded(left) + &folded(right) {
                            missing.push(format!("{c}={left}{right}"));
                        }
                    }
                }
            }
        }
        assert!(missing.is_empty(), "{}", missing.join(" "));
    }

    #[test]
    fn a_folded_name_is_folded_and_is_a_possible_name() {
        for c in SCRIPTS.iter().flat_map(|script| letters(script).chain(digits(script))) {
            let name = c.to_string();
            let folded = fold(&name);
            assert_eq!(fold(&folded), folded, "{name}");
            for same in [name.to_uppercase(), name.to_lowercase(), name.to_uppercase().to_lowercase()] {
                // The case of a few letters is a letter and a mark.
                let same: String = same.chars().filter(|c| c.is_alphanumeric()).collect();
                assert_eq!(fold(&same), folded, "{name} and {same}");
            }
            assert!(folded.chars().all(char::is_alphanumeric) && !folded.is_empty(), "{name}: {folded:?}");
        }
    }

    #[test]
    fn names_that_differ_in_case_or_in_encoding_are_equal() {
        for (one, other) in [
            ("ANN", "ann"),
            ("ÉLAN", "élan"),
            ("ſara", "Sara"),
            ("straße", "STRASSE"),
            ("STRAẞE", "strasse"),
            ("İstan", "istan"),
            ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
            ("Ion\u{163}", "Ion\u{21b}"),
            ("عل\u{64a}", "عل\u{6cc}"),
            ("عل\u{649}", "عل\u{6cc}"),
            ("\u{643}مال", "\u{6a9}مال"),
            ("فاطم\u{647}", "فاطم\u{6c1}"),
            ("محمد\u{664}", "محمد\u{6f4}"),
            ("गगन१", "गगन1"),
        ] {
            assert_eq!(fold(one), fold(other));
        }
        assert_ne!(fold("Zoë"), fold("Zoe"));
    }

    /// A reserved word can be written in letters of another script that look like its own. The data of
    /// Unicode says which letters these are.
    #[test]
    fn a_reserved_name_is_reserved_in_every_script_that_can_write_it() {
        for script in SCRIPTS {
            let looks: Vec<(char, String)> = letters(script).map(|c| (c, seen(&c.to_string()))).collect();
            for word in RESERVED.split(' ').filter(|word| word.is_ascii()) {
                let mut spellings = vec![String::new()];
                for letter in word.chars() {
                    let wanted = [letter, letter.to_ascii_uppercase()].map(|c| seen(&c.to_string()));
                    // ASCII's own I and l are left to the reader.
                    let alike = looks.iter().filter(|(c, look)| {
                        c.eq_ignore_ascii_case(&letter) || !c.is_ascii() && wanted.contains(look)
                    });
                    let alike: Vec<char> = alike.map(|(c, _)| *c).collect();
                    spellings = spellings
                        .iter()
                        .flat_map(|begun| alike.iter().map(move |c| format!("{begun}{c}")))
                        .collect();
                }
                for name in spellings {
                    assert!(validate(&name, 32).is_err(), "{name} looks like {word}");
                }
            }
        }
    }
}
