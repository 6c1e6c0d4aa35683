//! The words for what is shown. Those for `/who` are in `people.rs`, and those for many membership events in
//! `fold.rs`. No I/O.
//!
//! A line from a person begins with a bracket or with `* NAME`. A name has no bracket, no space and no line
//! end, and the next lines of a text are indented. So no person can write a line that looks like a line of
//! the system: those begin with a word or with `---`.

use crate::{
    events::{Found, Input, Rejoin, UiEvent, Utterance},
    input::{commands, Shown, TerminalEvent},
    screen::{
        people::{describe, describe_others, in_words, list_some},
        styled_line::StyledLine,
        viewer::Viewer,
    },
};
use chat_common::{
    terminal::color::Style,
    text::escape::{escape_line, escape_text},
    wire::protocol::{Event, EventKind},
};

/// The question for a passphrase. The answer is not shown.
pub(crate) const ASK_PASSPHRASE: &str = "Passphrase of the room: ";

/// The question for the operators' passphrase. The answer is not shown.
pub(crate) const ASK_OPERATORS: &str = "Passphrase of the operators: ";

/// Returns what a person is asked, if this is a question.
pub(crate) fn question(shown: &Shown) -> Option<&'static str> {
    match shown {
        Shown::Session(UiEvent::AskName) => Some("Enter your name: "),
        Shown::Session(UiEvent::AskPassphrase) => Some(ASK_PASSPHRASE),
        Shown::Session(UiEvent::AskOperators) => Some(ASK_OPERATORS),
        _ => None,
    }
}

/// Returns the lines of what is said, or those about errors where nothing is.
pub(crate) fn shown_lines(
    shown: &Shown,
    said: Option<&Shown>,
    viewer: &Viewer,
    on_terminal: bool,
) -> Vec<StyledLine> {
    let lines = lines(said.unwrap_or(shown), viewer, on_terminal);
    lines.into_iter().filter(|line| said.is_some() || line.is_error).collect()
}

/// Returns the lines for what is shown.
pub(crate) fn lines(shown: &Shown, viewer: &Viewer, on_terminal: bool) -> Vec<StyledLine> {
    match shown {
        Shown::Session(event) => session_lines(event, viewer, on_terminal),
        Shown::Terminal(event) => terminal_lines(event, viewer),
    }
}

fn terminal_lines(event: &TerminalEvent, viewer: &Viewer) -> Vec<StyledLine> {
    let lines = |count: usize| if count == 1 { "1 line".into() } else { format!("{count} lines") };
    let text = match *event {
        TerminalEvent::Clear => return Vec::new(),
        TerminalEvent::Help => {
            let line = |(form, does)| StyledLine::system(help_line(form, does));
            return commands().into_iter().map(line).collect();
        }
        TerminalEvent::Bell(bell) => {
            return vec![StyledLine::notice(format!("bell: {}", bell.unwrap_or(viewer.bell).name()))];
        }
        TerminalEvent::Hint(ref text) => escape_line(text),
        TerminalEvent::CtrlCLeaves => "Ctrl-C again to leave".into(),
        TerminalEvent::EnterLeaves => "press Enter to leave".into(),
        TerminalEvent::EnterAsks => "press Enter to answer; a line that you have begun is sent later".into(),
        TerminalEvent::KeysIgnored => {
            let editor = match cfg!(feature = "edit") {
                true => "on a terminal without --plain there is an editor",
                false => "a client with the feature \"edit\" has all keys",
            };
            format!("arrow keys do nothing here; Backspace, Ctrl-W and Ctrl-U edit the line, and {editor}")
        }
        TerminalEvent::LinesCut(count) => format!(
            "not sent: {} of 4,095 bytes or more, where a terminal cuts; --send - <FILE sends a long text",
            lines(count)
        ),
        TerminalEvent::PasteHeld(count) => {
            format!("{} pasted: /paste sends them, /drop forgets them", lines(count))
        }
        TerminalEvent::PasteDropped(count) => format!("{} forgotten", lines(count)),
        TerminalEvent::PasteTooLong(count) => format!(
            "{} pasted, more than 1 MiB: forgotten; chat-client <FILE sends the lines of a file",
            lines(count)
        ),
        TerminalEvent::PasteUnsent(count) => format!("{} pasted and not sent", lines(count)),
    };
    // Most of these are for the person at the terminal, and not for the reader of the output.
    vec![StyledLine::error(format!("--- {text} ---"))]
}

/// The line of `/help` for a command.
fn help_line(form: &str, does: &str) -> String {
    format!("{form:<20}{does}")
}

/// Returns the lines for an event. A message that mentions the viewer's name is strong.
fn session_lines(event: &UiEvent, viewer: &Viewer, on_terminal: bool) -> Vec<StyledLine> {
    let own_name = viewer.own_name.as_str();
    let notice = |text: &str| vec![StyledLine::notice(text)];
    let error = |text: String| vec![StyledLine::error(text)];
    // Who asks for a list gets all of it, and the total at its end.
    let whole = |line| StyledLine { max_rows: usize::MAX, ..line };
    match event {
        UiEvent::JoinRefused(_) => Vec::new(),
        UiEvent::AskName | UiEvent::AskPassphrase | UiEvent::AskOperators | UiEvent::PassphraseTyped => {
            Vec::new()
        }
        UiEvent::RoomRemembered { key, replaces } => {
            let replaces = replaces.as_ref().map(|old| format!(" in place of {old}")).unwrap_or_default();
            notice(&format!("the room's key is {key}; it is remembered{replaces}"))
        }
        UiEvent::Connected { joined, .. } => {
            let motd = joined.motd.as_ref().map(|motd| format!("Server: {}", escape_text(motd.trim_end())));
            let connected = "Connected! Start typing...".to_owned();
            [connected].into_iter().chain(motd).chain(kept(joined.kept_for)).map(StyledLine::system).collect()
        }
        UiEvent::Here { people, total } => notice(&format!(
            "you are {}; {}; /help lists what you can do",
            escape_line(own_name),
            describe_others(people, *total, own_name)
        )),
        UiEvent::OpenedCallback => {
            notice("the server could not dial this client, so this client dialled the server")
        }
        UiEvent::Event { event, earlier } => vec![event_line(event, *earlier, own_name)],
        UiEvent::Accepted { utterance: said @ Utterance::Private { .. }, .. } => {
            vec![said_line(said, own_name)]
        }
        UiEvent::Accepted { .. } => Vec::new(),
        UiEvent::Of { event, .. } => session_lines(event, viewer, on_terminal),
        UiEvent::Queued(input) => notice(&format!("waiting to be sent: {}", escape_line(&as_typed(input)))),
        UiEvent::ServerBusy => notice("the server is busy; trying again"),
        UiEvent::NotReached(reason) => {
            notice(&format!("cannot join yet: {}; trying again", escape_line(reason)))
        }
        // The reason is for programs and for the log. It does not help a person.
        UiEvent::Lost { ended: true, .. } => notice("trying to get back in, and keeping what you type"),
        UiEvent::Lost { .. } => notice("connection lost; trying to get it back, and keeping what you type"),
        UiEvent::Resumed { queued, .. } => notice(&format!("connected again{}", sending(*queued))),
        UiEvent::Rejoined { joined, why, queued, .. } => {
            let how = match why {
                Rejoin::Restarted => ": the room was restarted",
                Rejoin::PutBack => {
                    ": the room was put back from a copy, and what was said after that copy is lost there"
                }
                Rejoin::Late => {
                    " after a long time; what was said meanwhile follows, \
                     as far as the room remembers it, but no private messages"
                }
            };
            let connected = format!("--- connected again{how}{} ---", sending(*queued));
            [connected].into_iter().chain(kept(joined.kept_for)).map(StyledLine::system).collect()
        }
        UiEvent::Refused(text) => error(format!("--- refused: {} ---", escape_line(text))),
        UiEvent::InvalidInput(text) => error(format!("--- {} ---", escape_line(text))),
        UiEvent::People { people, total, pattern } => {
            let said = describe(people, *total, pattern.as_deref(), viewer, on_terminal);
            said.iter().flat_map(|said| notice(said)).map(whole).collect()
        }
        UiEvent::History(events) if events.is_empty() => notice("nothing has been said yet"),
        UiEvent::History(events) => events.iter().map(|event| event_line(event, true, own_name)).collect(),
        UiEvent::Found { matches, total, complete, .. } => {
            let found = StyledLine::system(found(matches.len(), *total, *complete));
            matches.iter().map(|found| found_line(found, own_name)).chain([found]).collect()
        }
        UiEvent::Renamed { name } => notice(&format!("you are [{}] now", escape_line(name))),
        UiEvent::Operates => notice("you are an operator now; /help lists the commands of the server, too"),
        UiEvent::CommandReply(text) => {
            text.lines().map(|line| whole(StyledLine::system(escape_line(line)))).collect()
        }
        UiEvent::Ignoring(names) if names.is_empty() => notice("ignoring nobody"),
        UiEvent::Ignoring(names) => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            notice(&format!("ignoring: {}", list_some(&names, usize::MAX, names.len())))
        }
        UiEvent::Unsent(count) => error(format!("--- lines that were not sent: {count} ---")),
        UiEvent::Failed(reason) => error(format!("chat-client: {}", escape_line(reason))),
        UiEvent::Bye => vec![StyledLine::system("Bye!")],
    }
}

/// What this client has said, as others read it.
pub(crate) fn said_line(utterance: &Utterance, own_name: &str) -> StyledLine {
    match utterance {
        Utterance::Message(text) => StyledLine::system(format!("[{own_name}] {text}")),
        Utterance::Action(text) => StyledLine::system(format!("* {own_name} {text}")),
        Utterance::Private { to, text } => private_line(to, "to ", text),
    }
}

/// The row for a refusal that came again, this many times, after it was shown.
pub(crate) fn refused_again(times: usize) -> StyledLine {
    StyledLine::notice(format!("refused {times} times more"))
}

/// The row for a day that has begun.
pub(crate) fn new_day(date: &str) -> StyledLine {
    StyledLine::notice(format!("it is {date} now"))
}

/// The line of a room that keeps what is said, for this many seconds.
fn kept(kept_for: Option<u64>) -> Option<String> {
    let time = match kept_for? {
        u64::MAX => String::new(),
        seconds => format!(" for {}", in_words(seconds)),
    };
    Some(format!("--- what is said here is kept by the server{time} ---"))
}

/// How a person types what waits to be sent.
pub(crate) fn as_typed(input: &Input) -> String {
    match input {
        Input::Say { utterance: Utterance::Message(text), .. } if text.starts_with('/') => format!("/{text}"),
        Input::Say { utterance: Utterance::Message(text), .. } => text.clone(),
        Input::Say { utterance: Utterance::Action(text), .. } => format!("/me {text}"),
        Input::Say { utterance: Utterance::Private { to, text }, .. } => format!("/msg {to} {text}"),
        Input::WithId { input, .. } => as_typed(input),
        Input::Reply(text) => format!("/reply {text}"),
        Input::Rename(name) => format!("/nick {name}"),
        Input::Who(None) => "/who".to_owned(),
        Input::Who(Some(pattern)) => format!("/who {pattern}"),
        Input::History { count, .. } => format!("/history {count}"),
        Input::Search(text) => format!("/search {text}"),
        Input::Operate(_) => "/op".to_owned(),
        Input::Command { line, .. } => line.clone(),
        // Nothing of this waits.
        Input::Ignore(_) | Input::Answer(_) | Input::Mistake(_) => String::new(),
        Input::Leave | Input::End | Input::Failed(_) => String::new(),
    }
}

/// The last line of a search.
fn found(shown: usize, total: usize, complete: bool) -> String {
    let at_least = if complete { "" } else { "at least " };
    match total {
        0 if complete => "--- nothing found ---".to_owned(),
        total if total == shown => format!("--- {at_least}{total} found ---"),
        total => format!("--- {at_least}{total} found; the last {shown} are shown ---"),
    }
}

fn found_line(found: &Found, own_name: &str) -> StyledLine {
    match (&found.to, &found.event.kind) {
        (Some(to), EventKind::Private { text, .. }) => {
            StyledLine { time: Some(found.event.time), ..private_line(to, "to ", text) }.earlier(true)
        }
        _ => event_line(&found.event, true, own_name),
    }
}

fn sending(queued: usize) -> String {
    match queued {
        0 => String::new(),
        count => format!("; sending what waited ({count})"),
    }
}

/// Returns the line for an event of the room.
pub(crate) fn event_line(event: &Event, earlier: bool, own_name: &str) -> StyledLine {
    let style = |text| if mentions(text, own_name) { Style::Strong } else { Style::Text };
    let line = match &event.kind {
        EventKind::Message { author, text, .. } => {
            let author = escape_line(author);
            let tag = format!("[{author}]");
            StyledLine::of_person("", author, tag, style(text), text)
        }
        EventKind::Private { author, text, .. } => private_line(author, "", text),
        EventKind::Action { author, text, .. } => {
            let author = escape_line(author);
            StyledLine::of_person("* ", author.clone(), author, style(text), text)
        }
        EventKind::Joined { name } => StyledLine::system(format!("User [{}] joined", escape_line(name))),
        EventKind::Left { name, reason } => {
            let reason =
                reason.as_ref().map_or(String::new(), |reason| format!(" ({})", escape_line(reason)));
            StyledLine::system(format!("User [{}] left{reason}", escape_line(name)))
        }
        EventKind::Back { name } => StyledLine::system(format!("User [{}] is back", escape_line(name))),
        EventKind::Renamed { from, to } => {
            StyledLine::system(format!("User [{}] is now [{}]", escape_line(from), escape_line(to)))
        }
        EventKind::Missed { messages: false, .. } => {
            StyledLine::notice("some comings and goings are missing; /who lists who is here")
        }
        EventKind::Missed { first, messages: true } => {
            let count = event.sequence.saturating_sub(*first).saturating_add(1);
            StyledLine::notice(format!("{count} messages missed"))
        }
        EventKind::Ended { reason } => {
            StyledLine::notice(format!("the room has ended: {}", escape_line(reason)))
        }
        EventKind::Notice { text } => StyledLine::system(format!("Server: {}", escape_text(text))),
    };
    StyledLine { time: Some(event.time), ..line }.earlier(earlier)
}

/// A private message. `direction` is "to " on the author's own screen.
fn private_line(name: &str, direction: &str, text: &str) -> StyledLine {
    let name = escape_line(name);
    let tag = format!("[{direction}{name}, privately]");
    StyledLine::of_person("", name, tag, Style::Text, text)
}

/// Whether a text contains a name as a separate word, in upper or lower case.
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
    use chat_common::terminal::wrap::{wrap, MAX_ROWS};
    use chat_common::wire::protocol::{Joined, Person};

    fn words(event: &UiEvent) -> Vec<String> {
        session_lines(event, &Viewer::at(0), false).iter().map(StyledLine::text).collect()
    }

    fn joined(motd: Option<&str>, kept_for: Option<u64>) -> Joined {
        let motd = motd.map(str::to_owned);
        Joined { room: 1, sequence: 1, called_back: true, text_limit: 4096, kept_for, motd }
    }

    fn words_of(kind: EventKind) -> String {
        let event = UiEvent::Event { event: Event { sequence: 9, time: 0, kind }, earlier: false };
        words(&event).concat()
    }

    #[test]
    fn a_line_of_help_fits_beside_the_time_into_eighty_columns() {
        for (form, does) in commands() {
            let line = help_line(form, does);
            assert!("12:34 ".len() + line.len() <= 80, "{line}");
        }
    }

    #[test]
    fn the_lines_that_scripts_rely_on_do_not_change() {
        let (author, name) = (String::from("Sara"), String::from("Sara"));
        let text = String::from("hello");
        assert_eq!(
            words_of(EventKind::Message {
                author: author.clone(),
                message_id: 1,
                repeated: false,
                text: text.clone()
            }),
            "[Sara] hello"
        );
        assert_eq!(
            words_of(EventKind::Private { author: author.clone(), message_id: 1, repeated: false, text }),
            "[Sara, privately] hello"
        );
        assert_eq!(
            words_of(EventKind::Action { author, message_id: 1, repeated: false, text: "waves".into() }),
            "* Sara waves"
        );
        assert_eq!(words_of(EventKind::Joined { name: name.clone() }), "User [Sara] joined");
        assert_eq!(words_of(EventKind::Left { name: name.clone(), reason: None }), "User [Sara] left");
        let reason = Some("connection lost".into());
        assert_eq!(
            words_of(EventKind::Left { name: name.clone(), reason }),
            "User [Sara] left (connection lost)"
        );
        assert_eq!(words_of(EventKind::Back { name: name.clone() }), "User [Sara] is back");
        assert_eq!(words_of(EventKind::Renamed { from: name, to: "Sal".into() }), "User [Sara] is now [Sal]");
        assert_eq!(words_of(EventKind::Missed { first: 3, messages: true }), "--- 7 messages missed ---");
        let membership = words_of(EventKind::Missed { first: 3, messages: false });
        assert_eq!(membership, "--- some comings and goings are missing; /who lists who is here ---");
    }

    #[test]
    fn all_text_from_the_network_is_escaped() {
        let text = String::from("\u{1b}[2J");
        for kind in [
            EventKind::Message { author: text.clone(), message_id: 1, repeated: false, text: text.clone() },
            EventKind::Private { author: text.clone(), message_id: 1, repeated: false, text: text.clone() },
            EventKind::Action { author: text.clone(), message_id: 1, repeated: false, text: text.clone() },
            EventKind::Joined { name: text.clone() },
            EventKind::Left { name: text.clone(), reason: Some(text.clone()) },
            EventKind::Back { name: text.clone() },
            EventKind::Renamed { from: text.clone(), to: text.clone() },
            EventKind::Ended { reason: text.clone() },
            EventKind::Notice { text: text.clone() },
        ] {
            assert!(!words_of(kind).contains('\u{1b}'));
        }
        for event in [
            UiEvent::Refused(text.clone()),
            UiEvent::Failed(text.clone()),
            UiEvent::People {
                people: vec![Person { name: text.clone(), here: 0, idle: 0, operator: false }],
                total: 1,
                pattern: Some(text.clone()),
            },
            UiEvent::Connected { name: text.clone(), joined: joined(Some(&text), None) },
        ] {
            assert!(!words(&event).concat().contains('\u{1b}'));
        }
    }

    #[test]
    fn a_room_that_keeps_what_is_said_says_so_after_joining() {
        let lines_of = |kept_for| {
            let name = String::from("Tom");
            words(&UiEvent::Connected { name, joined: joined(Some("hi"), kept_for) })
        };
        assert_eq!(lines_of(None), ["Connected! Start typing...", "Server: hi"]);
        assert_eq!(lines_of(Some(u64::MAX))[2], "--- what is said here is kept by the server ---");
        assert_eq!(lines_of(Some(172_800))[2], "--- what is said here is kept by the server for 2 days ---");
    }

    #[test]
    fn a_search_says_how_much_it_has_found() {
        for (shown, total, complete, words) in [
            (0, 0, true, "--- nothing found ---"),
            (3, 3, true, "--- 3 found ---"),
            (50, 70, true, "--- 70 found; the last 50 are shown ---"),
            (0, 0, false, "--- at least 0 found ---"),
            (50, 70, false, "--- at least 70 found; the last 50 are shown ---"),
        ] {
            assert_eq!(found(shown, total, complete), words);
        }
    }

    #[test]
    fn a_list_of_people_is_shown_whole_and_a_text_is_not() {
        let people = (0..200).map(|number| Person {
            name: format!("pupil_{number}"),
            here: 0,
            idle: 0,
            operator: false,
        });
        let who = UiEvent::People { people: people.collect(), total: 200, pattern: None };
        let rows = |event| {
            let lines = session_lines(event, &Viewer::at(0), true).into_iter();
            lines.flat_map(|line| wrap(&line.spans, 40, false, line.max_rows)).count()
        };
        assert!(rows(&who) > MAX_ROWS + 1, "a list that is cut has one row more");
        let text = "x\n".repeat(200);
        let kind = EventKind::Message { author: "Sara".into(), message_id: 1, repeated: false, text };
        let said = UiEvent::Event { event: Event { sequence: 1, time: 0, kind }, earlier: false };
        assert_eq!(rows(&said), MAX_ROWS + 1);
    }

    #[test]
    fn a_mention_is_a_separate_word() {
        assert!(mentions("hi TOM!", "Tom") && mentions("Tom", "Tom") && mentions("@tom: yes", "Tom"));
        assert!(!mentions("tomorrow", "Tom") && !mentions("atom", "Tom") && !mentions("hi", ""));
    }
}
