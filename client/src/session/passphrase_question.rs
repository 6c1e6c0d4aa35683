//! Where another passphrase comes from: a person types one, or the file of the passphrase has another one by
//! now. Runs on the main thread.

use crate::{
    events::{Outcome, UiEvent},
    session::{client::Client, credentials::with_own_key},
};
use chat_common::{handshake::passphrase::Passphrase, program::given_file::is_read_once};

/// How many passphrases a person may type, as with ssh. Each one is a guess for the server, and for an
/// impostor whose room is not known yet.
const TRIES: u32 = 3;

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
        self.access.typed += 1;
        self.take_passphrase(typed?)
    }

    /// Looks for another passphrase after a wrong one: a person who has typed that types another one, and a
    /// client that was in the room learns that the room has another one now.
    ///
    /// # Blocking
    /// As [`Client::ask_passphrase`], and on the disk.
    ///
    /// # Errors
    /// The outcome if the client ends: there is no other passphrase, or the last try was wrong.
    pub(super) fn on_wrong_passphrase(&mut self, why: String) -> Result<(), Outcome> {
        // The key of the room is known then, so no impostor gets a second guess.
        if self.was_joined() {
            if let Some(passphrase) = self.read_passphrase_again() {
                return self.take_passphrase(passphrase);
            }
        }
        let may_ask = self.options.access.asks_passphrase && (self.was_joined() || self.access.typed > 0);
        if !may_ask || self.access.typed >= TRIES {
            return Err(Outcome::Failed(why));
        }
        self.tell_loss();
        (self.show)(UiEvent::InvalidInput(match self.access.typed {
            0 => "the room has another passphrase now".to_owned(),
            _ => format!("that is not the passphrase of the room{}", self.access.what_to_mind()),
        }));
        self.ask_passphrase()
    }

    /// Returns the passphrase in the file of the options, if that has another one than the client has tried.
    fn read_passphrase_again(&self) -> Option<Passphrase> {
        let file = self.options.access.passphrase_file.as_deref().filter(|file| !is_read_once(file))?;
        let read = Passphrase::read(file, "the passphrase file");
        let passphrase = read.inspect_err(|why| log::warn!("{why}")).ok()?;
        let tried = self.access.credentials.as_ref().map(|credentials| &credentials.passphrase);
        (tried != Some(&passphrase)).then_some(passphrase)
    }

    fn take_passphrase(&mut self, passphrase: Passphrase) -> Result<(), Outcome> {
        let credentials = with_own_key(passphrase, self.options.access.state.as_deref());
        self.access.credentials = Some(credentials.map_err(Outcome::Failed)?);
        Ok(())
    }
}
