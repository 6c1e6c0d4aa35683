//! Holds a paste of many lines until the person says what to do with it. No I/O, no threads.
//!
//! A paste is a *burst*: lines that come so close together that nobody has typed them. A burst of a few lines
//! passes as if it had been typed, except behind `/msg` and `/reply`. The lines of a held paste are texts and
//! never commands, because nobody has read them before they are sent.
//!
//! A paste often has no line end after its last line. The terminal keeps such a line for editing, so it comes
//! in one line with the command that is typed behind it, or with the end of the input. It belongs to the
//! paste.

use crate::{
    events::{Input, Utterance},
    input::{
        command::{is_for_one_person, parse_command, Command},
        TerminalEvent, Typed,
    },
};

/// A burst of more lines is held. Empty lines do not count, because they are not sent.
const MAX_UNHELD_LINES: usize = 10;
/// The most that is held. What is longer is forgotten.
const MAX_HELD_BYTES: usize = 1024 * 1024;

/// Takes what a person types or pastes, and returns what goes to the client.
///
/// Invariant: a line that is neither returned nor held has been reported as a [`TerminalEvent`].
#[derive(Debug, Default)]
pub(crate) struct PasteGuard {
    /// The lines that came together, until [`PasteGuard::end_burst`].
    burst: Lines,
    /// How many lines of the burst the terminal has cut.
    cut: usize,
    held: Lines,
}

/// Lines, each with its line end. They are one string, so that its length is what they take in memory.
#[derive(Debug, Default)]
struct Lines {
    text: String,
    count: usize,
    /// How many of them are not empty.
    said: usize,
    /// Whether a line did not fit. Then the text is not complete.
    too_long: bool,
}

impl Lines {
    fn push(&mut self, line: &str) {
        self.count += 1;
        self.said += usize::from(!line.trim().is_empty());
        self.too_long |= self.text.len() + line.len() >= MAX_HELD_BYTES;
        if !self.too_long {
            self.text.extend([line, "\n"]);
        }
    }

    /// Adds the last line of a paste. It may go over the limit, because it is only one.
    fn push_last(&mut self, line: &str) {
        self.count += 1;
        self.text.extend([line, "\n"]);
    }
}

impl PasteGuard {
    /// Adds a line, without its line end, to the burst.
    pub(crate) fn add(&mut self, line: &str) {
        self.burst.push(line);
    }

    /// Adds a line that the terminal has cut. It is not sent.
    pub(crate) fn add_cut(&mut self) {
        self.cut += 1;
    }

    /// How many lines the burst has.
    pub(crate) fn burst_lines(&self) -> usize {
        self.burst.count + self.cut
    }

    /// The burst is over. Returns what to pass on, which is nothing of a burst that is held.
    pub(crate) fn end_burst(&mut self) -> Vec<Typed> {
        let mut passed = Vec::new();
        if let cut @ 1.. = std::mem::take(&mut self.cut) {
            passed.push(Typed::Notice(TerminalEvent::LinesCut(cut)));
        }
        let burst = std::mem::take(&mut self.burst);
        if burst.said > MAX_UNHELD_LINES || burst.too_long {
            passed.push(self.hold(&burst));
            return passed;
        }
        let (typed, pasted) = burst.text.split_at(end_of_typed(&burst.text));
        typed.lines().for_each(|line| self.pass_typed(line, &mut passed));
        if !pasted.is_empty() {
            let mut rest = Lines::default();
            pasted.lines().for_each(|line| rest.push(line));
            passed.push(self.hold(&rest));
        }
        passed
    }

    /// Keeps lines until the person says what to do with them. Returns what the person has to know.
    fn hold(&mut self, lines: &Lines) -> Typed {
        if lines.too_long || self.held.text.len() + lines.text.len() > MAX_HELD_BYTES {
            return Typed::Notice(TerminalEvent::PasteTooLong(lines.count));
        }
        self.held.text.push_str(&lines.text);
        self.held.count += lines.count;
        Typed::Notice(TerminalEvent::PasteHeld(self.held.count))
    }

    /// The input has ended. Returns what to pass on before the end.
    pub(crate) fn end_input(&mut self) -> Vec<Typed> {
        let line = self.burst.text.trim_end_matches('\n');
        if self.held.count > 0 && self.burst.count == 1 && may_be_text(line) {
            self.held.push_last(line);
            self.burst = Lines::default();
        }
        let mut passed = self.end_burst();
        passed.extend(self.forget(TerminalEvent::PasteUnsent));
        passed
    }

    /// Passes one line on. With a held paste, some commands are about it.
    fn pass_typed(&mut self, line: &str, passed: &mut Vec<Typed>) {
        let mut line = line;
        if self.held.count > 0 {
            if let Some((last, command)) = split_last_line(line) {
                self.held.push_last(last);
                line = command;
            }
            match parse_command(line) {
                Ok(Command::Paste) => {
                    let held = std::mem::take(&mut self.held);
                    let lines = held.text.lines().filter(|line| !line.trim().is_empty());
                    return passed.extend(lines.map(|line| Typed::Text(line.to_owned())));
                }
                Ok(Command::Drop) => return passed.extend(self.forget(TerminalEvent::PasteDropped)),
                Ok(Command::Pass(Input::Leave)) => passed.extend(self.forget(TerminalEvent::PasteUnsent)),
                _ => {}
            }
        }
        passed.push(Typed::Line(line.to_owned()));
    }

    /// Forgets the held paste. Returns the notice for its number of lines, if there was one.
    fn forget(&mut self, notice: impl FnOnce(usize) -> TerminalEvent) -> Option<Typed> {
        let count = std::mem::take(&mut self.held).count;
        (count > 0).then(|| Typed::Notice(notice(count)))
    }
}

/// Splits `last line/paste`. The last line may have any characters, also a slash or spaces at its end.
fn split_last_line(line: &str) -> Option<(&str, &str)> {
    let words = ["/paste", "/drop", "/quit"];
    let at = words.iter().find_map(|word| Some(line.trim_end().strip_suffix(word)?.len()))?;
    let last = line[..at].trim();
    // `//paste` says `/paste`, as ever.
    (!last.is_empty() && last != "/" && may_be_text(line)).then(|| line.split_at(at))
}

/// Returns where the lines of a burst end that pass as typed. What is pasted behind `/msg NAME` is meant for
/// that person, and its second line would go to everybody. So the lines behind one for a single person are
/// held, unless all of them are commands.
fn end_of_typed(burst: &str) -> usize {
    let mut end = 0;
    for line in burst.split_inclusive('\n') {
        end += line.len();
        if is_for_one_person(line)
            && burst[end..].lines().any(|line| !line.trim().is_empty() && may_be_text(line))
        {
            return end;
        }
    }
    end
}

/// Whether a line is not a command. An unknown command may be a path, so it may be text.
fn may_be_text(line: &str) -> bool {
    match parse_command(line) {
        Ok(Command::Pass(Input::Say { utterance, .. })) => matches!(utterance, Utterance::Message(_)),
        parsed => parsed.is_err(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Typed {
        Typed::Line(text.into())
    }

    fn notice(notice: TerminalEvent) -> Typed {
        Typed::Notice(notice)
    }

    fn burst(guard: &mut PasteGuard, lines: &[&str]) -> Vec<Typed> {
        lines.iter().for_each(|line| guard.add(line));
        guard.end_burst()
    }

    const ELEVEN: [&str; 11] = ["/kick Tom", "2", "exit", "4", "5", "6", "7", "8", "9", "10", " //11"];

    #[test]
    fn a_burst_of_ten_lines_passes_as_typed_and_one_more_is_held_whole() {
        let mut guard = PasteGuard::default();
        let ten = ["/who", "2", "", "4", "5", "6", "7", "8", "9", "10", "11", ""];
        assert_eq!(burst(&mut guard, &ten), ten.map(line));
        assert_eq!(burst(&mut guard, &ELEVEN), [notice(TerminalEvent::PasteHeld(11))]);
        assert_eq!(burst(&mut guard, &["typed meanwhile"]), [line("typed meanwhile")]);
    }

    #[test]
    fn what_is_pasted_behind_a_private_text_is_held_and_commands_behind_it_are_not() {
        for private in ["/msg Ann one", "/reply one", "/MSG Ann one", "\u{ff0f}msg Ann one"] {
            let mut guard = PasteGuard::default();
            let passed = burst(&mut guard, &["typed", private, "two", "/who"]);
            assert_eq!(passed, [line("typed"), line(private), notice(TerminalEvent::PasteHeld(2))]);
            assert_eq!(burst(&mut guard, &["three/drop"]), [notice(TerminalEvent::PasteDropped(3))]);
            assert_eq!(
                burst(&mut guard, &[private, "/who", "", "/quit"]),
                [private, "/who", "", "/quit"].map(line)
            );
        }
    }

    #[test]
    fn paste_sends_the_held_lines_as_texts_and_only_once() {
        let mut guard = PasteGuard::default();
        let with_an_empty_line = [&ELEVEN[..], &["  "]].concat();
        assert_eq!(burst(&mut guard, &with_an_empty_line), [notice(TerminalEvent::PasteHeld(12))]);
        assert_eq!(burst(&mut guard, &[" /paste "]), ELEVEN.map(|text| Typed::Text(text.into())));
        // With nothing held, the client says so.
        assert_eq!(burst(&mut guard, &["/paste"]), [line("/paste")]);
    }

    #[test]
    fn a_command_typed_behind_a_last_line_without_end_is_no_part_of_it() {
        for last in
            ["12", "12 ", "  }", " */", "https://example.org/", "/usr/bin/", "// 12", "and /paste", "漢\t"]
        {
            let mut guard = PasteGuard::default();
            burst(&mut guard, &ELEVEN);
            let texts = [&ELEVEN[..], &[last]].concat();
            let texts: Vec<Typed> = texts.iter().map(|text| Typed::Text((*text).into())).collect();
            assert_eq!(burst(&mut guard, &[&format!("{last}/paste ")]), texts, "{last:?}");
            burst(&mut guard, &ELEVEN);
            let dropped = notice(TerminalEvent::PasteDropped(12));
            assert_eq!(burst(&mut guard, &[&format!("{last}/drop")]), [dropped], "{last:?}");
            burst(&mut guard, &ELEVEN);
            let unsent = notice(TerminalEvent::PasteUnsent(12));
            assert_eq!(burst(&mut guard, &[&format!("{last}/quit")]), [unsent, line("/quit")], "{last:?}");
        }
    }

    #[test]
    fn what_is_meant_for_one_person_and_what_needs_no_paste_is_no_last_line() {
        let mut guard = PasteGuard::default();
        assert_eq!(burst(&mut guard, &["and/paste"]), [line("and/paste")]);
        burst(&mut guard, &ELEVEN);
        for typed in
            ["//paste", "/msg Tom now I type /paste", "/reply /drop", "/me waves/paste", "12/paste now"]
        {
            assert_eq!(burst(&mut guard, &[typed]), [line(typed)], "{typed}");
        }
        assert_eq!(burst(&mut guard, &["  /drop"]), [notice(TerminalEvent::PasteDropped(11))]);
    }

    #[test]
    fn a_last_line_that_comes_with_the_end_of_the_input_is_not_sent_either() {
        for last in ["12", " 12 ", "/etc/passwd"] {
            let mut guard = PasteGuard::default();
            burst(&mut guard, &ELEVEN);
            guard.add(last);
            assert_eq!(guard.end_input(), [notice(TerminalEvent::PasteUnsent(12))], "{last}");
        }
    }

    #[test]
    fn a_second_paste_is_held_with_the_first_until_both_are_dropped() {
        let mut guard = PasteGuard::default();
        burst(&mut guard, &ELEVEN);
        assert_eq!(burst(&mut guard, &ELEVEN), [notice(TerminalEvent::PasteHeld(22))]);
        assert_eq!(burst(&mut guard, &["/drop"]), [notice(TerminalEvent::PasteDropped(22))]);
        assert_eq!(burst(&mut guard, &["/drop"]), [line("/drop")]);
        assert_eq!(guard.end_input(), []);
    }

    #[test]
    fn a_paste_that_is_held_at_the_end_is_reported() {
        for (last, passed) in [(None, vec![]), (Some("exit"), vec![line("exit")])] {
            let mut guard = PasteGuard::default();
            burst(&mut guard, &ELEVEN);
            last.iter().for_each(|line| guard.add(line));
            let expected = [vec![notice(TerminalEvent::PasteUnsent(11))], passed].concat();
            assert_eq!(guard.end_input(), expected);
        }
    }

    #[test]
    fn what_is_too_long_is_forgotten_and_leaves_a_held_paste_alone() {
        let mut guard = PasteGuard::default();
        burst(&mut guard, &ELEVEN);
        let half = "x".repeat(MAX_HELD_BYTES / 2);
        assert_eq!(burst(&mut guard, &[&half, &half]), [notice(TerminalEvent::PasteTooLong(2))]);
        let many = vec!["x"; MAX_HELD_BYTES / 2];
        assert_eq!(burst(&mut guard, &many), [notice(TerminalEvent::PasteTooLong(many.len()))]);
        assert_eq!(guard.end_input(), [notice(TerminalEvent::PasteUnsent(11))]);
    }

    #[test]
    fn a_last_line_is_said_though_nothing_more_can_wait() {
        let mut guard = PasteGuard::default();
        let lines = vec!["1234567"; MAX_HELD_BYTES / 8];
        assert_eq!(burst(&mut guard, &lines), [notice(TerminalEvent::PasteHeld(lines.len()))]);
        let said = burst(&mut guard, &["the last/paste"]);
        assert_eq!((said.len(), said.last()), (lines.len() + 1, Some(&Typed::Text("the last".into()))));
    }

    #[test]
    fn cut_lines_are_reported_together_and_the_others_pass() {
        let mut guard = PasteGuard::default();
        guard.add_cut();
        guard.add("whole");
        guard.add_cut();
        assert_eq!(guard.end_burst(), [notice(TerminalEvent::LinesCut(2)), line("whole")]);
    }
}
