//! One request of HTTP, read within its limits and deadlines. Runs on the thread of its connection.

use crate::http::response::Response;
use chat_common::wire::stream::Stream;
use std::{
    io,
    time::{Duration, Instant},
};

/// The longest head: the line of the request and all fields. In bytes.
const MAX_HEAD_BYTES: usize = 8 * 1024;
/// The most fields of a head. Browsers send some 15.
const MAX_FIELDS: usize = 32;
/// The longest body, as long as a frame on the wire. In bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// The time for a whole head, and for a whole body.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// A request. Its body is there after [`Request::read_body`].
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
    fields: Vec<(String, String)>,
    /// The length that the body is to have.
    length: usize,
}

/// Why there is no request.
#[derive(Debug)]
pub(crate) enum NoRequest {
    /// The peer has closed the connection, or was too slow. Nobody waits for an answer.
    Gone(io::Error),
    /// The request breaks a rule. This is the answer.
    Refused(Response),
}

impl From<io::Error> for NoRequest {
    fn from(error: io::Error) -> NoRequest {
        NoRequest::Gone(error)
    }
}

impl Request {
    /// Reads the head of a request.
    ///
    /// # Blocking
    /// On the peer, for 10 s at most.
    ///
    /// # Errors
    /// When the peer goes or is too slow, and when the head breaks a rule.
    pub(crate) fn read_head(stream: &Stream) -> Result<Request, NoRequest> {
        let deadline = Instant::now() + READ_TIMEOUT;
        let mut bytes = Vec::new();
        loop {
            if let Some(request) = Request::parse(&bytes).map_err(NoRequest::Refused)? {
                return Ok(request);
            }
            if bytes.len() >= MAX_HEAD_BYTES {
                return Err(NoRequest::Refused(Response::text(413, "the head of the request is too long")));
            }
            let mut buffer = [0; 2048];
            let space = buffer.len().min(MAX_HEAD_BYTES - bytes.len());
            match stream.read(&mut buffer[..space], deadline)? {
                0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                count => bytes.extend_from_slice(&buffer[..count]),
            }
        }
    }

    /// Reads a head from the bytes that have come. Returns `None` while it is not complete. What follows the
    /// head is the beginning of the body.
    ///
    /// # Errors
    /// The answer to a head that breaks a rule.
    fn parse(bytes: &[u8]) -> Result<Option<Request>, Response> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut parsed = httparse::Request::new(&mut fields);
        let end = match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(end)) => end,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => {
                return Err(Response::text(413, "the request has too many fields"));
            }
            Err(_) => return Err(Response::text(400, "this is not a request of HTTP/1.1")),
        };
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let fields: Vec<(String, String)> =
            parsed.headers.iter().map(|field| (field.name.to_ascii_lowercase(), text(field.value))).collect();
        let mut request = Request {
            method: parsed.method.unwrap_or_default().to_owned(),
            path: parsed.path.unwrap_or_default().to_owned(),
            body: bytes[end..].to_vec(),
            fields,
            length: 0,
        };
        request.length = request.content_length()?;
        request.body.truncate(request.length);
        Ok(Some(request))
    }

    /// Returns the request with this head.
    #[cfg(test)]
    pub(crate) fn from_text(head: &str) -> Request {
        Request::parse(head.as_bytes()).unwrap().unwrap()
    }

    /// Returns the only value of this field, whose name is in lower case. A field that stands twice counts as
    /// none: two readers of it could take different ones.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (Some(value), None) => Some(value),
            _ => None,
        }
    }

    /// Whether the field is there at all.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(key, _)| key == name)
    }

    /// Returns the last value of a field that several proxies may have written.
    pub(crate) fn last_field(&self, name: &str) -> Option<&str> {
        self.fields.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn content_length(&self) -> Result<usize, Response> {
        if self.has("transfer-encoding") {
            return Err(Response::text(400, "a body has a Content-Length and no Transfer-Encoding"));
        }
        if !self.has("content-length") {
            return Ok(0);
        }
        let digits = self.field("content-length").filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        let wrong = || Response::text(400, "the Content-Length is not a number");
        let length: usize = digits.and_then(|digits| digits.parse().ok()).ok_or_else(wrong)?;
        match length {
            0..=MAX_BODY_BYTES => Ok(length),
            _ => Err(Response::text(413, "the body of the request is too long")),
        }
    }

    /// Reads the rest of the body.
    ///
    /// # Blocking
    /// On the peer, for 10 s at most.
    ///
    /// # Errors
    /// When the peer goes or is too slow.
    pub(crate) fn read_body(&mut self, stream: &Stream) -> io::Result<()> {
        let deadline = Instant::now() + READ_TIMEOUT;
        let mut buffer = [0; 4096];
        while self.body.len() < self.length {
            let space = buffer.len().min(self.length - self.body.len());
            match stream.read(&mut buffer[..space], deadline)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.body.extend_from_slice(&buffer[..count]),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(head: &str) -> u16 {
        Request::parse(head.as_bytes()).expect_err(head).status()
    }

    #[test]
    fn a_head_is_read_when_it_is_complete_and_the_body_begins_behind_it() {
        let text = "POST /say HTTP/1.1\r\nHost: a:1\r\ncontent-LENGTH: 2\r\n\r\n{}more";
        for end in 0..text.find("{}").unwrap() {
            assert!(Request::parse(&text.as_bytes()[..end]).unwrap().is_none(), "{end}");
        }
        let request = Request::parse(text.as_bytes()).unwrap().unwrap();
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/say"));
        assert_eq!((request.field("host"), &request.body[..]), (Some("a:1"), &b"{}"[..]));
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for fields in [
            "Transfer-Encoding: chunked",
            "Transfer-Encoding: identity\r\nContent-Length: 1",
            "Content-Length: 1\r\nContent-Length: 2",
            "Content-Length: +1",
            "Content-Length: 1, 1",
            "Content-Length:",
            "Content-Length: 99999999999999999999999",
        ] {
            assert_eq!(status(&format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n")), 400, "{fields}");
        }
        for text in
            ["GET\r\n\r\n", "\0\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\nA b: c\r\n\r\n"]
        {
            assert_eq!(status(text), 400, "{text:?}");
        }
    }

    #[test]
    fn a_head_with_too_many_fields_and_a_body_that_is_too_long_are_refused() {
        let fields = |count: usize| (0..count).map(|n| format!("A{n}: b\r\n")).collect::<String>();
        let head = |count| format!("GET / HTTP/1.1\r\n{}\r\n", fields(count));
        assert!(Request::parse(head(MAX_FIELDS).as_bytes()).unwrap().is_some());
        assert_eq!(status(&head(MAX_FIELDS + 1)), 413);
        let body = |length: usize| format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n");
        assert!(Request::parse(body(MAX_BODY_BYTES).as_bytes()).unwrap().is_some());
        assert_eq!(status(&body(MAX_BODY_BYTES + 1)), 413);
    }

    #[test]
    fn a_field_that_stands_twice_counts_as_none() {
        let request = Request::parse(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").unwrap().unwrap();
        assert_eq!((request.field("host"), request.last_field("host")), (None, Some("b")));
    }
}
