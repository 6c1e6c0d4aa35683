//! Reads standard input as JSON objects, one a line. Nothing in them is ever taken for a command.
//!
//! The loop runs on the thread `stdin`. A line that is not valid becomes a mistake, and the next line is read
//! as if it had not been there.

use super::{
    cannot_read,
    json::{parse_object, Value},
    read_line,
};
use crate::events::{Input, InputId, Utterance};
use chat_common::text::text_file::without_mark;
use std::{
    collections::BTreeMap,
    io::{self, BufRead},
};

/// What a line can be, for a person who wrote another one.
const FORMS: &str = "a line is one of {\"say\":\"hello\"}, {\"to\":\"Ann\",\"text\":\"hello\"}, \
                     {\"do\":\"waves\"}, {\"name\":\"Sal\"}, {\"who\":true}, {\"history\":20} and \
                     {\"leave\":true}";
/// The longest line, in bytes. A room takes texts of up to 32 KiB, and JSON may write a byte as six.
const MAX_OBJECT_BYTES: usize = 256 * 1024;
/// The most characters of an unknown key that its mistake shows.
const MAX_KEY_CHARACTERS: usize = 32;

/// Passes on what each line says, until the end of the input or of the client, or until the input cannot be
/// read. Blank lines are skipped.
///
/// # Blocking
/// On `reader`, without a limit, and on `pass`, which returns false after the end of the client.
pub fn read_objects_loop(reader: impl BufRead, mut pass: impl FnMut(Input) -> bool) {
    if let Err(error) = read_objects(reader, &mut pass) {
        // A line that the error cuts is not sent.
        pass(Input::Failed(cannot_read(&error)));
    }
}

fn read_objects(mut reader: impl BufRead, pass: &mut impl FnMut(Input) -> bool) -> io::Result<()> {
    for number in 1_u64.. {
        let mut bytes = Vec::new();
        let ended = read_line(&mut reader, MAX_OBJECT_BYTES, &mut bytes)?;
        let line = if number == 1 { without_mark(&bytes)? } else { &bytes };
        let is_cut = bytes.len() == MAX_OBJECT_BYTES && !bytes.ends_with(b"\n");
        let input = match is_cut {
            true => Err(Mistake::from(format!("a line has at most {MAX_OBJECT_BYTES} bytes"))),
            false => parse_line(line),
        };
        let mistake = |Mistake { id, why }| Input::Mistake(format!("line {number}: {why}")).with_id(id);
        let input = input.unwrap_or_else(mistake);
        if !line.trim_ascii().is_empty() && !pass(input) {
            break;
        }
        if ended {
            pass(Input::End);
            break;
        }
    }
    Ok(())
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The id of the object, if it can be read.
    pub id: Option<InputId>,
    /// The reason. One line for people.
    pub why: String,
}

impl From<String> for Mistake {
    fn from(why: String) -> Mistake {
        Mistake { id: None, why }
    }
}

/// Reads one line of `--json-input`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_line(bytes: &[u8]) -> Result<Input, Mistake> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("byte {} is not UTF-8", error.valid_up_to() + 1))?;
    let mut members: BTreeMap<String, Value> = parse_object(text)?.into_iter().collect();
    let id = match members.remove("id") {
        None => None,
        Some(Value::Text(id)) => Some(InputId::Text(id)),
        Some(Value::Number(id)) => Some(InputId::Number(id)),
        Some(Value::Flag(_) | Value::Object(_)) => {
            return Err(Mistake::from("\"id\" needs a text or a number".to_owned()))
        }
    };
    match to_input(members) {
        // It has no reply.
        Ok(Input::Leave) => Ok(Input::Leave),
        Ok(input) => Ok(input.with_id(id)),
        Err(why) => Err(Mistake { id, why }),
    }
}

/// Returns what an object means, without its id.
fn to_input(mut members: BTreeMap<String, Value>) -> Result<Input, String> {
    for (key, value) in &members {
        let needs = match (key.as_str(), value) {
            ("say" | "to" | "text" | "do" | "name", Value::Text(text)) if !text.is_empty() => continue,
            ("say" | "to" | "text" | "do" | "name", _) => "a text that is not empty",
            ("leave" | "who", Value::Flag(true)) => continue,
            ("leave" | "who", _) => "true",
            ("history", Value::Number(count)) if (1..=u64::from(u32::MAX)).contains(count) => continue,
            ("before" | "message_id", Value::Number(_)) => continue,
            ("history" | "before" | "message_id", _) => "a number",
            _ => {
                let key: String = key.chars().take(MAX_KEY_CHARACTERS).collect();
                return Err(format!("there is no key \"{key}\"; {FORMS}"));
            }
        };
        return Err(format!("\"{key}\" needs {needs}"));
    }
    let message_id = match members.remove("message_id") {
        Some(Value::Number(message_id)) => Some(message_id),
        _ => None,
    };
    let said = |utterance| Ok(Input::Say { utterance, message_id });
    // It was checked above that the count is one.
    let history = |count: u64, before| Ok(Input::History { count: count as u32, before });
    let members: Vec<(&str, &Value)> = members.iter().map(|(key, value)| (key.as_str(), value)).collect();
    match &members[..] {
        [("say", Value::Text(text))] => said(Utterance::Message(text.clone())),
        [("text", Value::Text(text)), ("to", Value::Text(to))] => {
            said(Utterance::Private { to: to.clone(), text: text.clone() })
        }
        [("do", Value::Text(text))] => said(Utterance::Action(text.clone())),
        _ if message_id.is_some() => Err("\"message_id\" needs something that is said beside it".into()),
        [("name", Value::Text(name))] => Ok(Input::Rename(name.clone())),
        [("who", _)] => Ok(Input::Who(None)),
        [("history", Value::Number(count))] => history(*count, None),
        [("before", Value::Number(before)), ("history", Value::Number(count))] => {
            history(*count, Some(*before))
        }
        [("leave", _)] => Ok(Input::Leave),
        [] => Err(format!("the object is empty, or has nothing but an id; {FORMS}")),
        [("to", _)] => Err("\"to\" needs a \"text\" beside it".into()),
        [("text", _)] => Err("\"text\" needs a \"to\" beside it; \"say\" says a text to everybody".into()),
        [("before", _)] => Err("\"before\" needs a \"history\" beside it".into()),
        several => {
            let keys: Vec<&str> = several.iter().map(|(key, _)| *key).collect();
            Err(format!("the keys \"{}\" do not go together; {FORMS}", keys.join("\", \"")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(bytes: &[u8]) -> Vec<Input> {
        let mut inputs = Vec::new();
        read_objects_loop(bytes, |input| {
            inputs.push(input);
            true
        });
        inputs
    }

    fn say(text: &str) -> Input {
        Input::message(text)
    }

    #[test]
    fn each_object_becomes_what_it_says_and_no_text_is_a_command() {
        let lines = "{\"say\":\"/quit\"}\r\n\n  \t\n{\"text\":\"{\\\"leave\\\":true}\",\"to\":\"Ann\"}\n\
                     {\"do\":\"waves\",\"message_id\":7}\n{\"name\":\"Sal\"}\n{\"who\":true}\n\
                     {\"history\":5}\n{\"before\":9,\"history\":1}\n{\"leave\":true}\n{\"say\":\" \"}";
        let private = Utterance::Private { to: "Ann".into(), text: "{\"leave\":true}".into() };
        assert_eq!(
            inputs(lines.as_bytes()),
            [
                say("/quit"),
                private.into(),
                Input::Say { utterance: Utterance::Action("waves".into()), message_id: Some(7) },
                Input::Rename("Sal".into()),
                Input::Who(None),
                Input::History { count: 5, before: None },
                Input::History { count: 1, before: Some(9) },
                Input::Leave,
                say(" "),
                Input::End
            ]
        );
    }

    #[test]
    fn an_id_goes_with_what_the_object_says_and_with_its_mistake() {
        let lines = r#"{"id":"a \"b\"","say":"hi"}
            {"who":true,"id":9007199254740991}
            {"id":"","message_id":3,"do":"waves"}
            {"id":0,"quit":true}
            {"id":1}"#;
        let text = |id: &str| Some(InputId::Text(id.into()));
        let number = |id| Some(InputId::Number(id));
        let waves = Input::Say { utterance: Utterance::Action("waves".into()), message_id: Some(3) };
        let got = inputs(lines.as_bytes());
        assert_eq!(
            got[..3],
            [
                say("hi").with_id(text("a \"b\"")),
                Input::Who(None).with_id(number(9_007_199_254_740_991)),
                waves.with_id(text("")),
            ]
        );
        for (input, (id, why)) in got[3..].iter().zip([
            (InputId::Number(0), "line 4: there is no key \"quit\""),
            (InputId::Number(1), "line 5: the object is empty, or has nothing but an id"),
        ]) {
            let Input::WithId { id: of, input } = input else { panic!("{input:?}") };
            assert!(matches!(&**input, Input::Mistake(mistake) if mistake.starts_with(why)), "{input:?}");
            assert_eq!(*of, id);
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_object() {
        assert_eq!(inputs(b"\xef\xbb\xbf{\"say\":\"hi\"}\r\n"), [say("hi"), Input::End]);
        assert!(matches!(&inputs(b"\xff\xfe{\0}\0\n\0")[..], [Input::Failed(why)] if why.contains("UTF-16")));
    }

    #[test]
    fn a_bad_line_is_a_mistake_with_its_number_and_the_next_line_is_said() {
        let long = format!("{{\"say\":\"{}\"}}", "x".repeat(3 * MAX_OBJECT_BYTES));
        for (line, why) in [
            (&b"/quit"[..], "character 1: an object begins with {"),
            (b"{}", "the object is empty"),
            (b"{\"say\":\"\"}", "\"say\" needs a text that is not empty"),
            (b"{\"say\":true}", "\"say\" needs a text"),
            (b"{\"leave\":false}", "\"leave\" needs true"),
            (b"{\"leave\":\"true\"}", "\"leave\" needs true"),
            (b"{\"to\":\"Ann\"}", "\"to\" needs a \"text\""),
            (b"{\"text\":\"hi\"}", "\"text\" needs a \"to\""),
            (b"{\"before\":7}", "\"before\" needs a \"history\""),
            (b"{\"history\":0}", "\"history\" needs a number"),
            (b"{\"history\":4294967296}", "\"history\" needs a number"),
            (b"{\"message_id\":7,\"name\":\"Sal\"}", "\"message_id\" needs something that is said"),
            (b"{\"say\":\"a\",\"message_id\":\"7\"}", "\"message_id\" needs a number"),
            (b"{\"say\":\"a\",\"do\":\"b\"}", "the keys \"do\", \"say\" do not go together"),
            (b"{\"Say\":\"a\"}", "there is no key \"Say\""),
            (b"{\"say\":\"a\",\"id\":true}", "\"id\" needs a text or a number"),
            (b"{\"say\":\"a\",\"id\":null}", "character 17: a value is a text"),
            (b"{\"say\":\"a\",\"id\":{}}", "character 17: a value is a text"),
            (b"{\"say\":\"a\",\"id\":-1}", "character 17: a value is a text"),
            (b"{\"say\":\"a\",\"id\":1.5}", "character 17: a number is whole and below 2^53"),
            (b"{\"say\":\"a\",\"id\":9007199254740992}", "character 17: a number is whole and below 2^53"),
            (b"{\"say\":\"\xff\"}", "byte 9 is not UTF-8"),
            (long.as_bytes(), "a line has at most 262144 bytes"),
        ] {
            let got = inputs(&[line, b"\n{\"say\":\"next\"}\n"].concat());
            let [Input::Mistake(mistake), next, Input::End] = &got[..] else { panic!("{got:?}") };
            assert!(mistake.starts_with(&format!("line 1: {why}")) && *next == say("next"), "{mistake}");
        }
    }

    #[test]
    fn a_line_of_the_most_bytes_is_said_and_one_more_is_a_mistake() {
        let object = |length: usize| {
            let around = "{\"say\":\"\"}\n".len();
            format!("{{\"say\":\"{}\"}}\n", "x".repeat(length - around))
        };
        assert!(matches!(inputs(object(MAX_OBJECT_BYTES).as_bytes())[0], Input::Say { .. }));
        assert!(matches!(inputs(object(MAX_OBJECT_BYTES + 2).as_bytes())[0], Input::Mistake(_)));
        let longest = format!("{{\"say\":\"{}\"}}\n", "\\u0007".repeat(32 * 1024));
        assert_eq!(inputs(longest.as_bytes())[0], say(&"\u{7}".repeat(32 * 1024)));
    }
}
