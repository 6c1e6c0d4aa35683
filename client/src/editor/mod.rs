//! The editor: what a person types on a terminal, with history, completion and search. Only in a build with
//! the feature `edit`; `no_editor.rs` stands in its place in every other build.
//!
//! The thread `stdin` reads the keys and has the typed line for itself. The [`Screen`] keeps a copy of it and
//! draws it. It erases the copy before it writes a message and draws it again behind, in one write and under
//! one lock. So a message is on the screen as soon as it is here, and tears nothing.

mod completion;
mod history;
mod keys;
mod line;
mod names;
mod raw_mode;
mod typing;

use crate::{
    editor::{
        keys::Keys,
        names::KnownNames,
        raw_mode::raw_mode,
        typing::{Effect, Typing},
    },
    events::UiEvent,
    input::{cannot_read, false_slash, is_for_one_person, Person, TerminalEvent, TerminalModes, Typed},
    screen::{CompleteLine, EditedRows, Screen},
};
use chat_common::{
    program::signals::is_in_background,
    terminal::foreground::{self, is_for_the_foreground},
};
use std::{
    io::{self, BufRead},
    process::{Command, Stdio},
    sync::Arc,
};

/// The terminal on which a person edits.
pub struct Editor {
    modes: TerminalModes,
    screen: Arc<Screen>,
    names: KnownNames,
}

impl Editor {
    /// Changes the terminal's modes, and begins to draw the typed line. A client in the background does so
    /// when it is in the foreground.
    ///
    /// # Errors
    /// When the terminal does not allow it.
    pub fn open(screen: &Arc<Screen>) -> io::Result<Arc<Editor>> {
        let editor = Editor { modes: raw_mode(), screen: Arc::clone(screen), names: KnownNames::default() };
        let editor = Arc::new(editor);
        let has_terminal = editor.modes.enter()?;
        let resized = Arc::clone(&editor);
        let on_resize = move || {
            // The client may have been stopped, and a shell may have had the terminal meanwhile.
            let _ = resized.modes.enter_again();
            if !is_in_background() {
                resized.screen.edit(EditedRows::redraw);
            }
        };
        screen.on_continued(on_resize);
        screen.start_editing(has_terminal);
        Ok(editor)
    }

    /// Gives the terminal back as it was. More calls do no harm.
    ///
    /// It never waits for the screen, because a terminal that takes no output must not hold up the exit.
    pub fn close(&self) {
        self.screen.try_stop_editing();
        // An error means that there is no terminal any more.
        let _ = self.modes.close();
    }

    /// Takes names for completion from an event.
    pub fn hear(&self, event: &UiEvent) {
        self.names.hear(event);
    }

    /// The life of the thread `stdin`: passes each line on, until the end of the input or of the client.
    /// Ctrl-C goes to the `person` at once, because what was typed before it may wait.
    ///
    /// # Blocking
    /// On `keyboard`, and in the background on whoever uses the shell, without a limit. On the terminal. On
    /// `pass`, which returns false after the end of the client.
    pub fn edit_loop(
        &self,
        mut keyboard: impl BufRead,
        person: &Person,
        pass: &mut dyn FnMut(Typed) -> bool,
    ) {
        let (mut keys, mut typing) = (Keys::default(), Typing::default());
        let mut asked = 0;
        loop {
            let bytes = match keyboard.fill_buf() {
                Ok(bytes) => bytes.to_vec(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if is_for_the_foreground(&error) => {
                    self.wait_for_terminal();
                    continue;
                }
                Err(error) => {
                    pass(Typed::Failed(cannot_read(&error)));
                    return;
                }
            };
            keyboard.consume(bytes.len());
            self.hear_question(&mut asked, &mut typing);
            let mut goes_on = !bytes.is_empty();
            for key in bytes.into_iter().filter_map(|byte| keys.take(byte)) {
                match typing.press(key, &self.names) {
                    Effect::Nothing => {}
                    Effect::Submit => goes_on &= self.submit(&mut typing).is_none_or(&mut *pass),
                    Effect::Pass(lines) => goes_on &= lines.into_iter().all(|line| pass(Typed::Line(line))),
                    Effect::Show(event) => self.screen.show(event),
                    Effect::Interrupt => person.interrupt(),
                    Effect::Suspend => {
                        self.draw(&typing);
                        self.suspend();
                    }
                    Effect::End => goes_on = false,
                }
            }
            self.draw(&typing);
            if !goes_on {
                // It is of no use to a client that has already left.
                pass(Typed::End);
                return;
            }
        }
    }

    /// Begins an answer, if a question has come after that of the number `asked`. Half a line that was typed
    /// before is no part of it, and comes back behind it.
    ///
    /// # Blocking
    /// On the terminal.
    fn hear_question(&self, asked: &mut u32, typing: &mut Typing) {
        let (is, now) = self.screen.edit(|rows, _| (rows.kind(), rows.asked()));
        let is_new = std::mem::replace(asked, now) != now;
        match is {
            CompleteLine::Said => typing.take_back(),
            // It comes after `/op` or a wrong answer, so what was typed meanwhile may be of the passphrase.
            CompleteLine::OperatorsPassphrase if is_new => typing.begin_line(),
            CompleteLine::Answer | CompleteLine::Passphrase if is_new => typing.put_aside(),
            _ => {}
        }
    }

    /// Ends the typed line. Returns what it says. A line with a mistake that would be said to everybody
    /// stays, and the person mends it.
    fn submit(&self, typing: &mut Typing) -> Option<Typed> {
        self.draw(typing);
        let is = self.kind();
        // Pasted line ends stay inside one message. No part of it is a command, but what is pasted into
        // `/msg Ann` is for Ann alone.
        let is_text = typing.line.text().contains('\n') && !is_for_one_person(typing.line.text());
        if is == CompleteLine::Said && !is_text {
            if let Some(why) = false_slash(typing.line.text()) {
                self.screen.show(TerminalEvent::Hint(why));
                return None;
            }
        }
        self.screen.edit(EditedRows::end_line);
        let text = typing.line.take();
        if is.is_hidden() {
            typing.line.forget_deleted();
            typing.history.begin_line();
        }
        if is != CompleteLine::Said {
            typing.take_back();
            // A name has one line.
            return Some(Typed::Line(text.lines().next().unwrap_or_default().to_owned()));
        }
        typing.history.add(&text);
        Some(if is_text { Typed::Text(text) } else { Typed::Line(text) })
    }

    /// Returns what the typed line will be when it is complete.
    ///
    /// # Blocking
    /// On the terminal.
    fn kind(&self) -> CompleteLine {
        self.screen.edit(|rows, _| rows.kind())
    }

    fn draw(&self, typing: &Typing) {
        let (prompt, line) = (typing.prompt(), &typing.line);
        self.screen.edit(|rows, streams| rows.draw(&prompt, line.text(), line.cursor(), streams));
    }

    /// Gives the terminal back, stops, and goes on when the shell continues the client.
    ///
    /// The whole group of processes stops, as after Ctrl-Z in line mode: a `make` that has started the
    /// client, too. std can send no signal, so a shell does. It is in the group and stops with it, so its end
    /// means that the group has been stopped and goes on.
    fn suspend(&self) {
        self.screen.edit(EditedRows::pause);
        let stopped = self.modes.leave().and_then(|()| {
            Command::new("sh").args(["-c", "kill -s TSTP 0"]).stdin(Stdio::null()).status().map(drop)
        });
        if let Err(error) = stopped {
            log::warn!("cannot stop for the shell: {error}");
        }
        self.take_terminal();
    }

    /// Waits in the background, where the terminal is the shell's. Messages are shown meanwhile.
    fn wait_for_terminal(&self) {
        self.screen.edit(|rows, _| rows.lose_terminal());
        // In the background this changes no modes.
        let _ = self.modes.leave();
        foreground::wait();
        self.take_terminal();
    }

    /// Edits on, unless the client is in the background: the next read notices that.
    fn take_terminal(&self) {
        match self.modes.enter() {
            Ok(false) => {}
            Ok(true) => self.screen.edit(EditedRows::go_on),
            Err(error) => log::warn!("cannot edit on this terminal: {error}"),
        }
    }
}
