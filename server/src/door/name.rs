//! Which names people may have: ones that nobody can take for another's, or for the room's own voice.
//!
//! The rules are in [`RULES`]. Mixing scripts is how one name passes for another (a Cyrillic `а` inside `Sara`), so Latin letters
//! do not mix with others; and letters that are only styled copies of plain ones (fullwidth, circled, mathematical) are not
//! taken at all. What remains possible is a whole name in another script that looks like a Latin one; README says so.

/// What a refused name is told.
pub const RULES: &str =
    "a name is 1 to 32 letters and digits without accents of their own, with _ . - after the first, Latin not mixed with others";

/// Names that would pass for the room itself, as [`skeleton`]s.
const RESERVED: [&str; 12] = [
    "system",
    "server",
    "admin",
    "administrator",
    "moderator",
    "operator",
    "root",
    "room",
    "host",
    "everyone",
    "all",
    "you",
];

/// Two names are the same when these are. Upper case first, because some letters, such as `ſ` and `ß`, meet others only there; and
/// without the dot that lower case leaves of `İ`.
pub fn folded(name: &str) -> String {
    const COMBINING_DOT: char = '\u{307}';
    name.to_uppercase().to_lowercase().replace(COMBINING_DOT, "")
}

/// What is wrong with `name`, in words for the one who chose it. `longest` is in characters.
pub fn fault(name: &str, longest: usize) -> Option<String> {
    let length = name.chars().count();
    if length == 0 {
        return Some("the name is empty; ".to_owned() + RULES);
    }
    if length > longest {
        return Some(format!(
            "the name has {length} characters, and {longest} are the most; choose a shorter one"
        ));
    }
    let acceptable = |(position, c): (usize, char)| match c {
        '_' | '.' | '-' => position > 0,
        _ => c.is_alphanumeric() && !is_styled(c),
    };
    if let Some((_, odd)) = name.chars().enumerate().find(|&place| !acceptable(place)) {
        return Some(format!("the name may not hold {odd:?} there; {RULES}"));
    }
    let of_a_script = || name.chars().filter(|c| c.is_alphanumeric() && !c.is_ascii_digit());
    if of_a_script().any(is_latin) && !of_a_script().all(is_latin) {
        return Some(format!("the name mixes Latin letters with those or digits of another script; {RULES}"));
    }
    if RESERVED.contains(&skeleton(name).as_str()) {
        return Some("the name is reserved for the room itself; choose another".to_owned());
    }
    None
}

/// What is left of a name when the marks that do not change how it is read are gone.
fn skeleton(name: &str) -> String {
    folded(name).chars().filter(|c| c.is_alphanumeric()).collect()
}

/// ASCII, Latin-1, Latin Extended-A and -B, and Latin Extended Additional, which Vietnamese needs.
fn is_latin(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}')
}

/// Letters and digits that are another one in a costume: phonetic, letter-like, circled, fullwidth, mathematical.
fn is_styled(c: char) -> bool {
    matches!(c,
        '\u{aa}' | '\u{b2}'..='\u{b3}' | '\u{b9}'..='\u{be}'
        | '\u{250}'..='\u{2ff}' | '\u{1d00}'..='\u{1dbf}' | '\u{2070}'..='\u{218f}' | '\u{2460}'..='\u{24ff}'
        | '\u{2776}'..='\u{2793}' | '\u{2c60}'..='\u{2c7f}' | '\u{3200}'..='\u{33ff}' | '\u{a720}'..='\u{a7ff}' | '\u{ab30}'..='\u{ab6f}'
        | '\u{fb00}'..='\u{fb06}' | '\u{ff00}'..='\u{ffef}' | '\u{1d400}'..='\u{1d7ff}' | '\u{1f100}'..='\u{1f1ff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_of_any_script_pass() {
        for name in
            ["Ann", "a", "Zoë", "Nguyễn", "Иван", "李雷", "한솔", "user_1", "J.R-2", "7of9", "Ἑλένη", "محمد"]
        {
            assert_eq!(fault(name, 32), None, "{name}");
        }
        assert_eq!(fault(&"x".repeat(32), 32), None);
    }

    #[test]
    fn names_that_could_fool_somebody_do_not() {
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
            assert!(fault(name, 32).is_some(), "{name:?}");
        }
        assert!(fault(&"x".repeat(33), 32).unwrap().contains("33"));
    }

    #[test]
    fn case_does_not_make_another_name() {
        assert_eq!(folded("ANN"), folded("ann"));
        assert_eq!(folded("ÉLAN"), folded("élan"));
        assert_eq!(folded("ſara"), folded("Sara"));
        assert_eq!(folded("straße"), folded("STRASSE"));
        assert_eq!(folded("İstan"), folded("istan"));
    }
}
