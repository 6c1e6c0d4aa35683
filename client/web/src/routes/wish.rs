//! The body of `POST /join`: a name, and the session to go on with. No I/O.

use crate::routes::hex;
use chat_client::{parse_nested_object, Value};
use chat_common::wire::{protocol::Place, token::Token};

/// What a page wants to join with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) name: String,
    pub(super) session: Option<(Token, Place)>,
}

impl Wish {
    /// Reads the body of the request.
    ///
    /// # Errors
    /// What is wrong with it. One line for people.
    pub(super) fn parse(body: &[u8]) -> Result<Wish, String> {
        let text = std::str::from_utf8(body).map_err(|_| "the body is not UTF-8".to_owned())?;
        let (mut name, mut session) = (None, None);
        for (key, value) in parse_nested_object(text)? {
            match (key.as_str(), value) {
                ("name", Value::Text(text)) => name = Some(text),
                ("session", Value::Object(members)) => session = Some(session_of(&members)?),
                _ => return Err(format!("\"{key}\" is not a name or a session")),
            }
        }
        Ok(Wish { name: name.ok_or("\"name\" is missing")?, session })
    }
}

fn session_of(members: &[(String, Value)]) -> Result<(Token, Place), String> {
    let wrong = || "a session has a token, a room and a sequence".to_owned();
    let text = |wanted: &str| {
        members.iter().find_map(|(key, value)| match value {
            Value::Text(text) if key == wanted => Some(text.as_str()),
            _ => None,
        })
    };
    let sequence = members.iter().find_map(|(key, value)| match value {
        Value::Number(number) if key == "sequence" => Some(*number),
        _ => None,
    });
    let room = text("room").filter(|room| room.len() == 16 && room.bytes().all(|b| b.is_ascii_hexdigit()));
    let room = room.and_then(|room| u64::from_str_radix(room, 16).ok()).ok_or_else(wrong)?;
    let token = text("token").and_then(hex::token).ok_or_else(wrong)?;
    match sequence.filter(|_| members.len() == 3) {
        Some(sequence) => Ok((token, Place { room, sequence })),
        None => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_joins_and_a_session_goes_on() {
        assert_eq!(Wish::parse(br#"{"name":"Ann"}"#), Ok(Wish { name: "Ann".into(), session: None }));
        let session =
            r#"{"token":"000102030405060708090a0b0c0d0e0f","room":"00000000000000ff","sequence":7}"#;
        let wish = Wish::parse(format!(r#"{{"session":{session},"name":"Ann"}}"#).as_bytes()).unwrap();
        let (token, place) = wish.session.unwrap();
        assert_eq!((token.as_bytes()[15], place), (15, Place { room: 255, sequence: 7 }));
    }

    #[test]
    fn everything_else_is_refused() {
        for body in [
            "",
            "{}",
            "[]",
            r#"{"name":7}"#,
            r#"{"name":"Ann","session":true}"#,
            r#"{"name":"Ann","session":{}}"#,
            r#"{"name":"Ann","session":{"token":"00","room":"00000000000000ff","sequence":7}}"#,
            r#"{"name":"Ann","session":{"token":{},"room":"00000000000000ff","sequence":7}}"#,
            r#"{"name":{"name":"Ann"}}"#,
            r#"{"name":"Ann","more":"x"}"#,
        ] {
            Wish::parse(body.as_bytes()).expect_err(body);
        }
        Wish::parse(b"{\"name\":\"\xff\"}").unwrap_err();
    }
}
