//! Writes events as JSON for programs, one object for each line. No I/O.
//!
//! Every character that a terminal might execute is escaped, so the output is safe to print. A program that
//! parses the JSON gets the original text, byte for byte.

use crate::{
    screen::{calendar::rfc3339, clock::now, escape::is_printable},
    settings::{InputNotice, UiEvent, Utterance},
};
use chat_common::protocol::{Event, EventKind};
use std::fmt::Write;

/// Returns the objects of an event. Most events have one, some have none.
pub(crate) fn objects(event: &UiEvent) -> Vec<String> {
    let connection = |state| Object::new("connection").text("state", state).time(now());
    let joined = |state, name: &str, room: &u64, sequence: &u64| {
        let object = connection(state).number("sequence", *sequence).text("name", name);
        object.text("room", &format!("{room:016x}"))
    };
    let object = match event {
        UiEvent::AskName
        | UiEvent::CtrlCLeaves
        | UiEvent::EnterLeaves
        | UiEvent::Help
        | UiEvent::Clear
        | UiEvent::Bell(_)
        | UiEvent::Ignoring(_) => return Vec::new(),
        UiEvent::Connected { name, room, sequence, motd } => {
            joined("connected", name, room, sequence).optional("motd", motd.as_deref())
        }
        UiEvent::OpenedCallback => connection("dialled"),
        UiEvent::Lost { reason, .. } => connection("lost").text("reason", reason),
        UiEvent::Resumed { queued } => connection("regained").number("waiting", *queued as u64),
        UiEvent::Rejoined { name, room, sequence, restarted, queued } => {
            let state = if *restarted { "restarted" } else { "rejoined" };
            joined(state, name, room, sequence).number("waiting", *queued as u64)
        }
        UiEvent::ServerBusy => connection("busy"),
        UiEvent::Bye => connection("left"),
        UiEvent::Failed(reason) => connection("failed").text("reason", reason),
        UiEvent::Event { event, earlier } => room_object(event, *earlier),
        UiEvent::History(events) => {
            return events.iter().map(|event| room_object(event, true).end()).collect();
        }
        UiEvent::Accepted { sequence, utterance, .. } => {
            let (kind, to) = match utterance {
                Utterance::Message(_) => ("message", None),
                Utterance::Action(_) => ("action", None),
                Utterance::Private { to, .. } => ("private", Some(to.as_str())),
            };
            Object::new("accepted")
                .number("sequence", *sequence)
                .text("kind", kind)
                .optional("to", to)
                .text("text", utterance.text())
                .time(now())
        }
        UiEvent::Renamed { name } => Object::new("you").text("name", name),
        UiEvent::People { people, total } => {
            let names: Vec<String> = people.iter().map(|person| person.name.clone()).collect();
            Object::new("people").number("total", u64::from(*total)).texts("names", &names)
        }
        UiEvent::Queued(text) => Object::new("waiting").text("text", text),
        UiEvent::Refused(text) => Object::new("refused").text("text", text),
        UiEvent::InvalidInput(text) => Object::new("mistake").text("text", text),
        UiEvent::Input(notice) => {
            let (state, count) = match *notice {
                InputNotice::KeysIgnored => ("keys_ignored", None),
                InputNotice::LinesCut(count) => ("cut", Some(count)),
                InputNotice::PasteHeld(count) => ("paste_held", Some(count)),
                InputNotice::PasteDropped(count) => ("paste_dropped", Some(count)),
                InputNotice::PasteTooLong(count) => ("paste_too_long", Some(count)),
                InputNotice::PasteUnsent(count) => ("paste_unsent", Some(count)),
            };
            let object = Object::new("typed").text("state", state);
            count.into_iter().fold(object, |object, count| object.number("lines", count as u64))
        }
        UiEvent::Unsent(count) => Object::new("unsent").number("count", *count as u64),
    };
    vec![object.end()]
}

fn room_object(event: &Event, earlier: bool) -> Object {
    let kind = match event.kind {
        EventKind::Message { .. } => "message",
        EventKind::Private { .. } => "private",
        EventKind::Action { .. } => "action",
        EventKind::Joined { .. } => "joined",
        EventKind::Left { .. } => "left",
        EventKind::Back { .. } => "back",
        EventKind::Renamed { .. } => "renamed",
        EventKind::Missed { messages: true, .. } => "missed",
        // A program that looks for lost messages must not take these for some.
        EventKind::Missed { messages: false, .. } => "missed_moves",
        EventKind::Ended { .. } => "ended",
        EventKind::Notice { .. } => "notice",
    };
    // Earlier events have another name, so that a program does not react to old messages by accident.
    let object = if earlier { Object::new("history").text("kind", kind) } else { Object::new(kind) };
    let object = object.number("sequence", event.sequence).time(event.time);
    match &event.kind {
        EventKind::Message { author, text, .. }
        | EventKind::Private { author, text, .. }
        | EventKind::Action { author, text, .. } => object.text("author", author).text("text", text),
        EventKind::Joined { name } | EventKind::Back { name } => object.text("name", name),
        EventKind::Left { name, reason } => object.text("name", name).optional("reason", reason.as_deref()),
        EventKind::Renamed { from, to } => object.text("from", from).text("to", to),
        EventKind::Missed { first, .. } => object
            .number("first", *first)
            .number("count", event.sequence.saturating_sub(*first).saturating_add(1)),
        EventKind::Ended { reason } => object.text("reason", reason),
        EventKind::Notice { text } => object.text("text", text),
    }
}

/// The beginning of a JSON object, without its closing brace.
struct Object(String);

impl Object {
    fn new(event: &str) -> Object {
        Object("{".to_owned()).text("event", event)
    }

    fn key(mut self, key: &str) -> Object {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        quote(key, &mut self.0);
        self.0.push(':');
        self
    }

    fn text(self, key: &str, text: &str) -> Object {
        let mut object = self.key(key);
        quote(text, &mut object.0);
        object
    }

    fn optional(self, key: &str, text: Option<&str>) -> Object {
        match text {
            Some(text) => self.text(key, text),
            None => self,
        }
    }

    fn texts(self, key: &str, texts: &[String]) -> Object {
        let mut object = self.key(key);
        for (index, text) in texts.iter().enumerate() {
            object.0.push(if index == 0 { '[' } else { ',' });
            quote(text, &mut object.0);
        }
        object.0.push_str(if texts.is_empty() { "[]" } else { "]" });
        object
    }

    fn number(self, key: &str, number: u64) -> Object {
        let mut object = self.key(key);
        object.0.push_str(&number.to_string());
        object
    }

    fn time(self, milliseconds: u64) -> Object {
        self.text("time", &rfc3339(milliseconds))
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// Appends a JSON string.
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            _ if is_printable(c) => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_common::protocol::Person;

    #[test]
    fn a_message_is_one_object_on_one_line() {
        let kind = EventKind::Message {
            author: "Sara".into(),
            message_id: 7,
            repeated: false,
            text: "a \"b\"\\\n\u{1b}é🦀\u{e0001}".into(),
        };
        let event = UiEvent::Event { event: Event { sequence: 3, time: 1, kind }, earlier: false };
        assert_eq!(
            objects(&event),
            ["{\"event\":\"message\",\"sequence\":3,\"time\":\"1970-01-01T00:00:00.001Z\",\
              \"author\":\"Sara\",\"text\":\"a \\\"b\\\"\\\\\\n\\u001bé🦀\\udb40\\udc01\"}"]
        );
    }

    #[test]
    fn an_earlier_event_has_the_name_history() {
        let kind = EventKind::Joined { name: "Sara".into() };
        let event = UiEvent::Event { event: Event { sequence: 3, time: 1, kind }, earlier: true };
        assert!(objects(&event)[0].starts_with("{\"event\":\"history\",\"kind\":\"joined\","));
    }

    #[test]
    fn the_names_of_people_are_a_list() {
        let event = UiEvent::People {
            people: ["Ann", "Bob"].map(|name| Person { name: name.into(), here: 9, idle: 2 }).into(),
            total: 2,
        };
        assert_eq!(objects(&event), ["{\"event\":\"people\",\"total\":2,\"names\":[\"Ann\",\"Bob\"]}"]);
    }
}
