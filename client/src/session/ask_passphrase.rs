//! Asks a person for the passphrase of a closed room. Runs on the main thread.
//!
//! What is typed comes as a line of input, as a name does. Nothing of it is shown, and it never reaches the
//! queue.

use crate::{
    session::{client::Client, closed::with_own_key},
    settings::{Input, InputNotice, Outcome, Stop, UiEvent},
};
use chat_common::handshake::passphrase::Passphrase;
use crossbeam_channel::{never, select};

impl Client<'_> {
    /// Takes the next line of input as the passphrase. Returns the outcome if the client ends.
    ///
    /// # Blocking
    /// On the person. A request to stop wakes it.
    pub(super) fn read_passphrase(&mut self) -> Result<(), Outcome> {
        self.tell_loss();
        // What was typed before the question is no answer to it.
        self.take_typed_ahead();
        if self.ending {
            return Err(Outcome::Left);
        }
        let typed = self.wait_for_passphrase();
        (self.show)(UiEvent::PassphraseTyped);
        let credentials = with_own_key(typed?, self.options.state.as_deref()).map_err(Outcome::Failed)?;
        self.closed.credentials = Some(credentials);
        Ok(())
    }

    fn wait_for_passphrase(&mut self) -> Result<Passphrase, Outcome> {
        (self.show)(UiEvent::AskPassphrase);
        loop {
            select! {
                recv(self.stop_rx) -> stop => match stop {
                    Ok(Stop::Now | Stop::Ask | Stop::WhenSent) => return Err(Outcome::Left),
                    Err(_) => self.stop_rx = never(),
                },
                recv(self.input_rx) -> input => match input {
                    Ok(Input::Line(line)) if line.trim().is_empty() => (self.show)(UiEvent::AskPassphrase),
                    Ok(Input::Line(line)) => match Passphrase::new(&line) {
                        Ok(passphrase) => return Ok(passphrase),
                        Err(why) => {
                            (self.show)(UiEvent::InvalidInput(why));
                            (self.show)(UiEvent::AskPassphrase);
                        }
                    },
                    // A held paste may be a passphrase, so it is not shown as waiting.
                    Ok(Input::Text(_)) => {}
                    Ok(Input::Notice(notice)) => {
                        (self.show)(UiEvent::Input(notice));
                        // The rest of a line with such keys follows.
                        if notice != InputNotice::KeysIgnored {
                            (self.show)(UiEvent::AskPassphrase);
                        }
                    }
                    Ok(Input::Failed(reason)) => return Err(Outcome::Failed(reason)),
                    Ok(Input::Leave | Input::End) | Err(_) => return Err(Outcome::Left),
                    // Only a program sends these, and no program is asked.
                    Ok(Input::Say(_) | Input::Rename(_) | Input::Mistake(_)) => {}
                },
            }
        }
    }
}
