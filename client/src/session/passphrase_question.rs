//! Asks a person for the passphrase of a closed room. Runs on the main thread.

use crate::{
    events::{Outcome, UiEvent},
    session::{client::Client, credentials::with_own_key},
};
use chat_common::handshake::passphrase::Passphrase;

impl Client<'_> {
    /// Takes the next valid answer as the passphrase.
    ///
    /// # Blocking
    /// On the person. A request to stop wakes it.
    ///
    /// # Errors
    /// The outcome if the client ends.
    pub(super) fn ask_passphrase(&mut self) -> Result<(), Outcome> {
        self.tell_loss();
        // What was typed before the question is no answer to it.
        self.take_typed_ahead();
        if self.leaving.input_ended {
            return Err(Outcome::Left);
        }
        let typed = self.ask(&UiEvent::AskPassphrase, |answer| match answer.trim() {
            "" => Err(None),
            _ => Passphrase::new(&answer).map_err(Some),
        });
        (self.show)(UiEvent::PassphraseTyped);
        let credentials = with_own_key(typed?, self.options.access.state.as_deref());
        self.access.credentials = Some(credentials.map_err(Outcome::Failed)?);
        Ok(())
    }
}
