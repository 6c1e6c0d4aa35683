//! Writes the events of a room as JSON for programs, one object for each line. No I/O, for any thread.
//!
//! Every character that a terminal might execute is escaped, so the output is safe to print. A program that
//! parses the JSON gets the original text, byte for byte.

use crate::{
    text::{calendar::rfc3339, escape::is_printable},
    wire::protocol::{Event, EventKind},
};
use std::fmt::Write;

/// Returns the object of an event of the room. An `earlier` one is named `history`.
pub fn room_object(event: &Event, earlier: bool) -> Object {
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

/// The beginning of a JSON object, without its closing brace. Each function but the first and the last adds a
/// field.
#[derive(Clone, Debug)]
pub struct Object(String);

impl Default for Object {
    /// Begins an object without a name.
    fn default() -> Object {
        Object("{".to_owned())
    }
}

impl Object {
    /// Begins an object with the name of an event.
    pub fn new(event: &str) -> Object {
        Object::default().text("event", event)
    }

    /// Adds a field whose value is JSON already.
    fn field(mut self, key: &str, value: &str) -> Object {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0 += &quoted(key);
        self.0.push(':');
        self.0 += value;
        self
    }

    /// Adds a string.
    pub fn text(self, key: &str, text: &str) -> Object {
        self.field(key, &quoted(text))
    }

    /// Adds a string, or nothing.
    pub fn optional(self, key: &str, text: Option<&str>) -> Object {
        match text {
            Some(text) => self.text(key, text),
            None => self,
        }
    }

    /// Adds a list of strings.
    pub fn texts(self, key: &str, texts: &[String]) -> Object {
        let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
        self.field(key, &format!("[{}]", texts.join(",")))
    }

    /// Adds a number.
    pub fn number(self, key: &str, number: u64) -> Object {
        self.field(key, &number.to_string())
    }

    /// Adds a number, or nothing. The highest number means without end. Many programs cannot read it, so it
    /// is `null`.
    pub fn optional_number(self, key: &str, number: Option<u64>) -> Object {
        match number {
            Some(u64::MAX) => self.field(key, "null"),
            Some(number) => self.number(key, number),
            None => self,
        }
    }

    /// Adds a list of numbers.
    pub fn numbers(self, key: &str, numbers: impl Iterator<Item = u32>) -> Object {
        let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
        self.field(key, &format!("[{}]", numbers.join(",")))
    }

    /// Adds `true` or `false`.
    pub fn boolean(self, key: &str, value: bool) -> Object {
        self.field(key, &value.to_string())
    }

    /// Adds the field `time`, from milliseconds since the Unix epoch.
    pub fn time(self, milliseconds: u64) -> Object {
        self.text("time", &rfc3339(milliseconds))
    }

    /// Returns the whole object, without a line end.
    pub fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// Returns the text as a JSON string.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
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
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(kind: EventKind) -> String {
        room_object(&Event { sequence: 7, time: 1, kind }, false).end()
    }

    #[test]
    fn every_kind_of_event_is_one_object_with_its_fields() {
        let (name, text) = (|| String::from("Ann"), || String::from("\"\\\n\t\u{1b}é🦀\u{e0001}"));
        let quoted = r#""\"\\\n\t\u001bé🦀\udb40\udc01""#;
        let said = |kind| format!("\"event\":\"{kind}\",AT,\"author\":\"Ann\",\"text\":{quoted}");
        let (author, message_id, repeated) = (name(), 9, false);
        for (kind, fields) in [
            (EventKind::Message { author, message_id, repeated, text: text() }, said("message")),
            (EventKind::Private { author: name(), message_id, repeated, text: text() }, said("private")),
            (EventKind::Action { author: name(), message_id, repeated, text: text() }, said("action")),
            (EventKind::Joined { name: name() }, r#""event":"joined",AT,"name":"Ann""#.to_owned()),
            (EventKind::Back { name: name() }, r#""event":"back",AT,"name":"Ann""#.to_owned()),
            (
                EventKind::Left { name: name(), reason: Some("removed".to_owned()) },
                r#""event":"left",AT,"name":"Ann","reason":"removed""#.to_owned(),
            ),
            (EventKind::Left { name: name(), reason: None }, r#""event":"left",AT,"name":"Ann""#.to_owned()),
            (
                EventKind::Renamed { from: name(), to: "Bob".to_owned() },
                r#""event":"renamed",AT,"from":"Ann","to":"Bob""#.to_owned(),
            ),
            (
                EventKind::Missed { first: 3, messages: true },
                r#""event":"missed",AT,"first":3,"count":5"#.to_owned(),
            ),
            (
                EventKind::Missed { first: 7, messages: false },
                r#""event":"missed_moves",AT,"first":7,"count":1"#.to_owned(),
            ),
            (EventKind::Ended { reason: name() }, r#""event":"ended",AT,"reason":"Ann""#.to_owned()),
            (EventKind::Notice { text: name() }, r#""event":"notice",AT,"text":"Ann""#.to_owned()),
        ] {
            let at = r#""sequence":7,"time":"1970-01-01T00:00:00.001Z""#;
            assert_eq!(line(kind), format!("{{{}}}", fields.replace("AT", at)));
        }
    }
}
