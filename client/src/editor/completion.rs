//! What Tab completes: commands at the start of a line, and names. No I/O.

use crate::input::{commands, verbs};

/// The commands of the server that an operator has besides those in the room.
const OPERATOR_COMMANDS: [&str; 11] =
    ["/say", "/kick", "/mute", "/unmute", "/ban", "/unban", "/bans", "/forget", "/reload", "/stats", "/stop"];
/// Commands whose first argument is a name.
const NAME_COMMANDS: [&str; 9] =
    ["/msg", "/ignore", "/who", "/kick", "/mute", "/unmute", "/ban", "/unban", "/forget"];

/// What Tab can put in the place of the word before the cursor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Completion {
    /// Where the word begins. In bytes.
    pub(crate) start: usize,
    /// The whole words, the most likely one first.
    pub(crate) words: Vec<String>,
    /// What follows a word that is the only one.
    pub(crate) suffix: &'static str,
}

/// Returns the completions for the text before the cursor. `names` are the people, the likeliest first.
/// `operates` is whether the person is an operator.
pub(crate) fn complete(before: &str, names: &[String], operates: bool) -> Completion {
    let start = before
        .rfind(char::is_whitespace)
        .map_or(0, |index| index + before[index..].chars().next().map_or(1, char::len_utf8));
    let word = &before[start..];
    if start == 0 && word.starts_with('/') {
        let own = commands().into_iter().flat_map(|(form, _)| verbs(form)).filter(|verb| *verb != "//");
        let of_server = OPERATOR_COMMANDS.into_iter().filter(|_| operates);
        let word = word.to_lowercase();
        let words = own.chain(of_server).filter(|verb| verb.starts_with(&word)).map(str::to_owned).collect();
        return Completion { start, words, suffix: " " };
    }
    let after_command = before[..start].trim_end().to_lowercase();
    let suffix = if start == 0 && !word.is_empty() { ": " } else { " " };
    let start = start + usize::from(word.starts_with('@'));
    let word = before[start..].to_lowercase();
    // Without a letter, only a command that needs a name offers all of them.
    let offers = !word.is_empty() || NAME_COMMANDS.contains(&&*after_command);
    let matches = |name: &&String| offers && name.to_lowercase().starts_with(&word);
    Completion { start, words: names.iter().filter(matches).cloned().collect(), suffix }
}

/// Returns the longest text with which all words begin, without regard to upper and lower case.
pub(crate) fn common_start(words: &[String]) -> &str {
    let Some((first, rest)) = words.split_first() else { return "" };
    let mut end = first.len();
    for word in rest {
        let same = first.chars().zip(word.chars()).take_while(|(a, b)| a.to_lowercase().eq(b.to_lowercase()));
        end = end.min(same.map(|(c, _)| c.len_utf8()).sum());
    }
    &first[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(before: &str) -> (usize, Vec<String>, &'static str) {
        let names = ["Sara", "samuel", "Tom", "Ömer"].map(String::from);
        let Completion { start, words, suffix } = complete(before, &names, false);
        (start, words, suffix)
    }

    #[test]
    fn a_name_is_completed_by_where_it_stands() {
        assert_eq!(words("sar"), (0, vec!["Sara".into()], ": "));
        assert_eq!(words("hello t"), (6, vec!["Tom".into()], " "));
        assert_eq!(words("hello @t"), (7, vec!["Tom".into()], " "));
        assert_eq!(words("ö"), (0, vec!["Ömer".into()], ": "));
        assert_eq!(words("/msg t"), (5, vec!["Tom".into()], " "));
        assert_eq!(words("/msg ").1.len(), 4);
        assert_eq!(words("/ignore s").1, ["Sara", "samuel"]);
        assert!(words("hello ").1.is_empty() && words("").1.is_empty());
    }

    #[test]
    fn a_command_is_completed_at_the_start_of_a_line_alone() {
        assert_eq!(words("/wh"), (0, vec!["/who".into()], " "));
        assert!(words("/").1.len() > 8);
        assert!(words("see /wh").1.is_empty());
    }

    #[test]
    fn an_operator_has_the_commands_of_the_server_and_names_behind_them() {
        let words = |before: &str, operates| complete(before, &["Sara".to_owned()], operates).words;
        assert_eq!((words("/ki", true), words("/ki", false)), (vec!["/kick".to_owned()], vec![]));
        assert_eq!(words("/BA", true), ["/ban", "/bans"]);
        for command in ["/kick ", "/Mute ", "/unban "] {
            assert_eq!(words(command, true), ["Sara"], "{command}");
        }
    }

    #[test]
    fn several_words_are_completed_as_far_as_they_are_the_same() {
        assert_eq!(common_start(&["Sara".into(), "samuel".into()]), "Sa");
        assert_eq!(common_start(&["Tom".into()]), "Tom");
        assert_eq!(common_start(&[]), "");
    }
}
