//! What each key does to the typed line. No I/O.

use crate::{
    editor::{
        completion::{common_start, complete},
        history::History,
        keys::Key,
        line::{Line, Motion},
        names::KnownNames,
    },
    input::TerminalEvent,
};
use chat_common::text::clusters::start_before;

/// A paste of more lines does not go into the line being edited. It is passed on line by line, and may be
/// held.
const MAX_EDITED_LINES: usize = 10;
/// No line that a person looks for needs more. In bytes.
const MAX_SEARCH_BYTES: usize = 256;

/// The typed line, what was typed before, and the search in it.
#[derive(Debug, Default)]
pub(crate) struct Typing {
    pub(crate) line: Line,
    pub(crate) history: History,
    /// The line that a question has interrupted, and its cursor.
    aside: Option<(String, usize)>,
    search: Option<Search>,
}

/// A search with Ctrl-R.
#[derive(Debug)]
struct Search {
    text: String,
    /// Which line of the history is shown.
    found: Option<usize>,
    /// The line that was being typed.
    before: String,
}

/// What a key asks of others than the line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Nothing,
    Submit,
    /// Lines that are not edited any more.
    Pass(Vec<String>),
    /// Something for the terminal alone.
    Show(TerminalEvent),
    Interrupt,
    End,
    Suspend,
}

impl Typing {
    /// What stands before the line.
    pub(crate) fn prompt(&self) -> String {
        match &self.search {
            Some(Search { text, found: None, .. }) if !text.is_empty() => {
                format!("search \"{text}\" (not found): ")
            }
            Some(search) => format!("search \"{}\": ", search.text),
            None => String::new(),
        }
    }

    /// Throws away what is typed.
    pub(crate) fn begin_line(&mut self) {
        self.search = None;
        self.line.take();
        self.history.begin_line();
    }

    /// Keeps what is typed for later: a question has come, and it is no part of the answer.
    pub(crate) fn put_aside(&mut self) {
        let typed = (self.line.text().to_owned(), self.line.cursor());
        self.begin_line();
        // After a second question it is the beginning of an answer.
        self.aside.get_or_insert(typed);
    }

    /// Goes on with the line that a question has interrupted.
    pub(crate) fn take_back(&mut self) {
        if let Some((text, cursor)) = self.aside.take() {
            self.line.set(&text);
            self.line.set_cursor(cursor);
        }
    }

    pub(crate) fn press(&mut self, key: Key, names: &KnownNames) -> Effect {
        if self.search.is_some() {
            match key {
                Key::Character(_) | Key::Delete(Motion::CharacterBefore) | Key::Search => {
                    self.search_on(&key);
                    return Effect::Nothing;
                }
                Key::Cancel | Key::Interrupt => {
                    let before = self.search.take().map_or(String::new(), |search| search.before);
                    self.line.set(&before);
                    return Effect::Nothing;
                }
                // Every other key takes the line that was found.
                _ => self.search = None,
            }
        }
        let line = &mut self.line;
        match key {
            Key::Character(c) => return effect_of(line.insert(c.encode_utf8(&mut [0; 4]))),
            Key::PutBack => return effect_of(line.put_back()),
            Key::Paste(text) => return self.paste(&text),
            Key::PasteTooLong => return hint("a paste of more than 1 MiB is not taken"),
            Key::Enter => return Effect::Submit,
            Key::Tab => return self.complete(names),
            Key::Search => {
                let before = line.text().to_owned();
                self.search = Some(Search { text: String::new(), found: None, before });
            }
            Key::Redraw => return Effect::Show(TerminalEvent::Clear),
            Key::Interrupt => {
                self.begin_line();
                return Effect::Interrupt;
            }
            Key::End if line.text().is_empty() => return Effect::End,
            Key::Suspend => return Effect::Suspend,
            Key::Go(motion) => line.go(motion),
            Key::Delete(motion) => line.delete(motion),
            Key::End => line.delete(Motion::CharacterAfter),
            Key::Up => self.history.older(line.text()).iter().for_each(|older| line.set(older)),
            Key::Down => self.history.newer().iter().for_each(|newer| line.set(newer)),
            Key::Cancel => {}
        }
        Effect::Nothing
    }

    fn paste(&mut self, text: &str) -> Effect {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        // Control characters would be shown as escapes to everybody, and nobody means to send them.
        let text: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
        // A line end at the end of a paste must not send it.
        let text = text.trim_end_matches('\n');
        if text.lines().filter(|line| !line.trim().is_empty()).count() > MAX_EDITED_LINES {
            return Effect::Pass(text.lines().map(str::to_owned).collect());
        }
        effect_of(self.line.insert(text))
    }

    fn complete(&mut self, names: &KnownNames) -> Effect {
        let before = &self.line.text()[..self.line.cursor()];
        let completion = complete(before, &names.all(), names.operates());
        let typed = before[completion.start..].chars().count();
        let mut words = completion.words;
        let word = match &words[..] {
            [] => return Effect::Nothing,
            [word] => format!("{word}{}", completion.suffix),
            several => {
                let common = common_start(several);
                if common.chars().count() <= typed {
                    words.sort();
                    return hint(words.join(", "));
                }
                common.to_owned()
            }
        };
        effect_of(self.line.replace_from(completion.start, &word))
    }

    fn search_on(&mut self, key: &Key) {
        let Some(search) = &mut self.search else { return };
        // A longer text may still be in the line that is shown; Ctrl-R looks behind it.
        let before = match key {
            Key::Character(c) if search.text.len() < MAX_SEARCH_BYTES => {
                search.text.push(*c);
                search.found.map(|found| found + 1)
            }
            Key::Delete(Motion::CharacterBefore) => {
                search.text.truncate(start_before(&search.text, search.text.len()));
                None
            }
            _ => search.found,
        };
        if search.text.is_empty() {
            return;
        }
        match self.history.find(&search.text, before) {
            Some((index, text)) => {
                search.found = Some(index);
                self.line.set(text);
                self.line.set_cursor(text.find(&search.text).unwrap_or(0));
            }
            // After the oldest match, that one stays.
            None if *key == Key::Search => {}
            None => search.found = None,
        }
    }
}

fn effect_of(fits: bool) -> Effect {
    match fits {
        true => Effect::Nothing,
        false => hint("a line takes at most 64 KiB"),
    }
}

fn hint(text: impl Into<String>) -> Effect {
    Effect::Show(TerminalEvent::Hint(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::editor::keys::Keys;
    use crate::events::UiEvent;
    use chat_common::wire::protocol::Person;

    /// Presses the keys of these bytes. Returns the text, the cursor, and what the last key asked for.
    fn press(typing: &mut Typing, bytes: &str) -> (String, usize, Effect) {
        let names = KnownNames::default();
        let person = |name: &str| Person { name: name.into(), here: 0, idle: 0, operator: false };
        let people = ["Sara", "Samuel", "Tom"].map(person).into();
        names.hear(&UiEvent::People { people, total: 3, pattern: None });
        let (mut keys, mut effect) = (Keys::default(), Effect::Nothing);
        for byte in bytes.bytes() {
            if let Some(key) = keys.take(byte) {
                effect = typing.press(key, &names);
                if effect == Effect::Submit {
                    let line = typing.line.take();
                    typing.history.add(&line);
                }
            }
        }
        (typing.line.text().to_owned(), typing.line.cursor(), effect)
    }

    fn typed(bytes: &str) -> (String, usize, Effect) {
        press(&mut Typing::default(), bytes)
    }

    #[test]
    fn keys_edit_at_the_cursor() {
        assert_eq!(typed("helo\x1b[Dl\x01> \x05!").0, "> hello!");
        assert_eq!(typed("one two\x17three").0, "one three");
        assert_eq!(typed("abc\x02\x02\x0b\x19\x19").0, "abcbc");
        assert_eq!(typed("ab\x1b[D\x04").0, "a");
    }

    #[test]
    fn an_empty_line_ends_with_ctrl_d_and_any_line_is_cleared_by_ctrl_c() {
        assert_eq!(typed("\x04").2, Effect::End);
        assert_eq!(typed("half\x03"), (String::new(), 0, Effect::Interrupt));
    }

    #[test]
    fn tab_completes_and_offers_what_is_left() {
        assert_eq!(typed("to\t").0, "Tom: ");
        assert_eq!(typed("s\t").0, "Sa");
        assert_eq!(typed("s\t\t").2, hint("Samuel, Sara"));
        assert_eq!(typed("/ms\tto\thi").0, "/msg Tom hi");
        // The rest of the line stays.
        assert_eq!(typed("x y\x1b[D\x1b[D to\t").0, "x Tom  y");
    }

    #[test]
    fn a_line_that_a_question_interrupts_comes_back_with_its_cursor_and_without_the_answer() {
        let mut typing = Typing::default();
        press(&mut typing, "helo\x1b[D");
        typing.put_aside();
        assert_eq!(press(&mut typing, "la").0, "la");
        // The question comes again.
        typing.put_aside();
        press(&mut typing, "lamp");
        typing.take_back();
        assert_eq!(press(&mut typing, "l"), ("hello".into(), 4, Effect::Nothing));
        typing.take_back();
        assert_eq!(typing.line.text(), "hello");
    }

    #[test]
    fn a_search_finds_older_lines_and_can_be_given_up() {
        let mut typing = Typing::default();
        press(&mut typing, "make test\rmake\rls\rdraft");
        assert_eq!(press(&mut typing, "\x12mak").0, "make");
        assert_eq!(press(&mut typing, "\x12").0, "make test");
        assert_eq!(press(&mut typing, "\x12").0, "make test");
        assert_eq!(press(&mut typing, "\x07").0, "draft");
        assert_eq!(press(&mut typing, "\x12tes\x05ed").0, "make tested");
        press(&mut typing, "\x12zz");
        assert_eq!(typing.prompt(), "search \"zz\" (not found): ");
    }

    #[test]
    fn a_short_paste_is_edited_and_a_long_one_is_passed_on_whole() {
        assert_eq!(typed("> \x1b[200~a\r\nb\x1b\x07\r\x1b[201~"), ("> a\nb".into(), 5, Effect::Nothing));
        let long = format!("x\x1b[200~{}\x1b[201~", "line\n\n".repeat(11));
        let (text, _, effect) = typed(&long);
        assert_eq!(text, "x");
        assert!(matches!(effect, Effect::Pass(lines) if lines.len() == 21));
    }

    #[test]
    fn a_line_that_is_full_says_so() {
        let paste = format!("\x1b[200~{}\x1b[201~", "x".repeat(60 * 1024));
        assert_eq!(typed(&format!("{paste}{paste}")).2, hint("a line takes at most 64 KiB"));
    }
}
