//! The thread `room`: at the start it visits the room once, so that a person reads at the gateway what would
//! keep guests out. It speaks as chat-client does.

use chat_client::{Channels, Input, JoinOptions, Outcome, Stop, UiEvent};
use chat_common::program::background_writer::BackgroundWriter;
use crossbeam_channel::{bounded, Receiver};
use std::time::Duration;

/// The name of the visit. Nobody is told of it, and it says nothing.
const VISITOR: &str = "chat-web";
/// As long as anybody waits for a server.
const NO_LIMIT: Duration = Duration::from_secs(365 * 24 * 3600);

/// Visits the room, and waits until it is there.
///
/// # Blocking
/// Until there is a server, without a limit. A message in `stop_rx` wakes it.
///
/// # Errors
/// When the room takes no guest of this gateway: its passphrase or its key is another one, or it takes nobody
/// from here. One line for people.
pub(crate) fn visit(
    mut options: JoinOptions,
    stop_rx: &Receiver<Stop>,
    log: &BackgroundWriter,
) -> Result<(), String> {
    options.member.name = Some(VISITOR.to_owned());
    (options.member.may_add_number, options.member.send_only) = (true, true);
    (options.stay, options.wait) = (false, Some(NO_LIMIT));
    let (input_tx, input_rx) = bounded(1);
    // The channel has space for it.
    let _ = input_tx.send(Input::End);
    let show = |event| match event {
        UiEvent::NotReached(why) => log.write_text(&format!("chat-web: waiting for the server: {why}\n")),
        UiEvent::ServerBusy => log.write_text("chat-web: waiting for the server: it is busy\n"),
        UiEvent::RoomRemembered { key, replaces: None } => {
            log.write_text(&format!("chat-web: the room's key is {key}; it is remembered\n"));
        }
        _ => {}
    };
    match chat_client::run(&options, &Channels { input_rx, stop_rx: stop_rx.clone() }, &show) {
        // Whoever stops it wants no words.
        Outcome::Failed(why) if stop_rx.is_empty() => Err(why),
        _ => Ok(()),
    }
}
