//! The words for everything that is shown: the only place where they are chosen. No I/O.
//!
//! People's lines begin with a bracket or with `* NAME`; a name holds no bracket, no blank and no line end, and a text's next
//! lines are indented. So nothing a person says can look like one of the system's lines, which begin with a word or `---`.

use crate::{
    input::command::HELP,
    screen::{
        color::Tone,
        visible::{visible, visible_line},
    },
    settings::{
        options::Bell,
        shown::{Said, Shown},
    },
};
use chat_common::protocol::{Event, EventKind};

/// What the next lines of a text begin with, so that none can pass for a line of its own.
pub(crate) const INDENT: &str = "    ";

/// One line to show: pieces, each in its tone. A line end inside of a piece begins an indented line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) pieces: Vec<(Tone, String)>,
    /// Whether this is about a mistake or a failure: where output is not a terminal it goes to standard error.
    pub(crate) trouble: bool,
}

impl Line {
    fn system(text: impl Into<String>) -> Line {
        Line { pieces: vec![(Tone::Dim, text.into())], trouble: false }
    }

    fn trouble(text: impl Into<String>) -> Line {
        Line { pieces: vec![(Tone::Dim, text.into())], trouble: true }
    }

    /// What we said ourselves, for the transcript.
    pub(crate) fn of(text: String) -> Line {
        Line { pieces: vec![(Tone::Text, text)], trouble: false }
    }

    /// All of it, without tones.
    pub(crate) fn text(&self) -> String {
        self.pieces.iter().map(|(_, text)| text.as_str()).collect()
    }
}

/// What to say. `me` is the name that is looked for in what others say.
pub(crate) fn lines(shown: &Shown, me: &str) -> Vec<Line> {
    let line = match shown {
        Shown::AskName | Shown::Clear => return Vec::new(),
        Shown::Connected { motd, .. } => {
            let mut lines = vec![Line::system("Connected! Start typing...")];
            lines.extend(
                motd.as_ref().map(|motd| Line::system(format!("Server: {}", visible(motd.trim_end())))),
            );
            return lines;
        }
        Shown::OpenedCallback => {
            Line::system("--- the server could not dial this client, so this client dialled the server ---")
        }
        Shown::Event { event, earlier } => event_line(event, *earlier, me),
        Shown::Accepted { said: Said::Private { to, text }, .. } => private_line(to, "to ", text),
        Shown::Accepted { .. } => return Vec::new(),
        Shown::Waiting(text) => Line::system(format!("--- waiting to be sent: {} ---", visible_line(text))),
        Shown::Busy => Line::system("--- the server is busy; trying again ---"),
        Shown::Lost { ended: true, .. } => {
            Line::system("--- trying to get back in, and keeping what you type ---")
        }
        // The reason is for programs and for the log; a person can do nothing with it.
        Shown::Lost { .. } => {
            Line::system("--- connection lost; trying to get it back, and keeping what you type ---")
        }
        Shown::Regained { waiting } => Line::system(format!("--- connected again{} ---", sending(*waiting))),
        Shown::Rejoined { restarted: true, waiting, .. } => {
            Line::system(format!("--- connected again: the room was restarted{} ---", sending(*waiting)))
        }
        Shown::Rejoined { waiting, .. } => Line::system(format!(
            "--- connected again after a long time; what was said meanwhile follows, as far as the room remembers it{} ---",
            sending(*waiting)
        )),
        Shown::Refused(text) => Line::trouble(format!("--- refused: {} ---", visible_line(text))),
        Shown::Mistake(text) => Line::trouble(format!("--- {} ---", visible_line(text))),
        Shown::People { names, total } => Line::system(format!("--- {total} here: {} ---", list(names))),
        Shown::History(events) if events.is_empty() => Line::system("--- nothing has been said yet ---"),
        Shown::History(events) => return events.iter().map(|event| event_line(event, true, me)).collect(),
        Shown::Renamed { name } => Line::system(format!("--- you are [{}] now ---", visible_line(name))),
        Shown::Help => return HELP.iter().map(|help| Line::system(*help)).collect(),
        Shown::Bell(bell) => {
            let mode = bell.map_or("as before", Bell::name);
            Line::system(format!("--- bell: {mode} ---"))
        }
        Shown::Ignoring(names) if names.is_empty() => Line::system("--- ignoring nobody ---"),
        Shown::Ignoring(names) => Line::system(format!("--- ignoring: {} ---", list(names))),
        Shown::Unsent(count) => Line::trouble(format!("--- lines that were not sent: {count} ---")),
        Shown::Failed(reason) => Line::trouble(format!("chat-client: {}", visible_line(reason))),
        Shown::Bye => Line::system("Bye!"),
    };
    vec![line]
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| visible_line(name)).collect::<Vec<_>>().join(", ")
}

fn sending(waiting: usize) -> String {
    match waiting {
        0 => String::new(),
        count => format!("; sending what waited ({count})"),
    }
}

fn event_line(event: &Event, earlier: bool, me: &str) -> Line {
    let mut line = match &event.kind {
        EventKind::Message { author, text, .. } => {
            let author = visible_line(author);
            let pieces = vec![
                (Tone::Name(author.clone()), format!("[{author}]")),
                (Tone::Text, " ".into()),
                (tone_of(text, me), visible(text)),
            ];
            Line { pieces, trouble: false }
        }
        EventKind::Private { author, text, .. } => private_line(author, "", text),
        EventKind::Action { author, text, .. } => {
            let author = visible_line(author);
            let pieces = vec![
                (Tone::Text, "* ".into()),
                (Tone::Name(author.clone()), author),
                (Tone::Text, " ".into()),
                (tone_of(text, me), visible(text)),
            ];
            Line { pieces, trouble: false }
        }
        EventKind::Joined { name } => Line::system(format!("User [{}] joined", visible_line(name))),
        EventKind::Left { name, reason: None } => Line::system(format!("User [{}] left", visible_line(name))),
        EventKind::Left { name, reason: Some(reason) } => {
            Line::system(format!("User [{}] left ({})", visible_line(name), visible_line(reason)))
        }
        EventKind::Back { name } => Line::system(format!("User [{}] is back", visible_line(name))),
        EventKind::Renamed { from, to } => {
            Line::system(format!("User [{}] is now [{}]", visible_line(from), visible_line(to)))
        }
        EventKind::Missed { first } => {
            let count = event.sequence.saturating_sub(*first).saturating_add(1);
            Line::system(format!("--- {count} messages missed ---"))
        }
        EventKind::Ended { reason } => {
            Line::system(format!("--- the room has ended: {} ---", visible_line(reason)))
        }
        EventKind::Notice { text } => Line::system(format!("Server: {}", visible(text))),
    };
    if earlier {
        line.pieces.insert(0, (Tone::Dim, "(earlier) ".into()));
    }
    line
}

/// What goes between two people alone; `direction` is "to " on the author's own screen.
fn private_line(name: &str, direction: &str, text: &str) -> Line {
    let name = visible_line(name);
    let tag = format!("[{direction}{name}, privately]");
    let pieces = vec![(Tone::Name(name), tag), (Tone::Text, " ".into()), (Tone::Text, visible(text))];
    Line { pieces, trouble: false }
}

fn tone_of(text: &str, me: &str) -> Tone {
    if mentions(text, me) {
        Tone::Strong
    } else {
        Tone::Text
    }
}

/// Whether a name stands in a text as a word of its own, in whatever case.
pub(crate) fn mentions(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    let part_of_name = |c: &char| c.is_alphanumeric() || *c == '_';
    !name.is_empty()
        && text.match_indices(&name).any(|(start, found)| {
            !text[..start].chars().next_back().as_ref().is_some_and(part_of_name)
                && !text[start + found.len()..].chars().next().as_ref().is_some_and(part_of_name)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(kind: EventKind) -> String {
        let shown = Shown::Event { event: Event { sequence: 9, time: 0, kind }, earlier: false };
        lines(&shown, "Tom").iter().map(Line::text).collect()
    }

    #[test]
    fn the_lines_of_the_contract_are_word_for_word() {
        let (author, name) = (String::from("Sara"), String::from("Sara"));
        let text = String::from("hello");
        assert_eq!(
            said(EventKind::Message { author: author.clone(), message_id: 1, text: text.clone() }),
            "[Sara] hello"
        );
        assert_eq!(
            said(EventKind::Private { author: author.clone(), message_id: 1, text }),
            "[Sara, privately] hello"
        );
        assert_eq!(said(EventKind::Action { author, message_id: 1, text: "waves".into() }), "* Sara waves");
        assert_eq!(said(EventKind::Joined { name: name.clone() }), "User [Sara] joined");
        assert_eq!(said(EventKind::Left { name: name.clone(), reason: None }), "User [Sara] left");
        let reason = Some("connection lost".into());
        assert_eq!(
            said(EventKind::Left { name: name.clone(), reason }),
            "User [Sara] left (connection lost)"
        );
        assert_eq!(said(EventKind::Back { name: name.clone() }), "User [Sara] is back");
        assert_eq!(said(EventKind::Renamed { from: name, to: "Sal".into() }), "User [Sara] is now [Sal]");
        assert_eq!(said(EventKind::Missed { first: 3 }), "--- 7 messages missed ---");
    }

    #[test]
    fn nothing_from_the_network_reaches_a_line_unseen() {
        let text = String::from("\u{1b}[2J");
        for what in [
            EventKind::Message { author: text.clone(), message_id: 1, text: text.clone() },
            EventKind::Private { author: text.clone(), message_id: 1, text: text.clone() },
            EventKind::Action { author: text.clone(), message_id: 1, text: text.clone() },
            EventKind::Joined { name: text.clone() },
            EventKind::Left { name: text.clone(), reason: Some(text.clone()) },
            EventKind::Back { name: text.clone() },
            EventKind::Renamed { from: text.clone(), to: text.clone() },
            EventKind::Ended { reason: text.clone() },
            EventKind::Notice { text: text.clone() },
        ] {
            assert!(!said(what).contains('\u{1b}'));
        }
        for shown in [
            Shown::Refused(text.clone()),
            Shown::Failed(text.clone()),
            Shown::People { names: vec![text.clone()], total: 1 },
            Shown::Connected { name: text.clone(), room: 1, sequence: 1, motd: Some(text.clone()) },
        ] {
            assert!(lines(&shown, "Tom").iter().all(|line| !line.text().contains('\u{1b}')));
        }
    }

    #[test]
    fn a_mention_is_a_word_of_its_own() {
        assert!(mentions("hi TOM!", "Tom") && mentions("Tom", "Tom") && mentions("@tom: yes", "Tom"));
        assert!(!mentions("tomorrow", "Tom") && !mentions("atom", "Tom") && !mentions("hi", ""));
    }
}
