//! The rules for names: a name must not look like another person's name, or like the room's own. Pure
//! functions, for any thread.
//!
//! Two names can look the same and still differ: `Sara` with a Cyrillic `а`, an accent as a character of its
//! own, a letter that shows nothing, a styled copy of a letter. So a name is letters of one row of
//! [`SCRIPTS`], which has no character of these kinds. The few letters of one script that look the same are
//! one letter where names are compared, see [`alike`](super::alike).

use super::{
    alike::{fold, looks_like},
    scripts::{Script, SCRIPTS},
};
use std::collections::BTreeSet;

/// Names that look like the room's own, folded. After the Latin names come their
/// spellings in Cyrillic and in Greek letters of the same look.
const RESERVED: &str = "\
    system server admin administrator moderator operator root room host everyone all you \
    ѕуѕтем орегатог гоот гоом ноѕт һоѕт аіі αιι υου γου";

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{
        alike::is_alike,
        tests::{letters, seen},
    };

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
