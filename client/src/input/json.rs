//! Reads one JSON object whose values are texts, whole numbers, `true` and `false`. No I/O.
//!
//! It takes what RFC 8259 allows and nothing else, because the input decides what a program says to people.
//! No value is nested, so no input makes it recurse.

/// More keys than any object has that a program reads here, so that looking for a repeated key is quick.
const MAX_MEMBERS: usize = 8;

/// JSON has no limit for numbers, but a program that has them as floating point rounds those from here on.
const END_OF_NUMBERS: u64 = 1 << 53;

/// A value in an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Flag(bool),
    /// Whole, and below 2^53.
    Number(u64),
}

/// Reads an object. Returns its keys and values in their order.
///
/// # Errors
/// Which character is wrong, counted from 1, and why. One line for people.
pub(crate) fn parse_object(text: &str) -> Result<Vec<(String, Value)>, String> {
    let mut reader = Reader { text, at: 0 };
    let mut members: Vec<(String, Value)> = Vec::new();
    reader.skip_spaces();
    reader.expect('{', "an object begins with {")?;
    reader.skip_spaces();
    if reader.peek() != Some('}') {
        loop {
            reader.skip_spaces();
            let start = reader.at;
            let key = reader.text("a key is a text in double quotes")?;
            if members.iter().any(|(other, _)| *other == key) || members.len() == MAX_MEMBERS {
                reader.at = start;
                return Err(reader.wrong("a key stands twice, or there are too many keys"));
            }
            reader.skip_spaces();
            reader.expect(':', "a colon follows a key")?;
            reader.skip_spaces();
            members.push((key, reader.value()?));
            reader.skip_spaces();
            match reader.peek() {
                Some(',') => reader.skip(','),
                _ => break,
            }
        }
    }
    reader.expect('}', "a comma or } follows a value")?;
    reader.skip_spaces();
    match reader.peek() {
        None => Ok(members),
        Some(_) => Err(reader.wrong("nothing follows the object on its line")),
    }
}

/// A text, and how far it is read, in bytes.
struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn skip(&mut self, c: char) {
        self.at += c.len_utf8();
    }

    fn skip_spaces(&mut self) {
        while let Some(c @ (' ' | '\t' | '\n' | '\r')) = self.peek() {
            self.skip(c);
        }
    }

    /// Returns the error that the next character is wrong because of this `rule`.
    fn wrong(&self, rule: &str) -> String {
        let place = match self.peek() {
            Some(_) => format!("character {}", self.text[..self.at].chars().count() + 1),
            None => "the end".to_owned(),
        };
        format!("{place}: {rule}")
    }

    fn expect(&mut self, wanted: char, rule: &str) -> Result<(), String> {
        if self.peek() != Some(wanted) {
            return Err(self.wrong(rule));
        }
        self.skip(wanted);
        Ok(())
    }

    fn value(&mut self) -> Result<Value, String> {
        for (word, flag) in [("true", true), ("false", false)] {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(Value::Flag(flag));
            }
        }
        if self.peek().is_some_and(|c| c.is_ascii_digit()) {
            return self.number().map(Value::Number);
        }
        self.text("a value is a text in double quotes, a whole number, true or false").map(Value::Text)
    }

    fn number(&mut self) -> Result<u64, String> {
        let rest = &self.text[self.at..];
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-');
        let digits = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
        let number = digits.parse().ok().filter(|number| *number < END_OF_NUMBERS);
        match number.filter(|_| digits == "0" || !digits.starts_with('0')) {
            Some(number) => {
                self.at += digits.len();
                Ok(number)
            }
            None => Err(self.wrong("a number is whole and below 2^53, without a sign or a leading 0")),
        }
    }

    /// Reads a text with its quotes.
    fn text(&mut self, rule: &str) -> Result<String, String> {
        self.expect('"', rule)?;
        let mut text = String::new();
        loop {
            match self.peek() {
                None => return Err(self.wrong("a text ends with a double quote")),
                Some('"') => break,
                Some('\\') => text.push(self.escape()?),
                Some(c) if c < ' ' => {
                    return Err(self.wrong("a control character is written as \\n, \\t or \\u001b"));
                }
                Some(c) => {
                    self.skip(c);
                    text.push(c);
                }
            }
        }
        self.skip('"');
        Ok(text)
    }

    /// Reads a backslash and what belongs to it.
    fn escape(&mut self) -> Result<char, String> {
        let start = self.at;
        self.skip('\\');
        let letter = self.peek();
        let c = match letter {
            Some(c @ ('"' | '\\' | '/')) => c,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => return self.unicode_escape(start),
            _ => return Err(self.wrong("one of \" \\ / b f n r t u follows a backslash")),
        };
        letter.into_iter().for_each(|letter| self.skip(letter));
        Ok(c)
    }

    /// Reads the `u` and the digits of a character, and a second escape where the character takes two.
    /// `start` is the place of the backslash.
    fn unicode_escape(&mut self, start: usize) -> Result<char, String> {
        let mut units = vec![self.unit()?];
        if (0xd800..0xdc00).contains(&units[0]) && self.text[self.at..].starts_with("\\u") {
            self.skip('\\');
            units.push(self.unit()?);
        }
        match String::from_utf16(&units).ok().and_then(|text| text.chars().next()) {
            Some(c) => Ok(c),
            None => {
                self.at = start;
                Err(self.wrong("half of a surrogate pair is no character"))
            }
        }
    }

    /// Reads a `u` and four hexadecimal digits.
    fn unit(&mut self) -> Result<u16, String> {
        self.skip('u');
        let rule = "four hexadecimal digits follow \\u";
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|c| c.to_digit(16)).ok_or_else(|| self.wrong(rule))?;
            unit = unit << 4 | digit as u16;
            self.at += 1;
        }
        Ok(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, Value as Json};

    /// What serde_json reads, if it is an object of texts, flags and numbers without a repeated key.
    fn by_serde(text: &str) -> Option<Vec<(String, Value)>> {
        let object: Map<String, Json> = serde_json::from_str(text).ok()?;
        object
            .into_iter()
            .map(|(key, value)| match value {
                Json::String(text) => Some((key, Value::Text(text))),
                Json::Bool(flag) => Some((key, Value::Flag(flag))),
                Json::Number(number) => {
                    let number = number.as_u64().filter(|number| *number < END_OF_NUMBERS)?;
                    Some((key, Value::Number(number)))
                }
                _ => None,
            })
            .collect()
    }

    fn sorted(text: &str) -> Option<Vec<(String, Value)>> {
        let mut members = parse_object(text).ok()?;
        members.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        Some(members)
    }

    #[test]
    fn it_reads_what_another_reader_reads_and_refuses_what_that_refuses() {
        let seeds = [
            r#"{"say":"hello"}"#,
            r#" { "to" : "Ann" , "text" : "a \"b\" \\ \/ \b\f\n\r\t é🦀 \u00e9\ud83e\udd80" } "#,
            r#"{"leave":true,"x":false}"#,
            r#"{"history":120,"before":9007199254740991,"zero":0}"#,
            "{}",
        ];
        let alphabet: Vec<char> =
            "{}[]:,\"\\/bfnrtu0189aAdDeE-+. \t\n\r\u{0}\u{1f}\u{7f}é🦀truefalsn".chars().collect();
        let mut state = 1_u64;
        let mut random = |limit: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % limit
        };
        let (mut read, mut refused) = (0, 0);
        for round in 0..40_000 {
            let mut text: Vec<char> = seeds[round % seeds.len()].chars().collect();
            for _ in 0..random(4) {
                let at = random(text.len().max(1)).min(text.len());
                match random(3) {
                    0 => text.insert(at, alphabet[random(alphabet.len())]),
                    1 if at < text.len() => drop(text.remove(at)),
                    _ => text.truncate(text.len() - random(3).min(text.len())),
                }
            }
            let text: String = text.into_iter().collect();
            let (ours, theirs) = (sorted(&text), by_serde(&text));
            // serde_json takes the last of two equal keys.
            let repeats = parse_object(&text).is_err_and(|why| why.contains("twice"));
            assert!(ours == theirs || ours.is_none() && repeats, "{text:?}: {ours:?} and {theirs:?}");
            if ours.is_some() {
                read += 1;
            } else {
                refused += 1;
            }
        }
        assert!(read > 5_000 && refused > 5_000, "{read} and {refused}");
    }

    #[test]
    fn an_error_names_the_character_and_the_rule() {
        for (text, why) in [
            ("", "the end: an object begins with {"),
            ("[]", "character 1: an object begins with {"),
            ("{\"é\" 1}", "character 6: a colon follows a key"),
            ("{\"a\":-1}", "character 6: a value is a text"),
            ("{\"a\":1.0}", "character 6: a number is whole"),
            ("{\"a\":1e3}", "character 6: a number is whole"),
            ("{\"a\":01}", "character 6: a number is whole"),
            ("{\"a\":9007199254740992}", "character 6: a number is whole"),
            ("{\"a\":{\"b\":\"c\"}}", "character 6: a value is a text"),
            ("{\"a\":null}", "character 6: a value is a text"),
            ("{\"a\":\"b\",}", "character 10: a key is a text"),
            ("{\"a\":\"b\",\"a\":\"c\"}", "character 10: a key stands twice"),
            ("{\"a\":\"b", "the end: a text ends with a double quote"),
            ("{\"a\":\"\t\"}", "character 7: a control character"),
            ("{\"a\":\"\\x\"}", "character 8: one of"),
            ("{\"a\":\"\\u12g4\"}", "character 11: four hexadecimal digits"),
            ("{\"a\":\"\\ud83e\"}", "character 7: half of a surrogate pair"),
            ("{\"a\":\"\\udd80\\ud83e\"}", "character 7: half of a surrogate pair"),
            ("{\"a\":\"b\"} {}", "character 11: nothing follows the object"),
            ("\u{feff}{}", "character 1: an object begins with {"),
        ] {
            let error = parse_object(text).unwrap_err();
            assert!(error.starts_with(why) && !error.contains('\n'), "{text}: {error}");
        }
    }
}
