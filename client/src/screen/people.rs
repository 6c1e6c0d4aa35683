//! The words for who is here, as `/who` shows them. No I/O.

use crate::screen::viewer::Viewer;
use chat_common::{text::escape::escape_line, wire::protocol::Person};

const UNITS: [(u64, &str); 4] = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];

/// How many other people the line after the first join names.
const MOST_OTHERS: usize = 2;

/// Returns the people whose name contains the pattern, ignoring case. Without a pattern, all of them.
pub(crate) fn matching<'p>(people: &'p [Person], pattern: Option<&str>) -> Vec<&'p Person> {
    let pattern = pattern.unwrap_or_default().to_lowercase();
    people.iter().filter(|person| person.name.to_lowercase().contains(&pattern)).collect()
}

/// Returns what to say about the people of a list, which the server may have cut: `total` are here. With a
/// pattern, about those whose name contains it. If one person is meant, then more about that one.
pub(crate) fn describe(
    people: &[Person],
    total: u32,
    pattern: Option<&str>,
    viewer: &Viewer,
    on_terminal: bool,
) -> Vec<String> {
    let found = matching(people, pattern);
    let all: Vec<String> = found.iter().map(|person| named(person)).collect();
    let names = all.join(", ");
    let is_cut = (people.len() as u64) < u64::from(total);
    let Some(pattern) = pattern else {
        let cut =
            if is_cut { format!(", and the server names the first {}", people.len()) } else { String::new() };
        return vec![match on_terminal {
            // The end of a long list is what stays on a screen.
            true => format!("here: {names}; {total} in all{cut}"),
            false => format!("{total} here: {names}{cut}"),
        }];
    };
    let of = if is_cut { format!("the first {} of {total}", people.len()) } else { total.to_string() };
    if found.is_empty() {
        return vec![format!("nobody here is called \"{}\"; 0 of {of}", escape_line(pattern))];
    }
    let count = format!("{} of {of}", found.len());
    if let [person] = found[..] {
        return vec![format!("{}; {count}", about(person, viewer))];
    }
    let meant = found.iter().find(|person| person.name.to_lowercase() == pattern.to_lowercase());
    let mut lines: Vec<String> = meant.iter().map(|person| about(person, viewer)).collect();
    lines.push(format!("{names}; {count}"));
    lines
}

/// Since when a person is here, and for how long it has said nothing.
fn about(person: &Person, viewer: &Viewer) -> String {
    let since = viewer.time_of(viewer.now.saturating_sub(u64::from(person.here) * 1000));
    let you = if person.name == viewer.own_name { " (you)" } else { "" };
    let silent = match person.idle {
        0 if person.here == 0 => "silent so far".to_owned(),
        0 => "spoke just now".to_owned(),
        idle => format!("silent for {}", in_words(idle.into())),
    };
    format!("{}{you}: here since {since}, {silent}", named(person))
}

/// Returns the name of a person, and whether that is an operator.
fn named(person: &Person) -> String {
    let operator = if person.operator { " (operator)" } else { "" };
    escape_line(&person.name) + operator
}

/// Returns who is here but this client, whose name is `own_name`: `total` are here with it. The server may
/// have cut the list.
pub(crate) fn describe_others(people: &[Person], total: u32, own_name: &str) -> String {
    let names = people.iter().map(|person| person.name.as_str()).filter(|name| *name != own_name);
    let names: Vec<&str> = names.collect();
    match names.len().max((total as usize).saturating_sub(1)) {
        0 => "nobody else is here".to_owned(),
        others => format!("here: {}", list_some(&names, MOST_OTHERS, others)),
    }
}

/// Returns the first `most` of the names with commas between them. If `total` is more, then how many more.
pub(crate) fn list_some(names: &[&str], most: usize, total: usize) -> String {
    let shown: Vec<String> = names.iter().take(most).map(|name| escape_line(name)).collect();
    match total.saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Returns a time in its largest unit, such as `5 minutes`. The rest is left out.
pub(crate) fn in_words(seconds: u64) -> String {
    let (size, unit) = UNITS.into_iter().find(|(size, _)| seconds >= *size).unwrap_or((1, "second"));
    match seconds / size {
        1 => format!("1 {unit}"),
        count => format!("{count} {unit}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At 04:46:40 on 2 January 1970.
    const NOW: u64 = 103_600_000;

    fn said(names: &[(&str, u32, u32)], total: u32, pattern: Option<&str>, on_terminal: bool) -> Vec<String> {
        let people: Vec<Person> = names
            .iter()
            .map(|(name, here, idle)| Person {
                name: (*name).into(),
                here: *here,
                idle: *idle,
                operator: false,
            })
            .collect();
        describe(&people, total, pattern, &Viewer::at(NOW), on_terminal)
    }

    #[test]
    fn the_total_comes_last_on_a_terminal_and_first_in_a_pipe() {
        let two = [("Ann", 9, 9), ("Tom", 9, 9)];
        assert_eq!(said(&two, 2, None, false), ["2 here: Ann, Tom"]);
        assert_eq!(said(&two, 2, None, true), ["here: Ann, Tom; 2 in all"]);
        let cut = "here: Ann, Tom; 9 in all, and the server names the first 2";
        assert_eq!(said(&two, 9, None, true), [cut]);
    }

    #[test]
    fn the_others_are_the_first_two_names_and_how_many_more() {
        let others = |names: &[&str], total| {
            let person = |name: &&str| Person { name: (*name).into(), here: 1, idle: 1, operator: false };
            describe_others(&names.iter().map(person).collect::<Vec<_>>(), total, "Zoe")
        };
        assert_eq!(others(&["Zoe"], 1), "nobody else is here");
        assert_eq!(others(&["Ann", "Zoe"], 2), "here: Ann");
        assert_eq!(others(&["Ann", "Bob", "Zoe"], 3), "here: Ann, Bob");
        assert_eq!(others(&["Ann", "Bob", "Cid", "Zoe"], 4), "here: Ann, Bob and 1 more");
        // The server has cut the list, and Zoe comes behind its end.
        assert_eq!(others(&["Ann", "Bob", "Cid"], 300), "here: Ann, Bob and 297 more");
        assert_eq!(others(&["Bob\u{7}", "Zoe"], 0), "here: Bob\\u{7}");
    }

    #[test]
    fn a_pattern_lists_who_has_it_in_the_name() {
        let pupils = [("Pupil_1", 9, 9), ("pupil_16", 9, 9), ("Tom", 9, 9)];
        assert_eq!(said(&pupils, 3, Some("PUPIL"), true), ["Pupil_1, pupil_16; 2 of 3"]);
        assert_eq!(said(&pupils, 3, Some("x\u{7}"), true), ["nobody here is called \"x\\u{7}\"; 0 of 3"]);
        assert_eq!(said(&pupils, 7, Some("pupil"), true), ["Pupil_1, pupil_16; 2 of the first 3 of 7"]);
    }

    #[test]
    fn one_person_is_told_since_when_it_is_here_and_how_long_it_is_silent() {
        let pupils = [("pupil_1", 3_600, 300), ("pupil_16", 90_000, 0), ("Tom", 60, 60)];
        assert_eq!(
            said(&pupils, 3, Some("16"), false),
            ["pupil_16: here since 1970-01-01 03:46, spoke just now; 1 of 3"]
        );
        assert_eq!(
            said(&pupils, 3, Some("Pupil_1"), false),
            ["pupil_1: here since 03:46, silent for 5 minutes", "pupil_1, pupil_16; 2 of 3"]
        );
        let own = ["Tom (you): here since 04:45, silent for 1 minute; 1 of 3"];
        assert_eq!(said(&pupils, 3, Some("tom"), true), own);
    }

    #[test]
    fn a_time_in_words_has_one_unit() {
        for (seconds, words) in
            [(0, "0 seconds"), (1, "1 second"), (90, "1 minute"), (7_300, "2 hours"), (2_592_000, "30 days")]
        {
            assert_eq!(in_words(seconds), words);
        }
    }
}
