//! The calls over one connection, from the join to the end: sends the queue, takes input, and pings. Runs on
//! the main thread.

use crate::{
    events::{Input, UiEvent},
    session::{
        asked_history::AskedHistory,
        backoff::Backoff,
        client::Client,
        connection::{CALL_TIMEOUT, INVALID_REPLY},
        connection_end::Loss,
        send_queue::{ToSend, Waiting},
    },
};
use chat_common::wire::{
    protocol::{Cause, Refusal, Reply, Request, PING_INTERVAL},
    rpc::Connection,
};
use crossbeam_channel::{never, select, Receiver};
use std::time::{Duration, Instant};

/// The limit for `Leave`. It is short, because the person waits and the reply changes nothing.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);
/// A busy server's queue empties within milliseconds. If it does not, more attempts would not help.
const FIRST_BUSY_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_BUSY_PAUSE: Duration = Duration::from_secs(1);
/// The person is told that the server is busy when a pause is longer than this.
const BUSY_PAUSE_TO_SHOW: Duration = Duration::from_millis(300);

impl Client<'_> {
    /// Sends the queue, takes input, and pings when there is nothing to send. Returns when the client has
    /// left.
    ///
    /// # Blocking
    /// On input, on a request to stop and on the loss of the callback, 5 s at most. On the server during a
    /// call, 10 s.
    ///
    /// # Errors
    /// Why one of the two connections is lost.
    pub(super) fn call_loop(&mut self, call: &mut Connection, lost_rx: &Receiver<Loss>) -> Result<(), Loss> {
        self.operate_again(call)?;
        let mut backoff = Backoff::new(FIRST_BUSY_PAUSE, LONGEST_BUSY_PAUSE);
        let mut busy_shown = false;
        let mut ping_at = Instant::now() + PING_INTERVAL;
        // When to try again, while the server is busy.
        let mut retry_at = None;
        loop {
            // A person leaves at once if the server is busy. A program waits until it is done.
            let may_leave = self.is_done() || self.options.interactive && retry_at.is_some();
            if self.leaves() && may_leave {
                break;
            }
            let is_idle = self.queue.waiting.is_empty();
            let mut history_rx = never();
            if self.leaves() && is_idle {
                history_rx = self.leaving.asked_history.until_shown(self.inbox, call, CALL_TIMEOUT)?;
            }
            let now = Instant::now();
            let send_at = if is_idle { ping_at } else { retry_at.unwrap_or(now) };
            let pause = send_at.saturating_duration_since(now);
            // A due request is sent before more input is read. That slows a fast pipe down. A search may have
            // many requests, and a person does not wait for all of them.
            let reads = is_idle || self.options.interactive && !self.queue.is_full();
            let is_paging = matches!(self.queue.first(), Some(ToSend::Page(_)));
            let reads_now = reads && (!pause.is_zero() || is_paging);
            let input_rx = if reads_now { self.channels.input_rx.clone() } else { never() };
            select! {
                recv(self.channels.stop_rx) -> stop => if self.stops_now(stop) {
                    break;
                },
                recv(history_rx) -> _ => self.leaving.asked_history = AskedHistory::Shown,
                recv(lost_rx) -> loss => return Err(loss.unwrap_or_default()),
                recv(input_rx) -> input => match retry_at {
                    Some(_) => self.take_for_later(input.unwrap_or(Input::End)),
                    None => self.take(input.unwrap_or(Input::End)),
                },
                default(pause) => {
                    if self.member.waits_to_operate
                        && matches!(self.queue.first(), None | Some(ToSend::Command(_)))
                    {
                        self.operate_again(call)?;
                    }
                    let request = self.queue.first().map_or(Request::Ping, ToSend::request);
                    self.inbox.record_said(self.own_name(), &request);
                    let reply = self.call_first(call);
                    if let Err(error) = &reply {
                        self.forget_sent_command(&error.to_string());
                    }
                    // After an error the server may have accepted the message.
                    self.queue.set_awaits_reply(reply.is_err());
                    let reply = reply?;
                    ping_at = Instant::now() + PING_INTERVAL;
                    // Nothing that a person says waits until an address has a guess left.
                    let operates = matches!(self.queue.first(), Some(ToSend::Operate { .. }));
                    if matches!(reply, Reply::Refused(Refusal { cause: Cause::Busy, .. })) && !operates {
                        let pause = backoff.pause();
                        retry_at = Some(Instant::now() + pause);
                        if pause > BUSY_PAUSE_TO_SHOW && !std::mem::replace(&mut busy_shown, true) {
                            (self.show)(UiEvent::ServerBusy);
                        }
                    } else {
                        (retry_at, busy_shown) = (None, false);
                        backoff.reset();
                        self.on_reply(reply).map_err(|reason| Loss { reason, closed: false })?;
                    }
                },
            }
        }
        if self.leaving.detaches {
            return Ok(());
        }
        // The client ends whether or not the server replies.
        if let Err(error) = call.call::<_, Reply>(&Request::Leave, LEAVE_TIMEOUT) {
            log::debug!("left without a reply: {error}");
        }
        Ok(())
    }

    /// Handles the reply to the first request in the queue, or to a ping if the queue is empty.
    ///
    /// # Errors
    /// The reason why the connection cannot go on. The request then stays in the queue.
    fn on_reply(&mut self, reply: Reply) -> Result<(), String> {
        let Some(Waiting { to_send: first, id }) = self.queue.waiting.pop_front() else {
            return if reply == Reply::Pong { Ok(()) } else { Err(INVALID_REPLY.into()) };
        };
        match (first, reply) {
            (first, Reply::Refused(Refusal { cause: Cause::Stopping, text })) => {
                self.queue.waiting.push_front(Waiting { to_send: first, id });
                return Err(text);
            }
            (ToSend::Message { utterance, message_id, is_numbered, .. }, Reply::Accepted { sequence }) => {
                self.inbox.remember_own(self.own_name(), sequence, &utterance);
                let message_id = is_numbered.then_some(message_id);
                (self.show)(UiEvent::Accepted { message_id, sequence, utterance }.of(id));
            }
            (ToSend::Rename(name), Reply::Renamed { .. }) => {
                self.member.name = Some(name.clone());
                (self.show)(UiEvent::Renamed { name });
            }
            (ToSend::Who(pattern), Reply::People { people, total }) => {
                (self.show)(UiEvent::People { people, total, pattern });
            }
            (ToSend::Operate { passphrase, .. }, Reply::Lines { .. }) => {
                self.member.operator = Some(passphrase);
                (self.show)(UiEvent::Operates);
            }
            (ToSend::Command(_), Reply::Lines { text, .. }) => (self.show)(UiEvent::CommandReply(text)),
            (ToSend::Page(mut pager), Reply::History { events }) => {
                match self.inbox.turn_page(&mut pager, events) {
                    // What was said meanwhile goes first.
                    true => self.queue.push(ToSend::Page(pager), id),
                    false => pager.end(true).into_iter().for_each(self.show),
                }
            }
            (first, Reply::Refused(refusal)) => {
                self.leaving.rejected += 1;
                let is_wrong = refusal.cause != Cause::Busy;
                (self.show)(UiEvent::Refused(refusal.text).of(id));
                match first {
                    ToSend::Page(pager) => pager.end(false).into_iter().for_each(self.show),
                    ToSend::Operate { is_shown: true, .. } if is_wrong => self.ask_operators_again(),
                    _ => {}
                }
            }
            (first, _) => {
                self.queue.waiting.push_front(Waiting { to_send: first, id });
                self.forget_sent_command(INVALID_REPLY);
                return Err(INVALID_REPLY.into());
            }
        }
        Ok(())
    }
}
