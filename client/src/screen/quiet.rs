//! What `--quiet` leaves: messages, actions and private messages of other people, and the replies to commands
//! of an operator. No I/O.

use crate::{events::UiEvent, input::Shown};
use chat_common::wire::protocol::Event;
use std::borrow::Cow;

/// Returns the part of what is shown that others have said, if there is one.
pub(crate) fn said_by_others<'e>(shown: &'e Shown, own_name: &str) -> Option<Cow<'e, Shown>> {
    let is_said = |event: &Event| event.kind.message().is_some_and(|message| message.author != own_name);
    let some = |events: Vec<Event>| (!events.is_empty()).then(|| Cow::Owned(UiEvent::History(events).into()));
    let Shown::Session(event) = shown else { return None };
    match event {
        UiEvent::Event { event, .. } => is_said(event).then_some(Cow::Borrowed(shown)),
        // A person or a script has asked for it.
        UiEvent::CommandReply(_) => Some(Cow::Borrowed(shown)),
        UiEvent::History(events) => some(events.iter().filter(|event| is_said(event)).cloned().collect()),
        UiEvent::Found { matches, .. } => {
            let events = matches.iter().map(|found| &found.event);
            some(events.filter(|event| is_said(event)).cloned().collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::TerminalEvent;
    use chat_common::wire::protocol::EventKind;

    fn event(kind: EventKind) -> Shown {
        UiEvent::Event { event: Event { sequence: 1, time: 0, kind }, earlier: false }.into()
    }

    fn message(author: &str) -> EventKind {
        EventKind::Message { author: author.into(), message_id: 1, repeated: false, text: "hi".into() }
    }

    #[test]
    fn only_what_others_say_is_left() {
        let joined = event(EventKind::Joined { name: "Sara".into() });
        let notice = event(EventKind::Notice { text: "hi".into() });
        for quiet in [joined, notice, event(message("Tom")), UiEvent::Bye.into(), TerminalEvent::Help.into()]
        {
            assert_eq!(said_by_others(&quiet, "Tom"), None);
        }
        assert!(said_by_others(&event(message("Sara")), "Tom").is_some());
        let history = [message("Sara"), message("Tom"), EventKind::Joined { name: "Eve".into() }]
            .map(|kind| Event { sequence: 1, time: 0, kind });
        let left = said_by_others(&UiEvent::History(history.into()).into(), "Tom").unwrap().into_owned();
        assert!(matches!(left, Shown::Session(UiEvent::History(events)) if events.len() == 1));
        assert_eq!(said_by_others(&UiEvent::History(Vec::new()).into(), "Tom"), None);
    }
}
