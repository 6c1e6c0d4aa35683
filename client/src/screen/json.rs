//! Writes what the client shows as JSON for programs, one object for each line. No I/O.

use crate::{
    events::{Found, Input, InputId, Rejoin, UiEvent, Utterance},
    input::{Shown, TerminalEvent},
    screen::{people::matching, wording::as_typed},
};
use chat_common::{
    program::wall_clock::now,
    wire::{
        json::{room_object, Object},
        protocol::{Joined, Person},
    },
};

/// Returns the objects of what is shown.
pub(crate) fn objects(shown: &Shown) -> Vec<String> {
    match shown {
        Shown::Session(event) => json_objects(event),
        Shown::Terminal(event) => terminal_object(event).map(Object::end).into_iter().collect(),
    }
}

/// Returns the objects of an event, as `--json` prints them, without line ends. Most events have one, some
/// have none.
pub fn json_objects(event: &UiEvent) -> Vec<String> {
    match event {
        UiEvent::History(events) => events.iter().map(|event| room_object(event, true).end()).collect(),
        UiEvent::Found { text, matches, total, complete } => {
            let object = |found: &Found| room_object(&found.event, true).optional("to", found.to.as_deref());
            let end = Object::new("found").text("text", text).number("total", *total as u64);
            let end = end.boolean("complete", *complete);
            matches.iter().map(object).chain([end]).map(Object::end).collect()
        }
        event => event_object(event).map(Object::end).into_iter().collect(),
    }
}

/// Returns the object of an event that has one.
fn event_object(event: &UiEvent) -> Option<Object> {
    let connection = |state| Object::new("connection").text("state", state).time(now());
    let joined = |state, name: &str, joined: &Joined| {
        let object = connection(state).number("sequence", joined.sequence).text("name", name);
        object.text("room", &format!("{:016x}", joined.room))
    };
    Some(match event {
        UiEvent::Of { id, event } => match id {
            InputId::Text(id) => event_object(event)?.text("id", id),
            InputId::Number(id) => event_object(event)?.number("id", *id),
        },
        UiEvent::RoomRemembered { key, replaces } => {
            connection("remembered").text("key", key).optional("replaces", replaces.as_deref())
        }
        UiEvent::AskName | UiEvent::AskPassphrase | UiEvent::AskOperators => return None,
        UiEvent::PassphraseTyped | UiEvent::Here { .. } | UiEvent::Ignoring(_) | UiEvent::JoinRefused(_) => {
            return None;
        }
        UiEvent::History(_) | UiEvent::Found { .. } => return None,
        UiEvent::Operates => Object::new("you").boolean("operator", true),
        UiEvent::CommandReply(text) => Object::new("reply").text("text", text),
        UiEvent::Connected { name, joined: reply } => joined("connected", name, reply)
            .number("text_limit", reply.text_limit.into())
            .optional("motd", reply.motd.as_deref())
            .optional_number("kept_for", reply.kept_for),
        UiEvent::OpenedCallback => connection("dialled"),
        UiEvent::Lost { reason, .. } => connection("lost").text("reason", reason),
        UiEvent::Resumed { queued, .. } => connection("regained").number("waiting", *queued as u64),
        UiEvent::Rejoined { name, joined: reply, why, queued } => {
            let state = match why {
                Rejoin::Late => "rejoined",
                Rejoin::Restarted => "restarted",
                Rejoin::PutBack => "put-back",
            };
            let object = joined(state, name, reply).number("waiting", *queued as u64);
            object.optional_number("kept_for", reply.kept_for)
        }
        UiEvent::ServerBusy => connection("busy"),
        UiEvent::NotReached(reason) => connection("trying").text("reason", reason),
        UiEvent::Bye => connection("left"),
        UiEvent::Failed(reason) => connection("failed").text("reason", reason),
        UiEvent::Event { event, earlier } => room_object(event, *earlier),
        UiEvent::Accepted { message_id, sequence, utterance } => {
            accepted_object(*message_id, *sequence, utterance)
        }
        UiEvent::Renamed { name } => Object::new("you").text("name", name),
        UiEvent::People { people, total, pattern } => people_object(people, *total, pattern.as_deref()),
        UiEvent::Queued(Input::Say { utterance, .. }) => {
            Object::new("waiting").text("text", utterance.text())
        }
        UiEvent::Queued(Input::Rename(name)) => Object::new("waiting").text("text", name),
        UiEvent::Queued(input) => Object::new("waiting").text("text", &as_typed(input)),
        UiEvent::Refused(text) => Object::new("refused").text("text", text),
        UiEvent::InvalidInput(text) => Object::new("mistake").text("text", text),
        UiEvent::Unsent(count) => Object::new("unsent").number("count", *count as u64),
    })
}

fn accepted_object(message_id: Option<u64>, sequence: u64, utterance: &Utterance) -> Object {
    let (kind, to) = match utterance {
        Utterance::Message(_) => ("message", None),
        Utterance::Action(_) => ("action", None),
        Utterance::Private { to, .. } => ("private", Some(to.as_str())),
    };
    Object::new("accepted")
        .number("sequence", sequence)
        .optional_number("message_id", message_id)
        .text("kind", kind)
        .optional("to", to)
        .text("text", utterance.text())
        .time(now())
}

fn people_object(people: &[Person], total: u32, pattern: Option<&str>) -> Object {
    let found = matching(people, pattern);
    let names: Vec<String> = found.iter().map(|person| person.name.clone()).collect();
    let operators = found.iter().filter(|person| person.operator);
    let operators: Vec<String> = operators.map(|person| person.name.clone()).collect();
    let mut object = Object::new("people").number("total", total.into()).texts("names", &names);
    if !operators.is_empty() {
        object = object.texts("operators", &operators);
    }
    match pattern {
        None => object,
        Some(pattern) => object
            .text("pattern", pattern)
            .numbers("here", found.iter().map(|person| person.here))
            .numbers("idle", found.iter().map(|person| person.idle)),
    }
}

/// Returns the object for what becomes of something that was typed or pasted.
fn terminal_object(event: &TerminalEvent) -> Option<Object> {
    let (state, count) = match event {
        TerminalEvent::KeysIgnored => ("keys_ignored", None),
        TerminalEvent::LinesCut(count) => ("cut", Some(*count)),
        TerminalEvent::PasteHeld(count) => ("paste_held", Some(*count)),
        TerminalEvent::PasteDropped(count) => ("paste_dropped", Some(*count)),
        TerminalEvent::PasteTooLong(count) => ("paste_too_long", Some(*count)),
        TerminalEvent::PasteUnsent(count) => ("paste_unsent", Some(*count)),
        _ => return None,
    };
    Some(Object::new("typed").text("state", state).optional_number("lines", count.map(|count| count as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_common::wire::protocol::{Event, EventKind};

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
            json_objects(&event),
            ["{\"event\":\"message\",\"sequence\":3,\"time\":\"1970-01-01T00:00:00.001Z\",\
              \"author\":\"Sara\",\"text\":\"a \\\"b\\\"\\\\\\n\\u001bé🦀\\udb40\\udc01\"}"]
        );
    }

    #[test]
    fn an_earlier_event_has_the_name_history() {
        let kind = EventKind::Joined { name: "Sara".into() };
        let event = UiEvent::Event { event: Event { sequence: 3, time: 1, kind }, earlier: true };
        assert!(json_objects(&event)[0].starts_with("{\"event\":\"history\",\"kind\":\"joined\","));
    }

    #[test]
    fn the_names_of_people_are_a_list() {
        let who = |pattern: Option<&str>| UiEvent::People {
            people: ["Ann", "Bob"]
                .map(|name| Person { name: name.into(), here: 9, idle: 2, operator: false })
                .into(),
            total: 2,
            pattern: pattern.map(str::to_owned),
        };
        assert_eq!(
            json_objects(&who(None)),
            ["{\"event\":\"people\",\"total\":2,\"names\":[\"Ann\",\"Bob\"]}"]
        );
        assert_eq!(
            json_objects(&who(Some("b"))),
            ["{\"event\":\"people\",\"total\":2,\"names\":[\"Bob\"],\
              \"pattern\":\"b\",\"here\":[9],\"idle\":[2]}"]
        );
    }

    #[test]
    fn what_was_found_is_history_and_then_a_count() {
        let author = String::from("Ann");
        let kind = EventKind::Private { author, message_id: 0, repeated: false, text: "hi".into() };
        let event = Event { sequence: 3, time: 1, kind };
        let matches = vec![Found { event, to: Some("Bob".into()) }];
        let found = UiEvent::Found { text: "h".into(), matches, total: 1, complete: true };
        assert_eq!(
            json_objects(&found),
            [
                "{\"event\":\"history\",\"kind\":\"private\",\"sequence\":3,\
                 \"time\":\"1970-01-01T00:00:00.001Z\",\"author\":\"Ann\",\"text\":\"hi\",\"to\":\"Bob\"}",
                "{\"event\":\"found\",\"text\":\"h\",\"total\":1,\"complete\":true}"
            ]
        );
    }

    #[test]
    fn a_room_that_keeps_what_is_said_has_the_time_in_seconds() {
        let name = String::from("Tom");
        let kept_for = Some(60);
        let joined = Joined { room: 1, sequence: 1, called_back: true, text_limit: 9, kept_for, motd: None };
        let connected = UiEvent::Connected { name, joined };
        assert!(json_objects(&connected)[0]
            .ends_with(",\"room\":\"0000000000000001\",\"text_limit\":9,\"kept_for\":60}"));
    }
}
