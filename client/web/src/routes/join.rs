//! `POST /join`: a page begins a guest, or takes over the one that it had.

use crate::{
    door,
    gateway::Gateway,
    guests::{start_run, Guest, Joining, NoPlace},
    http::{Request, Response},
    routes::{hex, wish::Wish},
};
use chat_common::wire::{
    json::Object,
    protocol::{Cause, Place, Refusal},
    token::Token,
};
use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a guest tries to join. It gets as much time as it may wait in line.
const JOIN_WAIT: Duration = Duration::from_secs(20);
/// How long a request waits for that. An attempt that has begun in time goes on to its own limit.
const ANSWER_WAIT: Duration = Duration::from_secs(45);
/// When a page may try again, in seconds.
const RETRY_AFTER: u32 = 2;

/// Lets a page into the room.
///
/// # Blocking
/// In line, for 20 s at most, and then on the server, for 45 s at most.
pub(super) fn join(gateway: &Gateway, address: IpAddr, request: &Request) -> Response {
    let wish = match Wish::parse(&request.body) {
        Ok(wish) => wish,
        Err(why) => return Response::text(400, &why),
    };
    let (token, place) = match (wish.session, Token::random()) {
        (Some((token, place)), _) => (token, Some(place)),
        (None, Ok(token)) => (token, None),
        (None, Err(error)) => return busy(&format!("no random numbers from the system: {error}")),
    };
    let exempt = door::is_exempt(&gateway.names, address);
    let (guest, is_new) = match gateway.guests.find_or_add(token, address, exempt) {
        Ok(found) => found,
        Err(NoPlace::OfAddress) => {
            let why = "your address has as many guests as it may have; one of them has to leave first";
            return refused(&Refusal::new(Cause::Busy, why));
        }
        Err(NoPlace::InAll) => {
            return refused(&Refusal::new(Cause::Busy, "the page has as many guests as it can have"));
        }
    };
    let (page, resumes) = guest.change_page(place);
    if is_new || resumes {
        let Some(_turn) = gateway.turnstile.pass() else {
            if is_new {
                gateway.guests.remove(&guest);
            }
            return busy("many people join at this moment");
        };
        if let Err(why) = run(gateway, &guest, place, wish.name) {
            if is_new {
                gateway.guests.remove(&guest);
            }
            return busy(&why);
        }
        return answer(gateway, &guest, page);
    }
    answer(gateway, &guest, page)
}

/// Starts a run of the guest's session.
fn run(gateway: &Gateway, guest: &Arc<Guest>, place: Option<Place>, name: String) -> Result<(), String> {
    let task = gateway.task().ok_or("the gateway ends")?;
    let mut options = gateway.join.clone();
    options.member.name = Some(name);
    if let Some((address, _)) = &mut options.member.on_behalf {
        *address = guest.address;
    }
    options.wait = Some(JOIN_WAIT);
    start_run(&gateway.guests, guest, place, options, task)
        .map_err(|error| format!("cannot start a thread: {error}"))
}

/// Waits for the guest's join, and answers the page.
fn answer(gateway: &Gateway, guest: &Arc<Guest>, page: u64) -> Response {
    match guest.wait_joined(Instant::now() + ANSWER_WAIT) {
        Joining::Joined(name) => match gateway.guests.give_to_page(guest, page) {
            Ok(Some(secret)) => {
                let object = Object::default();
                let object =
                    object.text("guest", &hex::digits(secret)).text("token", &hex::digits(guest.token));
                Response::json(200, object.text("name", &name))
            }
            Ok(None) => busy("the guest has left"),
            Err(error) => busy(&format!("no random numbers from the system: {error}")),
        },
        Joining::Refused(refusal) => match refusal.cause {
            Cause::Busy | Cause::Stopping | Cause::NoSpace => busy(&refusal.text),
            _ => refused(&refusal),
        },
        Joining::Failed(reason) => busy(&reason),
        Joining::Underway => {
            guest.leave();
            busy("the server does not reply")
        }
    }
}

/// The answer to a page that does not get in.
fn refused(refusal: &Refusal) -> Response {
    let object = Object::default().text("refused", &refusal.text);
    Response::json(403, object.text("cause", &format!("{:?}", refusal.cause)))
}

/// The answer to a page that may try again after a moment.
fn busy(why: &str) -> Response {
    Response::json(503, Object::default().text("refused", why)).retry_after(RETRY_AFTER)
}
