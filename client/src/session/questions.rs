//! What the session asks a person: for a name, and for the passphrase of a closed room. Runs on the main
//! thread. A passphrase never reaches the queue.

#[cfg(feature = "closed")]
use crate::session::credentials::with_own_key;
use crate::{
    events::{Input, Outcome, UiEvent},
    session::client::Client,
};
#[cfg(feature = "closed")]
use chat_common::handshake::passphrase::Passphrase;
use chat_common::text::invisible::trim;
use crossbeam_channel::select;

impl Client<'_> {
    /// Returns the next answer that is not empty, as the name.
    ///
    /// # Blocking
    /// On the person.
    pub(super) fn read_name(&mut self) -> Result<String, Outcome> {
        let name = self.ask(&UiEvent::AskName, |answer| match trim(&answer) {
            "" => Err(None),
            name => Ok(name.to_owned()),
        })?;
        self.member.name = Some(name.clone());
        // A typed name is taken as it is typed.
        self.member.may_add_number = false;
        Ok(name)
    }

    /// Takes the next valid answer as the passphrase. Returns the outcome if the client ends.
    ///
    /// # Blocking
    /// On the person. A request to stop wakes it.
    #[cfg(feature = "closed")]
    pub(super) fn read_passphrase(&mut self) -> Result<(), Outcome> {
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
        let credentials =
            with_own_key(typed?, self.options.access.state.as_deref()).map_err(Outcome::Failed)?;
        self.access.credentials = Some(credentials);
        Ok(())
    }

    /// Asks until `read` takes the answer. It returns what is wrong with one, where that is not plain to see.
    fn ask<T>(
        &mut self,
        question: &UiEvent,
        read: impl Fn(String) -> Result<T, Option<String>>,
    ) -> Result<T, Outcome> {
        (self.show)(question.clone());
        loop {
            select! {
                // Nothing can be sent before the answer, so both kinds of stop end the client at once.
                recv(self.channels.stop_rx) -> stop => if self.stops_now(stop) || self.leaving.input_ended {
                    return Err(Outcome::Left);
                },
                recv(self.channels.input_rx) -> input => match input.unwrap_or(Input::End) {
                    Input::Answer(answer) => match read(answer) {
                        Ok(answer) => return Ok(answer),
                        Err(why) => {
                            why.map(UiEvent::InvalidInput).into_iter().for_each(self.show);
                            (self.show)(question.clone());
                        }
                    },
                    Input::Leave => return Err(Outcome::Left),
                    Input::Failed(reason) => return Err(Outcome::Failed(reason)),
                    Input::End if self.options.interactive => return Err(Outcome::Left),
                    Input::End => return Err(Outcome::Failed("no name was given".into())),
                    // It is sent after joining.
                    input => self.take_for_later(input),
                },
            }
        }
    }

    /// Takes what was said before a question, because it is no answer to it. Before the first join it is the
    /// rest of a paste into the first question, and is forgotten.
    pub(super) fn take_typed_ahead(&mut self) {
        let typed_ahead: Vec<Input> = self.channels.input_rx.try_iter().collect();
        for input in typed_ahead {
            if self.was_joined() || matches!(input, Input::Leave | Input::End | Input::Failed(_)) {
                self.take_for_later(input);
            }
        }
    }
}
