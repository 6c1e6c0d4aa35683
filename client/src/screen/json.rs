//! One JSON object a line for everything that happens, for programs. No I/O.
//!
//! Whatever a terminal might obey is escaped, so that the output is as harmless to look at as the words are, and yet a
//! text that is parsed again is the same, byte for byte.

use crate::{
    screen::{calendar::rfc3339, visible::is_harmless, zone::now},
    settings::shown::{Said, Shown},
};
use chat_common::protocol::{Event, EventKind};
use std::fmt::Write;

/// The objects for this, of which most have one and some none.
pub(crate) fn objects(shown: &Shown) -> Vec<String> {
    let connection = |state| Object::new("connection").text("state", state).time(now());
    let object = match shown {
        Shown::AskName | Shown::Help | Shown::Clear | Shown::Bell(_) | Shown::Ignoring(_) => {
            return Vec::new()
        }
        Shown::Connected { name, room, sequence, motd } => connection("connected")
            .number("sequence", *sequence)
            .text("name", name)
            .text("room", &format!("{room:016x}"))
            .optional("motd", motd.as_deref()),
        Shown::OpenedCallback => connection("dialled"),
        Shown::Lost { reason, .. } => connection("lost").text("reason", reason),
        Shown::Regained { waiting } => connection("regained").number("waiting", *waiting as u64),
        Shown::Rejoined { name, room, sequence, restarted, waiting } => {
            connection(if *restarted { "restarted" } else { "rejoined" })
                .number("sequence", *sequence)
                .text("name", name)
                .text("room", &format!("{room:016x}"))
                .number("waiting", *waiting as u64)
        }
        Shown::Busy => connection("busy"),
        Shown::Bye => connection("left"),
        Shown::Failed(reason) => connection("failed").text("reason", reason),
        Shown::Event { event, earlier } => object_of(event, *earlier),
        Shown::History(events) => return events.iter().map(|event| object_of(event, true).end()).collect(),
        Shown::Accepted { sequence, said, .. } => {
            let (kind, to) = match said {
                Said::Message(_) => ("message", None),
                Said::Action(_) => ("action", None),
                Said::Private { to, .. } => ("private", Some(to.as_str())),
            };
            Object::new("accepted")
                .number("sequence", *sequence)
                .text("kind", kind)
                .optional("to", to)
                .text("text", said.text())
                .time(now())
        }
        Shown::Renamed { name } => Object::new("you").text("name", name),
        Shown::People { names, total } => {
            Object::new("people").number("total", u64::from(*total)).texts("names", names)
        }
        Shown::Waiting(text) => Object::new("waiting").text("text", text),
        Shown::Refused(text) => Object::new("refused").text("text", text),
        Shown::Mistake(text) => Object::new("mistake").text("text", text),
        Shown::Unsent(count) => Object::new("unsent").number("count", *count as u64),
    };
    vec![object.end()]
}

fn object_of(event: &Event, earlier: bool) -> Object {
    let kind = match event.kind {
        EventKind::Message { .. } => "message",
        EventKind::Private { .. } => "private",
        EventKind::Action { .. } => "action",
        EventKind::Joined { .. } => "joined",
        EventKind::Left { .. } => "left",
        EventKind::Back { .. } => "back",
        EventKind::Renamed { .. } => "renamed",
        EventKind::Missed { .. } => "missed",
        EventKind::Ended { .. } => "ended",
        EventKind::Notice { .. } => "notice",
    };
    // A program that reacts to messages must not react to old ones by accident: they are another event.
    let object = if earlier { Object::new("history").text("kind", kind) } else { Object::new(kind) };
    let object = object.number("sequence", event.sequence).time(event.time);
    match &event.kind {
        EventKind::Message { author, text, .. }
        | EventKind::Private { author, text, .. }
        | EventKind::Action { author, text, .. } => object.text("author", author).text("text", text),
        EventKind::Joined { name } | EventKind::Back { name } => object.text("name", name),
        EventKind::Left { name, reason } => object.text("name", name).optional("reason", reason.as_deref()),
        EventKind::Renamed { from, to } => object.text("from", from).text("to", to),
        EventKind::Missed { first } => object
            .number("first", *first)
            .number("count", event.sequence.saturating_sub(*first).saturating_add(1)),
        EventKind::Ended { reason } => object.text("reason", reason),
        EventKind::Notice { text } => object.text("text", text),
    }
}

/// An object in the making.
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
        object.0.push('[');
        for (index, text) in texts.iter().enumerate() {
            if index > 0 {
                object.0.push(',');
            }
            quote(text, &mut object.0);
        }
        object.0.push(']');
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

/// A JSON string.
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            _ if is_harmless(c) => out.push(c),
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

    #[test]
    fn a_message_is_one_object_on_one_line() {
        let kind = EventKind::Message {
            author: "Sara".into(),
            message_id: 7,
            text: "a \"b\"\\\n\u{1b}é🦀\u{e0001}".into(),
        };
        let shown = Shown::Event { event: Event { sequence: 3, time: 1, kind }, earlier: false };
        assert_eq!(
            objects(&shown),
            ["{\"event\":\"message\",\"sequence\":3,\"time\":\"1970-01-01T00:00:00.001Z\",\"author\":\"Sara\",\
              \"text\":\"a \\\"b\\\"\\\\\\n\\u001bé🦀\\udb40\\udc01\"}"]
        );
    }

    #[test]
    fn what_was_said_earlier_is_another_event() {
        let kind = EventKind::Joined { name: "Sara".into() };
        let shown = Shown::Event { event: Event { sequence: 3, time: 1, kind }, earlier: true };
        assert!(objects(&shown)[0].starts_with("{\"event\":\"history\",\"kind\":\"joined\","));
    }

    #[test]
    fn names_are_a_list() {
        let shown = Shown::People { names: vec!["Ann".into(), "Bob".into()], total: 2 };
        assert_eq!(objects(&shown), ["{\"event\":\"people\",\"total\":2,\"names\":[\"Ann\",\"Bob\"]}"]);
    }
}
