//! Reads one JSON object whose values are texts, whole numbers, `true` and `false`. No I/O.
//!
//! It takes what RFC 8259 allows and nothing else, because the input decides what a program says to people.
//! A value is nested once at most, where the caller wants that, so no input makes it recurse further.

/// More keys than any object has that a program reads here, so that looking for a repeated key is quick.
const MAX_MEMBERS: usize = 8;

/// JSON has no limit for numbers, but a program that has them as floating point rounds those from here on.
const END_OF_NUMBERS: u64 = 1 << 53;

/// A value in an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// `true` or `false`.
    Flag(bool),
    /// Whole, and below 2^53.
    Number(u64),
    /// An object, for [`parse_nested_object`] alone.
    Object(Vec<(String, Value)>),
}

/// Reads an object. Returns its keys and values in their order.
///
/// # Errors
/// Which character is wrong, counted from 1, and why. One line for people.
pub fn parse_object(text: &str) -> Result<Vec<(String, Value)>, String> {
    Reader { text, rest: text, nests: false }.all()
}

/// Reads an object whose values may be such objects as [`parse_object`] takes.
///
/// # Errors
/// As [`parse_object`].
pub fn parse_nested_object(text: &str) -> Result<Vec<(String, Value)>, String> {
    Reader { text, rest: text, nests: true }.all()
}

/// A text, and what is not read of it yet.
struct Reader<'t> {
    text: &'t str,
    rest: &'t str,
    /// Whether a value can be an object. It is false inside of one, so no input makes the reader recurse.
    nests: bool,
}

impl<'t> Reader<'t> {
    /// Reads the object that is all of the text.
    fn all(mut self) -> Result<Vec<(String, Value)>, String> {
        let members = self.object()?;
        match self.skip_spaces() {
            "" => Ok(members),
            rest => Err(self.wrong(rest, "nothing follows the object on its line")),
        }
    }

    fn object(&mut self) -> Result<Vec<(String, Value)>, String> {
        let mut members: Vec<(String, Value)> = Vec::new();
        self.expect('{', "an object begins with {")?;
        if !self.takes('}') {
            loop {
                let start = self.skip_spaces();
                let key = self.text("a key is a text in double quotes")?;
                if members.iter().any(|(other, _)| *other == key) || members.len() == MAX_MEMBERS {
                    return Err(self.wrong(start, "a key stands twice, or there are too many keys"));
                }
                self.expect(':', "a colon follows a key")?;
                members.push((key, self.value()?));
                if !self.takes(',') {
                    break;
                }
            }
            self.expect('}', "a comma or } follows a value")?;
        }
        Ok(members)
    }

    /// Returns what follows the spaces.
    fn skip_spaces(&mut self) -> &'t str {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
        self.rest
    }

    /// Reads this character, if it is the next one behind spaces. Returns whether it is.
    fn takes(&mut self, wanted: char) -> bool {
        let rest = self.skip_spaces().strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, wanted: char, rule: &str) -> Result<(), String> {
        self.takes(wanted).then_some(()).ok_or_else(|| self.wrong(self.rest, rule))
    }

    /// Returns the error that the first character of `rest` is wrong because of this `rule`.
    fn wrong(&self, rest: &str, rule: &str) -> String {
        match self.text.strip_suffix(rest) {
            Some(read) if !rest.is_empty() => format!("character {}: {rule}", read.chars().count() + 1),
            _ => format!("the end: {rule}"),
        }
    }

    fn value(&mut self) -> Result<Value, String> {
        let start = self.skip_spaces();
        for (word, flag) in [("true", true), ("false", false)] {
            if let Some(rest) = start.strip_prefix(word) {
                self.rest = rest;
                return Ok(Value::Flag(flag));
            }
        }
        if start.starts_with(|c: char| c.is_ascii_digit()) {
            return self.number().map(Value::Number);
        }
        if self.nests && start.starts_with('{') {
            self.nests = false;
            let object = self.object();
            self.nests = true;
            return object.map(Value::Object);
        }
        self.text("a value is a text in double quotes, a whole number, true or false").map(Value::Text)
    }

    fn number(&mut self) -> Result<u64, String> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-');
        let rest = self.rest.trim_start_matches(is_part);
        let digits = &self.rest[..self.rest.len() - rest.len()];
        let is_plain = digits == "0" || !digits.starts_with('0');
        let number = digits.parse().ok().filter(|number| is_plain && *number < END_OF_NUMBERS);
        let rule = "a number is whole and below 2^53, without a sign or a leading 0";
        let number = number.ok_or_else(|| self.wrong(self.rest, rule))?;
        self.rest = rest;
        Ok(number)
    }

    /// Reads a text with its quotes.
    fn text(&mut self, rule: &str) -> Result<String, String> {
        self.expect('"', rule)?;
        let mut text = String::new();
        loop {
            match self.rest.chars().next() {
                Some('"') => break,
                Some('\\') => text.push(self.escape()?),
                Some(c) if c >= ' ' => {
                    text.push(c);
                    self.rest = &self.rest[c.len_utf8()..];
                }
                Some(_) => {
                    let rule = "a control character is written as \\n, \\t or \\u001b";
                    return Err(self.wrong(self.rest, rule));
                }
                None => return Err(self.wrong("", "a text ends with a double quote")),
            }
        }
        self.rest = &self.rest[1..];
        Ok(text)
    }

    /// Reads a backslash and what belongs to it.
    fn escape(&mut self) -> Result<char, String> {
        let letter = &self.rest[1..];
        let c = match letter.chars().next() {
            Some(c @ ('"' | '\\' | '/')) => c,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => return self.unicode_escape(),
            _ => return Err(self.wrong(letter, "one of \" \\ / b f n r t u follows a backslash")),
        };
        self.rest = &letter[1..];
        Ok(c)
    }

    /// Reads the escape of a character, and a second one where the character takes two.
    fn unicode_escape(&mut self) -> Result<char, String> {
        let start = self.rest;
        let mut units = vec![self.unit()?];
        if (0xd800..0xdc00).contains(&units[0]) && self.rest.starts_with("\\u") {
            units.push(self.unit()?);
        }
        let c = String::from_utf16(&units).ok().and_then(|text| text.chars().next());
        c.ok_or_else(|| self.wrong(start, "half of a surrogate pair is no character"))
    }

    /// Reads a backslash, a `u` and four hexadecimal digits.
    fn unit(&mut self) -> Result<u16, String> {
        self.rest = &self.rest[2..];
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.rest.chars().next().and_then(|c| c.to_digit(16));
            let digit = digit.ok_or_else(|| self.wrong(self.rest, "four hexadecimal digits follow \\u"))?;
            unit = unit << 4 | digit as u16;
            self.rest = &self.rest[1..];
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
