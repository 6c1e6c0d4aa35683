//! What the session asks a person: for a name. `passphrase_question.rs` has the other question. Runs on the
//! main thread. An answer never reaches the queue.

use crate::{
    events::{Input, Outcome, UiEvent},
    session::client::Client,
};
use chat_common::text::invisible::trim;
use crossbeam_channel::select;

impl Client<'_> {
    /// Takes the next answer that is not empty as the name.
    ///
    /// # Blocking
    /// On the person.
    pub(super) fn read_name(&mut self) -> Result<(), Outcome> {
        let name = self.ask(&UiEvent::AskName, |answer| match trim(&answer) {
            "" => Err(None),
            _ => Ok(answer),
        })?;
        self.take_name(&name);
        Ok(())
    }

    /// Takes an answer as the name, unless it is empty.
    pub(super) fn take_name(&mut self, answer: &str) {
        self.member.name = Some(trim(answer).to_owned()).filter(|name| !name.is_empty());
        // A typed name is taken as it is typed.
        self.member.may_add_number = false;
    }

    /// Asks until `read` accepts an answer. The error of `read` says what is wrong, or is `None` for an empty
    /// answer.
    pub(super) fn ask<T>(
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
