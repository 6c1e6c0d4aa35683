//! What the user of the program has: the screen, the person or the pipe at standard input, and the editor.

use crate::{end_with, failed, Failure, FAILED};
use chat_client::{
    guard_pastes_loop, read_lines_loop, read_objects_loop, read_typed_loop, Asks, Editor, Input, InputSource,
    Options, Person, Screen, Stop, Surface, TerminalEvent, Typed, UiEvent, Utterance,
};
use chat_common::{
    program::{
        background_writer::{BackgroundWriter, FORCED_EXIT_TIMEOUT},
        tasks::Tasks,
    },
    terminal::foreground::ForegroundInput,
};
use crossbeam_channel::{bounded, Sender};
use std::{
    io::{self, BufReader},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// How many typed lines are read ahead. Nobody types as many while the client waits for the server, and even
/// lines of the greatest length take less than 4 MiB.
const TYPE_AHEAD_LINES: usize = 1000;
/// How long the client may take to leave after a signal, whatever it waits for. `Leave` itself takes up to 1
/// s.
const LEAVE_GRACE: Duration = Duration::from_millis(1500);

/// Clones are the same.
#[derive(Clone)]
pub(crate) struct UserSide {
    interactive: bool,
    pub(crate) screen: Arc<Screen>,
    pub(crate) person: Arc<Person>,
    editor: Option<Arc<Editor>>,
    log: BackgroundWriter,
}

impl UserSide {
    /// Opens the screen and the editor. What is typed goes to `input_tx`, and requests to leave to `stop_tx`.
    pub(crate) fn open(
        options: &Options,
        log: &BackgroundWriter,
        input_tx: Sender<Input>,
        stop_tx: &Sender<Stop>,
    ) -> Result<UserSide, Failure> {
        let interactive = options.join.interactive;
        let screen = Screen::open(&options.screen, interactive, log.clone(), stop_tx.clone());
        let screen = Arc::new(screen.map_err(failed)?);
        // The client draws the typed line itself then, and the system echoes nothing.
        let edits = matches!(options.screen.surface, Surface::Edited { .. });
        let cannot_edit = |error| failed(format!("cannot edit on this terminal: {error}"));
        let editor = edits.then(|| Editor::open(&screen)).transpose().map_err(cannot_edit)?;
        let shown_on = Arc::clone(&screen);
        let show = move |shown| shown_on.show(shown);
        let asks = Asks {
            name: options.join.member.name.is_none(),
            operators: options.operator.is_none() && options.screen.surface.can_hide(),
        };
        let person = Arc::new(Person::new(asks, edits, input_tx, stop_tx.clone(), show));
        if !edits {
            let continued = Arc::clone(&person);
            screen.on_continued(move || continued.hide_again());
        }
        Ok(UserSide { interactive, screen, person, editor, log: log.clone() })
    }

    /// Shows what happens in the session.
    ///
    /// # Blocking
    /// On the screen.
    pub(crate) fn show(&self, event: UiEvent) {
        self.editor.iter().for_each(|editor| editor.hear(&event));
        let has_joined = matches!(event, UiEvent::Connected { .. });
        if self.person.hear(&event) {
            self.screen.show(event);
        }
        if has_joined {
            self.person.has_joined();
        }
    }

    /// Gives the terminal back as it was. More calls do no harm.
    pub(crate) fn close(&self) {
        self.editor.iter().for_each(|editor| editor.close());
        self.person.restore_terminal();
    }

    /// Ends the session at a signal, through `stop_tx`, and the program if that takes too long. `running`
    /// ends with the program.
    pub(crate) fn handle_signals(self, stop_tx: Sender<Stop>, running: Tasks) -> Result<(), ctrlc::Error> {
        ctrlc::set_handler(move || {
            if self.interactive && self.screen.was_ctrl_c() && !self.person.leaves_at_ctrl_c() {
                self.tell_ctrl_c();
                return;
            }
            let _ = stop_tx.try_send(Stop::Now);
            if !running.wait_for(LEAVE_GRACE) {
                // The last call has no reply, so its result is unknown. That must not be taken for a success.
                if self.interactive {
                    self.screen.try_show_bye();
                } else {
                    end_with(&self.log, FAILED, "stopped by a signal before everything was sent and shown");
                }
                self.close();
                self.log.finish(FORCED_EXIT_TIMEOUT);
                std::process::exit(FAILED.into());
            }
        })
    }

    /// Says that a second Ctrl-C leaves: on a thread of its own, because the handler's must not wait for the
    /// terminal.
    fn tell_ctrl_c(&self) {
        let person = Arc::clone(&self.person);
        let tell = move || person.tell(TerminalEvent::CtrlCLeaves);
        if let Err(error) = thread::Builder::new().name("ctrl-c".into()).spawn(tell) {
            log::info!("nobody says that Ctrl-C leaves: {error}");
        }
    }

    /// Starts the thread `stdin`, and for a person the thread `paste`. Both are never joined. A message from
    /// the command line needs no thread.
    pub(crate) fn start_input(self, options: &Options) -> io::Result<()> {
        let UserSide { person, editor, .. } = self;
        if options.join.operator.command.is_some() {
            return Ok(());
        }
        if let InputSource::Message(text) = &options.source {
            let text = text.clone();
            // The channel has room for both, and its receiver still exists.
            person.take(match options.to.clone() {
                Some(to) => Utterance::Private { to, text },
                None => Utterance::Message(text),
            });
            person.take(Input::End);
            return Ok(());
        }
        let typist = Arc::clone(&person);
        let read_typed = move |pass: &mut dyn FnMut(Typed) -> bool| match editor {
            Some(editor) => editor.edit_loop(io::stdin().lock(), &typist, pass),
            None => read_typed_loop(BufReader::new(ForegroundInput::new(move || typist.hide_again())), pass),
        };
        let input = || ForegroundInput::new(|| {});
        let stdin = thread::Builder::new().name("stdin".into());
        if options.json_input {
            stdin.spawn(move || read_objects_loop(BufReader::new(input()), |input| person.take(input)))?;
        } else if !self.interactive {
            stdin.spawn(move || read_lines_loop(input(), |typed| person.pass_of_pipe(typed)))?;
        } else if options.paste_guard {
            let (typed_tx, typed_rx) = bounded(TYPE_AHEAD_LINES);
            let paste = thread::Builder::new().name("paste".into());
            paste.spawn(move || guard_pastes_loop(&typed_rx, |typed| person.pass(typed)))?;
            let mut pass = move |typed| typed_tx.send((Instant::now(), typed)).is_ok();
            stdin.spawn(move || read_typed(&mut pass))?;
        } else {
            stdin.spawn(move || read_typed(&mut |typed| person.pass(typed)))?;
        }
        Ok(())
    }
}
