//! `GET /events`: what happens, one JSON object a line, as long as the page reads.

use crate::{
    gateway::Gateway,
    guests::{Guest, Next},
    http::{Answer, Connection, Request, Response},
    routes::{guest_of, unknown},
};
use std::{io, time::Duration};

/// How often a page hears that the stream lives. It gives one up that is silent for three times that.
const PULSE: Duration = Duration::from_secs(5);

/// Writes the guest's lines behind the one that the page names, until the session ends, another stream of the
/// guest begins, or the page does not read.
///
/// # Blocking
/// On the room, and on the page, for 5 s at most for each piece.
pub(super) fn events(gateway: &Gateway, connection: &Connection, request: &Request) -> Answer {
    let (guest, page) = match guest_of(gateway, request) {
        Ok(found) => found,
        Err(response) => return Answer::Response(response),
    };
    let after = request.field("after").map_or(Some(0), |number| number.parse::<u64>().ok());
    let Some(after) = after.filter(|number| *number < 1 << 53) else {
        return Answer::Response(Response::text(400, "After is the number of a line"));
    };
    if !guest.has_lines_behind(after) {
        return Answer::Response(unknown());
    }
    let Some(stream) = guest.begin_stream(page, after) else {
        return Answer::Response(Response::text(409, "another tab has the stream"));
    };
    if let Err(error) = write(connection, &guest, stream, after) {
        log::debug!("a stream to {} ended: {error}", connection.peer);
    }
    guest.end_stream(stream);
    Answer::Streamed
}

fn write(connection: &Connection, guest: &Guest, stream: u64, mut after: u64) -> io::Result<()> {
    connection.begin_stream()?;
    // A browser gives the head to its page when something follows it.
    connection.write(b"\n")?;
    loop {
        match guest.next(stream, after, PULSE) {
            Next::Over => return Ok(()),
            Next::Nothing => connection.write(b"\n")?,
            Next::Lines(lines) => {
                let mut text = String::new();
                for (number, line) in lines {
                    text += &numbered(&line, number);
                    after = number;
                }
                connection.write(text.as_bytes())?;
            }
        }
    }
}

/// Returns the object with its number as one field more, and a line end.
fn numbered(object: &str, number: u64) -> String {
    format!("{},\"line\":{number}}}\n", object.strip_suffix('}').unwrap_or(object))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_one_field_more() {
        assert_eq!(numbered("{\"event\":\"joined\"}", 7), "{\"event\":\"joined\",\"line\":7}\n");
    }
}
