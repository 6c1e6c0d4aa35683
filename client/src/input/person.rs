//! The person, or the pipe, at standard input: what its lines mean. A line is the answer to a question of the
//! session, something that the session does, or something for the terminal alone.
//!
//! The thread that reads standard input calls [`Person::pass`], or [`Person::pass_of_pipe`]. The threads that
//! show what the session tells call [`Person::hear`] before, and [`Person::has_joined`] after the first line.

use crate::{
    events::{Channels, Input, Stop, UiEvent},
    input::{
        command::{parse_command, server_command, Command},
        hidden_input::HiddenInput,
        Shown, TerminalEvent, Typed,
    },
};
use chat_common::{handshake::passphrase::Passphrase, text::invisible::trim};
use crossbeam_channel::{select, Sender};
use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// A second Ctrl-C within this time leaves.
const CTRL_C_TIME: Duration = Duration::from_secs(3);

/// Standard input on its way to the session.
pub struct Person {
    input_tx: Sender<Input>,
    stop_tx: Sender<Stop>,
    show: Box<dyn Fn(Shown) + Send + Sync>,
    /// No I/O under this lock.
    state: Mutex<State>,
    /// Wakes a pipe that waits for the room.
    changed: Condvar,
    asks_operators: bool,
    /// Keeps a passphrase off a terminal in line mode. An editor echoes nothing in any case.
    hidden: Option<HiddenInput>,
}

/// What a person is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asks {
    /// The name: the first line is the answer.
    pub name: bool,
    /// The operators' passphrase, if the person wants to be an operator.
    pub operators: bool,
}

#[derive(Default)]
struct State {
    /// The event that has asked what the next line answers.
    question: Option<UiEvent>,
    /// A question that waits until the person presses Enter: the system may have half a line, which would
    /// become a part of the answer.
    held: Option<UiEvent>,
    /// Whether the last line was an answer or `/op`, so that another question may come at once.
    expects_question: bool,
    /// Whether the client has joined, and nothing has ended the input. Then the person may be in the middle
    /// of a line.
    takes_part: bool,
    /// Whether the first line after joining is shown.
    is_in_room: bool,
    forgot_paste: bool,
    is_operator: bool,
    /// Whether the session is over, and Enter ends the program.
    is_over: bool,
    /// When Ctrl-C was typed last.
    interrupted_at: Option<Instant>,
}

impl Person {
    /// What is typed goes to `input_tx`, a second Ctrl-C to `stop_tx`, and what is for the terminal alone to
    /// `show`. `edits` is whether an editor reads the keys.
    pub fn new(
        asks: Asks,
        edits: bool,
        input_tx: Sender<Input>,
        stop_tx: Sender<Stop>,
        show: impl Fn(Shown) + Send + Sync + 'static,
    ) -> Person {
        let question = asks.name.then_some(UiEvent::AskName);
        Person {
            input_tx,
            stop_tx,
            show: Box::new(show),
            state: Mutex::new(State { question, ..State::default() }),
            changed: Condvar::new(),
            asks_operators: asks.operators,
            hidden: (!edits).then(HiddenInput::new),
        }
    }

    /// Learns from an event what the next line is. Call it before the event is shown. Returns false for a
    /// question that is shown later, because a person in the room may have typed half a line. An editor puts
    /// that aside.
    ///
    /// # Blocking
    /// On the screen.
    pub fn hear(&self, event: &UiEvent) -> bool {
        match event {
            UiEvent::AskName | UiEvent::AskPassphrase | UiEvent::AskOperators => {
                let mut state = self.lock();
                if self.hidden.is_some() && state.takes_part && !state.expects_question {
                    state.held = Some(event.clone());
                    drop(state);
                    self.tell(TerminalEvent::EnterAsks);
                    return false;
                }
                drop(state);
                let asked_before = self.lock().question.replace(event.clone()).as_ref() == Some(event);
                self.changed.notify_all();
                if *event != UiEvent::AskName {
                    self.hidden.iter().for_each(|hidden| hidden.hide(asked_before));
                }
            }
            UiEvent::PassphraseTyped => {
                let mut state = self.lock();
                (state.question, state.held) = (None, None);
                drop(state);
                self.restore_terminal();
            }
            UiEvent::Connected { .. } => {
                let mut state = self.lock();
                (state.takes_part, state.expects_question) = (true, false);
            }
            UiEvent::Lost { .. } | UiEvent::Resumed { .. } | UiEvent::Rejoined { .. } => {
                self.lock().expects_question = false;
            }
            UiEvent::Operates => {
                let mut state = self.lock();
                (state.is_operator, state.expects_question) = (true, false);
            }
            _ => {}
        }
        true
    }

    /// Learns that the first line after joining is shown.
    pub fn has_joined(&self) {
        self.lock().is_in_room = true;
        self.changed.notify_all();
    }

    /// Passes on a line of a pipe, as [`Person::pass`] does. What is for the terminal alone is not shown
    /// before the client is in the room: scripts rely on the first line.
    ///
    /// # Blocking
    /// As [`Person::pass`], and until the client has joined or has a question. It does not end with a session
    /// that has failed before; the program ends then.
    pub fn pass_of_pipe(&self, typed: Typed) -> bool {
        if matches!(&typed, Typed::Line(line) if matches!(parse_command(line), Ok(Command::Show(_)))) {
            let waits = |state: &mut State| !state.is_in_room && state.question.is_none();
            drop(self.changed.wait_while(self.lock(), waits).unwrap_or_else(PoisonError::into_inner));
        }
        self.pass(typed)
    }

    /// Passes on what was typed. Returns false after the end of the session.
    ///
    /// # Blocking
    /// On the session, and on the screen.
    pub fn pass(&self, typed: Typed) -> bool {
        let is_line = matches!(typed, Typed::Line(_));
        let goes_on = self.pass_on(typed);
        if is_line && goes_on {
            self.ask_held();
        }
        goes_on
    }

    fn pass_on(&self, typed: Typed) -> bool {
        let command = match typed {
            Typed::Line(_) if self.lock().is_over => Command::Pass(Input::Leave),
            Typed::Line(line) => self.meaning(line),
            Typed::Text(text) if text.trim().is_empty() || self.asks_passphrase(true) => Command::Nothing,
            Typed::Text(text) => Command::Pass(Input::message(text)),
            Typed::Mistake(why) => Command::Pass(Input::Mistake(why)),
            Typed::Notice(notice) => Command::Show(notice),
            Typed::End => Command::Pass(Input::End),
            Typed::Failed(reason) => Command::Pass(Input::Failed(reason)),
        };
        match command {
            Command::Nothing => true,
            Command::Pass(Input::Operate(None)) if self.asks_operators => {
                self.lock().expects_question = true;
                // Before the next line is read: as a message, the passphrase would be said to everybody.
                self.hear(&UiEvent::AskOperators);
                (self.show)(UiEvent::AskOperators.into());
                true
            }
            Command::Pass(input) => self.take(input),
            Command::Show(event) => {
                // An operator has the commands of the server as well.
                let more = (event == TerminalEvent::Help && self.lock().is_operator)
                    .then(|| Input::Command { line: "/help".into(), mistake: String::new() });
                self.tell(event);
                more.is_none_or(|more| self.take(more))
            }
            // What is held does not come here: see `paste_guard.rs`.
            Command::Paste | Command::Drop => self.take(Input::Mistake("no paste waits".into())),
        }
    }

    /// Asks what has waited for the end of a line.
    fn ask_held(&self) {
        let mut state = self.lock();
        if state.question.is_none() && state.takes_part {
            let held = state.held.take();
            state.expects_question |= held.is_some();
            drop(state);
            if let Some(question) = held {
                self.hear(&question);
                (self.show)(question.into());
            }
        }
    }

    /// Passes on what a program wants. Returns false after the end of the session.
    ///
    /// # Blocking
    /// On the session.
    pub fn take(&self, input: impl Into<Input>) -> bool {
        let input = input.into();
        if matches!(input, Input::Leave | Input::End | Input::Failed(_)) {
            self.lock().takes_part = false;
        }
        self.input_tx.send(input).is_ok()
    }

    /// Shows what happens at the terminal, and then the question again that is open.
    pub fn tell(&self, event: TerminalEvent) {
        let mut state = self.lock();
        state.forgot_paste |= matches!(event, TerminalEvent::PasteUnsent(_));
        // The rest of a line with such keys follows.
        let goes_on = event == TerminalEvent::KeysIgnored;
        let again = if goes_on { None } else { state.question.clone() };
        drop(state);
        (self.show)(event.into());
        again.into_iter().for_each(|question| (self.show)(question.into()));
    }

    /// Ctrl-C was typed. The second one leaves.
    ///
    /// # Blocking
    /// On the screen.
    pub fn interrupt(&self) {
        if self.leaves_at_ctrl_c() {
            // A full channel has a request to stop already.
            let _ = self.stop_tx.try_send(Stop::Now);
        } else {
            self.tell(TerminalEvent::CtrlCLeaves);
        }
    }

    /// Records that Ctrl-C was typed. Returns whether that leaves: the second one does, and one where nothing
    /// would be lost.
    pub fn leaves_at_ctrl_c(&self) -> bool {
        let asks_passphrase = self.asks_passphrase(false);
        let (mut state, now) = (self.lock(), Instant::now());
        let last = state.interrupted_at.replace(now);
        asks_passphrase || state.is_over || last.is_some_and(|last| now - last <= CTRL_C_TIME)
    }

    /// Waits until the person has read why the session has failed, so that no line that is meant for the room
    /// goes to the shell. What is typed is thrown away. Does nothing where nobody may be typing.
    ///
    /// # Blocking
    /// On the person. A request to stop and the end of the input wake it.
    pub fn wait_for_enter(&self, channels: &Channels) {
        if !std::mem::take(&mut self.lock().takes_part) {
            return;
        }
        // What was typed before the question is no answer to it.
        channels.input_rx.try_iter().for_each(drop);
        self.lock().is_over = true;
        self.tell(TerminalEvent::EnterLeaves);
        select! {
            recv(channels.input_rx) -> _ => {}
            recv(channels.stop_rx) -> _ => {}
        }
    }

    /// Whether a held paste was forgotten because the person leaves.
    pub fn forgot_paste(&self) -> bool {
        self.lock().forgot_paste
    }

    /// Returns what a line means, and takes it for the answer if there is a question.
    fn meaning(&self, line: String) -> Command {
        let mut state = self.lock();
        state.expects_question = state.question.is_some();
        let command = parse_command(&line).unwrap_or_else(|mistake| {
            Command::Pass(match server_command(&line) {
                Some(command) => Input::Command { line: command.to_owned(), mistake },
                None => Input::Mistake(mistake),
            })
        });
        match &state.question {
            None => command,
            Some(UiEvent::AskOperators) => {
                drop(state);
                self.hear(&UiEvent::PassphraseTyped);
                (self.show)(UiEvent::PassphraseTyped.into());
                let passphrase = match line.trim() {
                    "" => Err("you are no operator: nothing was typed".to_owned()),
                    _ => Passphrase::new(&line),
                };
                Command::Pass(match passphrase {
                    Ok(passphrase) => Input::Operate(Some(passphrase)),
                    Err(why) => Input::Mistake(why),
                })
            }
            Some(UiEvent::AskName) if command == Command::Pass(Input::Leave) => command,
            Some(_) => {
                // An empty line is no answer. The session asks again, and what is typed next is still one.
                state.question.take_if(|_| !trim(&line).is_empty());
                Command::Pass(Input::Answer(line))
            }
        }
    }

    /// Hides a passphrase again, if one is asked for. For a client that goes on after a stop, or is in the
    /// foreground again: a shell may have had the terminal meanwhile.
    pub fn hide_again(&self) {
        self.hidden.iter().for_each(HiddenInput::hide_again);
    }

    /// Gives the terminal back as it was. More calls do no harm.
    pub fn restore_terminal(&self) {
        self.hidden.iter().for_each(HiddenInput::show);
    }

    /// Whether the next line is the passphrase of the room, or if `any` that of the operators.
    fn asks_passphrase(&self, any: bool) -> bool {
        match self.lock().question {
            Some(UiEvent::AskPassphrase) => true,
            Some(UiEvent::AskOperators) => any,
            _ => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each field is valid after any panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::{bounded, Receiver, RecvTimeoutError};
    use std::thread;

    /// Only a test that hangs takes longer.
    const TEST_TIMEOUT: Duration = Duration::from_secs(60);

    struct Ends {
        channels: Channels,
        shown_rx: Receiver<Shown>,
    }

    fn person(asks_name: bool) -> (Person, Ends) {
        let ((input_tx, input_rx), (stop_tx, stop_rx)) = (bounded(16), bounded(4));
        let (shown_tx, shown_rx) = bounded(16);
        let person =
            Person::new(Asks { name: asks_name, operators: true }, true, input_tx, stop_tx, move |shown| {
                shown_tx.send(shown).unwrap();
            });
        (person, Ends { channels: Channels { input_rx, stop_rx }, shown_rx })
    }

    impl Ends {
        fn inputs(&self) -> Vec<Input> {
            self.channels.input_rx.try_iter().collect()
        }

        fn shown(&self) -> Vec<Shown> {
            self.shown_rx.try_iter().collect()
        }
    }

    fn connected() -> UiEvent {
        let joined = chat_common::wire::protocol::Joined {
            room: 1,
            sequence: 1,
            called_back: true,
            text_limit: 1,
            kept_for: None,
            motd: None,
        };
        UiEvent::Connected { name: "Ann".into(), joined }
    }

    fn types(person: &Person, lines: &[&str]) {
        assert!(lines.iter().all(|line| person.pass(Typed::Line((*line).to_owned()))));
    }

    #[test]
    fn what_is_for_the_terminal_alone_never_enters_the_session() {
        let (person, ends) = person(false);
        types(&person, &["/help", "/clear", "/bell all", "hi", "", "/paste", "/wave"]);
        let bell = TerminalEvent::Bell(Some(crate::settings::Bell::All));
        assert_eq!(ends.shown(), [TerminalEvent::Help, TerminalEvent::Clear, bell].map(Shown::from));
        let inputs = ends.inputs();
        assert_eq!(inputs[..2], [Input::message("hi"), Input::Mistake("no paste waits".into())]);
        assert!(matches!(
            &inputs[2..],
            [Input::Command { line, mistake }] if line == "/wave" && mistake.contains("no command /wave")
        ));
    }

    #[test]
    fn a_line_answers_the_question_that_is_open_whatever_it_looks_like() {
        let (person, ends) = person(true);
        let answer = |text: &str| Input::Answer(text.into());
        types(&person, &["", "/help", "/help"]);
        assert_eq!(ends.inputs(), [answer(""), answer("/help")]);
        assert_eq!(ends.shown(), [TerminalEvent::Help.into()]);
        person.hear(&UiEvent::AskName);
        types(&person, &["exit"]);
        assert_eq!(ends.inputs(), [Input::Leave]);
    }

    #[test]
    fn a_passphrase_may_be_any_line_and_a_held_paste_is_said_nowhere_meanwhile() {
        let (person, ends) = person(false);
        person.hear(&UiEvent::AskPassphrase);
        person.pass(Typed::Text("lamp river".into()));
        types(&person, &["exit", "hi"]);
        assert_eq!(ends.inputs(), [Input::Answer("exit".into()), Input::message("hi")]);
        person.hear(&UiEvent::AskPassphrase);
        person.interrupt();
        assert_eq!(ends.channels.stop_rx.try_recv(), Ok(Stop::Now), "one Ctrl-C leaves here");
    }

    #[test]
    fn in_line_mode_a_question_in_the_room_waits_for_the_end_of_the_typed_line() {
        let (mut person, ends) = person(false);
        person.hidden = Some(HiddenInput::new());
        assert!(person.hear(&UiEvent::AskName), "before the join it does not wait");
        types(&person, &["Ann"]);
        person.hear(&connected());
        ends.inputs();
        assert!(!person.hear(&UiEvent::AskName));
        assert_eq!(ends.shown(), [TerminalEvent::EnterAsks.into()]);
        types(&person, &["half a line"]);
        assert_eq!(ends.inputs(), [Input::message("half a line")]);
        assert_eq!(ends.shown(), [UiEvent::AskName.into()]);
        types(&person, &["Bob"]);
        assert!(person.hear(&UiEvent::AskName), "behind an answer it comes at once");
        types(&person, &["Tom"]);
        assert_eq!(ends.inputs(), ["Bob", "Tom"].map(|name| Input::Answer(name.into())));
        person.hear(&UiEvent::Lost { reason: String::new(), ended: false });
        assert!(!person.hear(&UiEvent::AskName));
        types(&person, &["/quit"]);
        assert_eq!((ends.inputs(), ends.shown().len()), (vec![Input::Leave], 1), "nobody is asked any more");
    }

    #[test]
    fn a_notice_is_shown_before_the_open_question_comes_again() {
        let (person, ends) = person(true);
        person.pass(Typed::Notice(TerminalEvent::PasteHeld(11)));
        person.pass(Typed::Notice(TerminalEvent::KeysIgnored));
        let notice = |notice: TerminalEvent| Shown::from(notice);
        let expected = [
            notice(TerminalEvent::PasteHeld(11)),
            UiEvent::AskName.into(),
            notice(TerminalEvent::KeysIgnored),
        ];
        assert_eq!(ends.shown(), expected);
        assert!(ends.inputs().is_empty() && !person.forgot_paste());
        person.pass(Typed::Notice(TerminalEvent::PasteUnsent(11)));
        assert!(person.forgot_paste());
    }

    #[test]
    fn the_first_ctrl_c_asks_and_the_second_leaves() {
        let (person, ends) = person(false);
        person.interrupt();
        assert_eq!((ends.shown(), ends.channels.stop_rx.len()), (vec![TerminalEvent::CtrlCLeaves.into()], 0));
        person.interrupt();
        assert_eq!((ends.shown(), ends.channels.stop_rx.try_recv()), (vec![], Ok(Stop::Now)));
    }

    #[test]
    fn after_a_final_end_a_person_presses_enter_first_and_what_is_typed_is_thrown_away() {
        let press_enter = |person: &Person| types(person, &[""]);
        let end_of_input = |person: &Person| assert!(person.pass(Typed::End));
        for wake in [&press_enter as &dyn Fn(&Person), &Person::interrupt, &end_of_input] {
            let (person, ends) = person(false);
            person.hear(&connected());
            types(&person, &["typed ahead"]);
            thread::scope(|scope| {
                let (ended_tx, ended_rx) = bounded::<()>(0);
                scope.spawn(|| {
                    let _ended_tx = ended_tx;
                    person.wait_for_enter(&ends.channels);
                });
                assert_eq!(ends.shown_rx.recv_timeout(TEST_TIMEOUT), Ok(TerminalEvent::EnterLeaves.into()));
                wake(&person);
                assert_eq!(ended_rx.recv_timeout(TEST_TIMEOUT), Err(RecvTimeoutError::Disconnected));
            });
            // Now nobody is at a line, and nobody waits.
            person.wait_for_enter(&ends.channels);
            assert!(ends.shown().is_empty());
        }
    }
}
