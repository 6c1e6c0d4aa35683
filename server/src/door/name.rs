//! Which names are allowed: a name must not pass for another person's, or for the room's own voice.
//!
//! Mixing scripts is how one name passes for another (a Cyrillic `а` inside `Sara`), so Latin letters do not mix with others.
//! Letters that are only styled copies of plain ones (fullwidth, circled, mathematical) are not allowed at all. A whole name in another
//! script can still look like a Latin one; README says so.

/// The rules, for the person whose name is refused.
const RULES: &str =
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

/// The form in which names are compared. Upper case comes first, because some letters, such as `ſ` and `ß`, meet others only there.
/// The dot that lower case leaves of `İ` is removed.
pub(crate) fn fold(name: &str) -> String {
    const COMBINING_DOT: char = '\u{307}';
    name.to_uppercase().to_lowercase().replace(COMBINING_DOT, "")
}

/// Checks a name against the rules. `max_length` is in characters.
///
/// # Errors
/// What is wrong with it, and what to do, for the person who chose it.
pub(crate) fn validate(name: &str, max_length: usize) -> Result<(), String> {
    check_length(name, max_length)?;
    if name.is_empty() {
        return Err(format!("the name is empty; {RULES}"));
    }
    let acceptable = |(position, c): (usize, char)| match c {
        '_' | '.' | '-' => position > 0,
        _ => c.is_alphanumeric() && !is_styled(c),
    };
    if let Some((_, odd)) = name.chars().enumerate().find(|&place| !acceptable(place)) {
        return Err(format!("the name may not hold {odd:?} there; {RULES}"));
    }
    let of_a_script = || name.chars().filter(|c| c.is_alphanumeric() && !c.is_ascii_digit());
    if of_a_script().any(is_latin) && !of_a_script().all(is_latin) {
        return Err(format!("the name mixes Latin letters with those or digits of another script; {RULES}"));
    }
    if RESERVED.contains(&skeleton(name).as_str()) {
        return Err("the name is reserved for the room itself; choose another".to_owned());
    }
    Ok(())
}

/// Checks only the length of a name, in characters.
///
/// # Errors
/// That it is too long.
pub(crate) fn check_length(name: &str, max_length: usize) -> Result<(), String> {
    // The bytes first, because a character has at most four of them: nothing walks through a name that is far too long.
    if name.len() > 4 * max_length || name.chars().count() > max_length {
        return Err(format!("the name has more than {max_length} characters; choose a shorter one"));
    }
    Ok(())
}

/// The letters and digits of a name, folded.
fn skeleton(name: &str) -> String {
    fold(name).chars().filter(|c| c.is_alphanumeric()).collect()
}

/// ASCII, Latin-1, Latin Extended-A and -B, and Latin Extended Additional, which Vietnamese needs.
fn is_latin(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}')
}

/// Letters and digits that are styled copies of others: phonetic, letter-like, circled, fullwidth, mathematical.
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
            assert_eq!(validate(name, 32), Ok(()), "{name}");
        }
        assert_eq!(validate(&"x".repeat(32), 32), Ok(()));
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
            assert!(validate(name, 32).is_err(), "{name:?}");
        }
        assert!(validate(&"x".repeat(33), 32).unwrap_err().contains("32"));
    }

    #[test]
    fn case_does_not_make_another_name() {
        assert_eq!(fold("ANN"), fold("ann"));
        assert_eq!(fold("ÉLAN"), fold("élan"));
        assert_eq!(fold("ſara"), fold("Sara"));
        assert_eq!(fold("straße"), fold("STRASSE"));
        assert_eq!(fold("İstan"), fold("istan"));
    }
}
