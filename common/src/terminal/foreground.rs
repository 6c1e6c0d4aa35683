//! Standard input that waits while the program is in the background of its terminal.
//!
//! A shell puts a program there with `&`, and with Ctrl-Z and `bg`. The system would stop a whole program
//! that reads the terminal from there, and a room with it. Both programs ignore that signal (see
//! [`signals`](crate::program::signals)), so the read fails instead, and only the thread that reads waits.

use crate::program::signals::is_in_background;
use std::{
    io::{self, Read},
    thread,
    time::Duration,
};

/// How often a thread looks whether the program has the terminal again. Nothing can wake it: a shell that
/// brings a running program to the foreground sends it no signal.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Standard input. It is for one thread, and has no buffer.
#[derive(Debug)]
pub struct ForegroundInput<F> {
    on_return: F,
}

impl<F: FnMut()> ForegroundInput<F> {
    /// Returns standard input. `on_return` is called each time the program is back in the foreground.
    pub fn new(on_return: F) -> ForegroundInput<F> {
        ForegroundInput { on_return }
    }
}

impl<F: FnMut()> Read for ForegroundInput<F> {
    /// # Blocking
    /// On the input, and in the background until the program is in the foreground again, without a limit.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match io::stdin().lock().read(buffer) {
                Err(error) if is_for_the_foreground(&error) => {
                    wait();
                    (self.on_return)();
                }
                read => return read,
            }
        }
    }
}

/// Returns whether a read has failed because the program is in the background.
pub fn is_for_the_foreground(error: &io::Error) -> bool {
    const EIO: i32 = 5;
    error.raw_os_error() == Some(EIO) && is_in_background()
}

/// Waits until the program is in the foreground.
///
/// # Blocking
/// On the person at the shell, without a limit.
pub fn wait() {
    while is_in_background() {
        thread::sleep(LOOK_AGAIN);
    }
}
