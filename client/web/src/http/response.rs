//! The answer to a request, as the bytes that go out. No I/O.

use chat_common::wire::json::Object;

/// The policy of everything but the page, of which a browser shows nothing.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    status: u16,
    kind: &'static str,
    policy: String,
    /// How many seconds to wait before the next attempt.
    retry_after: Option<u32>,
    body: Vec<u8>,
}

/// The head of an answer whose body goes on.
pub(crate) struct StreamHead;

impl Response {
    /// An answer of one line for people.
    pub(crate) fn text(status: u16, line: &str) -> Response {
        Response::new(status, "text/plain; charset=utf-8", format!("{line}\n").into_bytes())
    }

    /// An answer that is a JSON object.
    pub(crate) fn json(status: u16, object: Object) -> Response {
        Response::new(status, "application/json", (object.end() + "\n").into_bytes())
    }

    /// The page, with the policy under which it runs.
    pub(crate) fn page(html: String, policy: String) -> Response {
        Response { policy, ..Response::new(200, "text/html; charset=utf-8", html.into_bytes()) }
    }

    fn new(status: u16, kind: &'static str, body: Vec<u8>) -> Response {
        Response { status, kind, policy: NOTHING.to_owned(), retry_after: None, body }
    }

    /// Asks the peer to try again after this many seconds.
    pub(crate) fn retry_after(self, seconds: u32) -> Response {
        Response { retry_after: Some(seconds), ..self }
    }

    /// Returns the number of the status.
    #[cfg(test)]
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// Returns all bytes of the answer.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut head = head(self.status, self.kind, &self.policy);
        head += &format!("Content-Length: {}\r\n", self.body.len());
        if let Some(seconds) = self.retry_after {
            head += &format!("Retry-After: {seconds}\r\n");
        }
        [head.as_bytes(), b"\r\n", &self.body].concat()
    }
}

impl StreamHead {
    /// Returns the bytes of the head. The end of the connection is the end of the body.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        (head(200, "application/x-ndjson", NOTHING) + "\r\n").into_bytes()
    }
}

/// Returns the line of the status, and the fields that each answer has.
fn head(status: u16, kind: &str, policy: &str) -> String {
    format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: {kind}\r\nContent-Security-Policy: {policy}\r\n\
         X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nCache-Control: no-store\r\n\
         Connection: close\r\n",
        reason(status)
    )
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        202 => "Accepted",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        413 => "Content Too Large",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        _ => "Service Unavailable",
    }
}
