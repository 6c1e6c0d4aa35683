//! A person at a terminal: the real client on a real pseudo-terminal, and an emulator that says what is to be seen on it.
//!
//! The pseudo-terminal is in its ordinary line mode, as in life: the system echoes and edits what is typed, and the client
//! knows nothing of it until Enter. One thread of the harness feeds the emulator until the client has gone.

use crate::{
    process::binary,
    watchdog::{poll, Watched},
};
use portable_pty::{native_pty_system, Child, CommandBuilder, MasterPty, PtySize};
use std::{
    fmt,
    io::{Read, Write},
    net::SocketAddr,
    num::NonZero,
    sync::Arc,
    thread::{self, JoinHandle},
};

/// Somebody who looks at a screen and types. Dropping it kills the client.
pub struct Person {
    screen: Arc<Watched<Screen>>,
    keyboard: Box<dyn Write + Send>,
    master: Option<Box<dyn MasterPty + Send>>,
    client: Box<dyn Child + Send + Sync>,
    reader: Option<JoinHandle<()>>,
}

/// What the terminal shows, and the bytes that made it so.
pub struct Screen {
    emulator: vt100::Parser,
    bytes: Vec<u8>,
}

impl Screen {
    /// The screen cell by cell, with its colours.
    pub fn cells(&self) -> &vt100::Screen {
        self.emulator.screen()
    }

    /// The text of each row, without the blanks at its end.
    pub fn rows(&self) -> Vec<String> {
        let screen = self.cells();
        screen.rows(0, screen.size().1.get()).map(|row| row.trim_end().to_owned()).collect()
    }

    /// The row with the cursor, and the cursor's column.
    pub fn typed(&self) -> (String, u16) {
        let (row, column) = self.cells().cursor_position();
        (self.rows().swap_remove(usize::from(row)), column)
    }

    /// The rows above the cursor, joined: long lines come in several.
    pub fn above(&self) -> String {
        let row = self.cells().cursor_position().0;
        let rows = self.rows();
        rows[..usize::from(row)].iter().map(|row| row.trim()).collect::<Vec<_>>().join(" ")
    }

    /// All that has come from the client, as it came.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cursor {:?} on\n{:#?}", self.cells().cursor_position(), self.rows())
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.screen.fmt(f)
    }
}

impl Person {
    /// Sits down before a terminal of this many rows and columns, and starts the client with these arguments and variables.
    pub fn sits_down(
        server: SocketAddr,
        (rows, columns): (u16, u16),
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Person {
        let pair = native_pty_system().openpty(size(rows, columns)).unwrap();
        let mut command = CommandBuilder::new(binary("chat-client"));
        command.args(["--server", &server.to_string()]);
        command.args(arguments);
        command.env("TERM", "xterm-256color");
        command.env_remove("NO_COLOR");
        for (key, value) in variables {
            command.env(key, value);
        }
        let client = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let screen =
            Screen { emulator: vt100::Parser::new(cells(rows), cells(columns), 0), bytes: Vec::new() };
        let screen = Arc::new(Watched::new(screen));
        let mut from = pair.master.try_clone_reader().unwrap();
        let shown = Arc::clone(&screen);
        let reader = thread::Builder::new().name("terminal".to_owned()).spawn(move || {
            let mut buffer = [0; 4096];
            // The other side's end shows as an error, once the client has gone.
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                shown.change(|screen| {
                    screen.emulator.process(&buffer[..count]);
                    screen.bytes.extend_from_slice(&buffer[..count]);
                });
            }
        });
        Person {
            screen,
            keyboard: pair.master.take_writer().unwrap(),
            master: Some(pair.master),
            client,
            reader: Some(reader.unwrap()),
        }
    }

    /// The same, and joins under this name.
    pub fn joins(server: SocketAddr, size: (u16, u16), name: &str) -> Person {
        let person = Person::sits_down(server, size, &["--name", name], &[]);
        // All of "Start typing..." would not fit into a row of the smallest.
        person.sees("...");
        person
    }

    /// What stands on the screen.
    pub fn screen(&self) -> &Watched<Screen> {
        &self.screen
    }

    /// Makes the terminal as large as this; what the emulator shows stays as it is until [`Person::redraws`].
    pub fn resizes(&self, (rows, columns): (u16, u16)) {
        let master = self.master.as_ref().expect("it is there until the person goes");
        master.resize(size(rows, columns)).unwrap();
    }

    /// Makes the emulator as large as this.
    pub fn redraws(&self, (rows, columns): (u16, u16)) {
        self.screen.change(|screen| screen.emulator.screen_mut().set_size(cells(rows), cells(columns)));
    }

    /// Types this very text; Enter is `\n`.
    pub fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    /// Waits until this stands somewhere above the cursor.
    pub fn sees(&self, wanted: &str) {
        self.screen.wait(&format!("{wanted:?} above the cursor"), |screen| {
            screen.above().contains(wanted).then_some(())
        });
    }

    /// Waits until the row with the cursor is this.
    pub fn sees_typed(&self, wanted: &str) {
        self.screen.wait(&format!("{wanted:?} in the row of the cursor"), |screen| {
            (screen.typed().0 == wanted).then_some(())
        });
    }

    /// The row with the cursor is this, whole, with the cursor behind its last cell; or is so in a moment, because a sequence
    /// may arrive in two pieces.
    pub fn still_has(&self, wanted: &str) {
        let whole = (wanted.to_owned(), wanted.len() as u16);
        self.screen
            .wait(&format!("{wanted:?} to be whole"), |screen| (screen.typed() == whole).then_some(()));
    }

    /// Waits until the client has ended by itself: its exit code.
    pub fn exits(&mut self) -> u32 {
        let client = &mut self.client;
        poll("the client to end", || client.try_wait().unwrap()).exit_code()
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.client.kill();
        let _ = self.client.wait();
        self.master = None;
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).expect("a terminal has some")
}

fn size(rows: u16, cols: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}
