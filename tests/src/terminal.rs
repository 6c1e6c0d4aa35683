//! A user at a terminal: the real client on a real pseudo-terminal, and an emulator that holds what the
//! screen shows.
//!
//! The pseudo-terminal is in its ordinary line mode. The system echoes and edits what the user types, and the
//! client reads nothing of it before Enter. One thread of the harness feeds the emulator until the client has
//! ended.

use crate::{
    folder::Folder,
    process::binary,
    room::{client_environment, folder_that_knows},
    watchdog::{poll, Shared},
};
pub use portable_pty::CommandBuilder;
use portable_pty::{native_pty_system, Child, MasterPty, PtySize};
use std::{
    fmt,
    io::{Read, Write},
    net::SocketAddr,
    process::Command,
    sync::Arc,
    thread::{self, JoinHandle},
};

/// What the key Enter sends: the editor reads each key, and otherwise the terminal makes a line of it.
pub const ENTER: &str = if cfg!(feature = "edit") { "\r" } else { "\n" };

/// A user that looks at the screen and types. Dropping it kills the client.
pub struct TerminalUser {
    screen: Arc<Shared<Screen>>,
    keyboard: Box<dyn Write + Send>,
    master: Option<Box<dyn MasterPty + Send>>,
    client: Box<dyn Child + Send + Sync>,
    reader: Option<JoinHandle<()>>,
    /// What the client keeps.
    _folder: Folder,
}

/// What the terminal shows, and the bytes from the client that led to it.
pub struct Screen {
    emulator: vt100::Parser,
    bytes: Vec<u8>,
}

impl Screen {
    /// The cells of the screen, with their colours.
    pub fn cells(&self) -> &vt100::Screen {
        self.emulator.screen()
    }

    /// The text of each row, without the spaces at its end.
    pub fn rows(&self) -> Vec<String> {
        let screen = self.cells();
        screen.rows(0, screen.size().1).map(|row| row.trim_end().to_owned()).collect()
    }

    /// The text of the row with the cursor, and the column of the cursor.
    pub fn cursor_row(&self) -> (String, u16) {
        let (row, column) = self.cells().cursor_position();
        (self.rows().swap_remove(usize::from(row)), column)
    }

    /// The text of all rows above the cursor, joined with spaces, because a long line takes several rows.
    pub fn text_above_cursor(&self) -> String {
        let row = self.cells().cursor_position().0;
        let rows = self.rows();
        rows[..usize::from(row)].iter().map(|row| row.trim()).collect::<Vec<_>>().join(" ")
    }

    /// All bytes from the client so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same as text. What is not UTF-8, or not complete yet, is replaced.
    pub fn written(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cursor {:?} on\n{:#?}", self.cells().cursor_position(), self.rows())
    }
}

impl fmt::Debug for TerminalUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.screen.fmt(f)
    }
}

impl TerminalUser {
    /// Starts the client on a terminal of this many rows and columns, with these arguments and environment
    /// variables.
    pub fn start(
        server: SocketAddr,
        (rows, columns): (u16, u16),
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> TerminalUser {
        let mut command = CommandBuilder::new(binary("chat-client"));
        command.args(["--server", &server.to_string()]);
        command.args(arguments);
        command.env("TERM", "xterm-256color");
        command.env_remove("NO_COLOR");
        for (key, value) in variables {
            command.env(key, value);
        }
        TerminalUser::run_in(folder_that_knows(server), (rows, columns), command)
    }

    /// Starts a shell with job control. Its prompt is `$ `.
    pub fn start_shell(size: (u16, u16)) -> TerminalUser {
        let mut command = CommandBuilder::new("sh");
        command.args(["-i", "-m"]);
        command.env("TERM", "xterm-256color");
        command.env("PS1", "$ ");
        command.env_remove("ENV");
        let shell = TerminalUser::run(size, command);
        shell.sees_typed("$");
        shell
    }

    /// Starts a command, such as a shell, in the place of the client.
    pub fn run(size: (u16, u16), command: CommandBuilder) -> TerminalUser {
        TerminalUser::run_in(Folder::new(), size, command)
    }

    fn run_in(folder: Folder, (rows, columns): (u16, u16), mut command: CommandBuilder) -> TerminalUser {
        for (variable, value) in client_environment(&folder) {
            command.env(variable, value);
        }
        let pair = native_pty_system().openpty(size(rows, columns)).unwrap();
        let client = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let screen = Screen { emulator: vt100::Parser::new(rows, columns, 0), bytes: Vec::new() };
        let screen = Arc::new(Shared::new(screen));
        let mut from = pair.master.try_clone_reader().unwrap();
        let shown = Arc::clone(&screen);
        let reader = thread::Builder::new().name("terminal".to_owned()).spawn(move || {
            let mut buffer = [0; 4096];
            // When the client has ended, the read fails or returns 0.
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                shown.update(|screen| {
                    screen.emulator.process(&buffer[..count]);
                    screen.bytes.extend_from_slice(&buffer[..count]);
                });
            }
        });
        TerminalUser {
            screen,
            keyboard: pair.master.take_writer().unwrap(),
            master: Some(pair.master),
            client,
            reader: Some(reader.unwrap()),
            _folder: folder,
        }
    }

    /// Starts the client with this name and waits until it has joined, and has said who is here.
    pub fn join(server: SocketAddr, size: (u16, u16), name: &str) -> TerminalUser {
        let person = TerminalUser::start(server, size, &["--name", name], &[]);
        // No more than the end of that line is on the smallest terminal.
        person.sees("what you can do ---");
        person
    }

    /// The screen, for a test that looks at it more closely.
    pub fn screen(&self) -> &Shared<Screen> {
        &self.screen
    }

    /// Gives the terminal this size. The emulator keeps its size until [`TerminalUser::resize_emulator`].
    pub fn resize_terminal(&self, (rows, columns): (u16, u16)) {
        let master = self.master.as_ref().expect("the terminal exists until the user is dropped");
        master.resize(size(rows, columns)).unwrap();
    }

    /// Gives the emulator this size.
    pub fn resize_emulator(&self, (rows, columns): (u16, u16)) {
        self.screen.update(|screen| screen.emulator.screen_mut().set_size(rows, columns));
    }

    /// Types exactly this text.
    pub fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    /// Waits until `wanted` is somewhere above the cursor.
    pub fn sees(&self, wanted: &str) {
        self.screen.wait(&format!("{wanted:?} above the cursor"), |screen| {
            screen.text_above_cursor().contains(wanted).then_some(())
        });
    }

    /// Waits until the text of the row with the cursor is `wanted`.
    pub fn sees_typed(&self, wanted: &str) {
        self.screen.wait(&format!("{wanted:?} in the row of the cursor"), |screen| {
            (screen.cursor_row().0 == wanted).then_some(())
        });
    }

    /// Waits until the row with the cursor is this question, which is on the screen this many times. The rows
    /// of those that were answered stay.
    pub fn is_asked(&self, question: &str, times: usize) {
        self.screen.wait(&format!("{question:?} for the time {times}"), |screen| {
            let asked = screen.rows().iter().filter(|row| *row == question).count();
            (asked == times && screen.cursor_row().0 == question).then_some(())
        });
    }

    /// Waits until the row with the cursor is `wanted`, and the cursor is behind its last character.
    ///
    /// It waits, because an escape sequence may arrive in two parts.
    pub fn still_sees_typed(&self, wanted: &str) {
        let complete = (wanted.to_owned(), wanted.len() as u16);
        self.screen.wait(&format!("{wanted:?} to be complete"), |screen| {
            (screen.cursor_row() == complete).then_some(())
        });
    }

    /// Waits until the client has ended by itself and returns its exit code.
    pub fn exits(&mut self) -> u32 {
        poll("the client to end", || self.has_exited())
    }

    /// The exit code of the client, or `None` while it runs.
    pub fn has_exited(&mut self) -> Option<u32> {
        self.client.try_wait().unwrap().map(|status| status.exit_code())
    }

    /// Sends the client alone a signal, such as `TERM`.
    pub fn signal(&self, signal: &str) {
        self.send(signal, &self.client_id());
    }

    /// Sends the client and the programs that it has started a signal.
    pub fn signal_group(&self, signal: &str) {
        self.send(signal, &format!("-{}", self.client_id()));
    }

    fn client_id(&self) -> String {
        self.client.process_id().expect("the client runs").to_string()
    }

    fn send(&self, signal: &str, whom: &str) {
        assert!(Command::new("kill").args(["-s", signal, "--", whom]).status().unwrap().success());
    }
}

impl Drop for TerminalUser {
    fn drop(&mut self) {
        // The client may have ended already.
        let _ = self.client.kill();
        let _ = self.client.wait();
        self.master = None;
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn size(rows: u16, cols: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}
