//! The rules for names: a name must not look like another person's name, or like the room's own. Pure
//! functions, for any thread.
//!
//! A name that mixes scripts can look like another name: `Sara` with a Cyrillic `а`, for example. So
//! Latin letters do not mix with letters of other scripts. Styled copies of letters (fullwidth, circled,
//! mathematical) are not allowed at all. A whole name in another script can still look like a Latin name;
//! the README says so.

/// The rules, for a person whose name is refused.
const RULES: &str = "a name is letters and digits, without separate accents; _ . - may follow the \
                     first; Latin letters do not mix with others";

/// Names that look like the room's own, in the form of [`skeleton`].
const RESERVED: &str = "system server admin administrator moderator operator root room host everyone all you";

/// Returns the form in which names are compared. It takes the upper case first, because `ſ` and `s`, or
/// `ß` and `ss`, are equal only there. It removes the dot that the lower case of `İ` leaves.
pub(crate) fn fold(name: &str) -> String {
    const COMBINING_DOT: char = '\u{307}';
    name.to_uppercase().to_lowercase().replace(COMBINING_DOT, "")
}

/// Checks a name against the rules. `max_length` is in characters.
///
/// # Errors
/// What is wrong with the name and what is allowed, for the person who chose it.
pub(crate) fn validate(name: &str, max_length: usize) -> Result<(), String> {
    check_length(name, max_length)?;
    if name.is_empty() {
        return Err(format!("the name is empty; {RULES}"));
    }
    let acceptable = |(position, c): (usize, char)| match c {
        '_' | '.' | '-' => position > 0,
        _ => c.is_alphanumeric() && !is_styled(c),
    };
    if let Some((_, c)) = name.chars().enumerate().find(|&character| !acceptable(character)) {
        return Err(format!("the name may not have {c:?} there; {RULES}"));
    }
    let letters = || name.chars().filter(|c| c.is_alphanumeric() && !c.is_ascii_digit());
    if letters().any(is_latin) && !letters().all(is_latin) {
        return Err(format!("the name mixes Latin letters with another script; {RULES}"));
    }
    if RESERVED.split(' ').any(|reserved| reserved == skeleton(name)) {
        return Err("the name is reserved for the room itself; choose another".to_owned());
    }
    Ok(())
}

/// Checks only the length of a name. `max_length` is in characters.
///
/// # Errors
/// Says that the name is too long.
pub(crate) fn check_length(name: &str, max_length: usize) -> Result<(), String> {
    // A character has at most four bytes. This comparison comes first, so a name that is far too long
    // costs no time.
    if name.len() > 4 * max_length || name.chars().count() > max_length {
        return Err(format!("the name has more than {max_length} characters; choose a shorter one"));
    }
    Ok(())
}

/// Returns the letters and digits of a name, folded.
fn skeleton(name: &str) -> String {
    fold(name).chars().filter(|c| c.is_alphanumeric()).collect()
}

/// Returns whether a letter is Latin: ASCII, Latin-1, Latin Extended-A and -B, and Latin Extended
/// Additional, which Vietnamese needs.
fn is_latin(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}')
}

/// Returns whether a character is a styled copy of others: phonetic, letter-like, circled, fullwidth,
/// mathematical and similar.
fn is_styled(c: char) -> bool {
    matches!(c,
        '\u{aa}' | '\u{b2}'..='\u{b3}' | '\u{b9}'..='\u{be}' | '\u{250}'..='\u{2ff}'
        | '\u{1d00}'..='\u{1dbf}' | '\u{2070}'..='\u{218f}' | '\u{2460}'..='\u{24ff}'
        | '\u{2776}'..='\u{2793}' | '\u{2c60}'..='\u{2c7f}' | '\u{3200}'..='\u{33ff}'
        | '\u{a720}'..='\u{a7ff}' | '\u{ab30}'..='\u{ab6f}' | '\u{fb00}'..='\u{fb06}'
        | '\u{ff00}'..='\u{ffef}' | '\u{1d400}'..='\u{1d7ff}' | '\u{1f100}'..='\u{1f1ff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_of_any_script_are_allowed() {
        for name in
            ["Ann", "a", "Zoë", "Nguyễn", "Иван", "李雷", "한솔", "user_1", "J.R-2", "7of9", "Ἑλένη", "محمد"]
        {
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
    fn names_that_differ_in_case_are_equal() {
        assert_eq!(fold("ANN"), fold("ann"));
        assert_eq!(fold("ÉLAN"), fold("élan"));
        assert_eq!(fold("ſara"), fold("Sara"));
        assert_eq!(fold("straße"), fold("STRASSE"));
        assert_eq!(fold("İstan"), fold("istan"));
    }
}
