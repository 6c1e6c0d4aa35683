//! The harness: a gateway, requests, and pages that join and read their streams.

use chat_tests::{process::Program, proxy::Proxy, watchdog::WATCHDOG_TIMEOUT};
use serde_json::{json, Value};
use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    ops::Deref,
    process::Command,
};

/// A running gateway. Dropping it kills it.
pub(crate) struct Gateway {
    pub(crate) program: Program,
    site: Site,
}

/// Where pages find a gateway.
#[derive(Clone, Copy)]
pub(crate) struct Site {
    /// The address that browsers show.
    pub(crate) address: SocketAddr,
    /// Where their connections go: to the gateway, or to a proxy in front of it.
    pub(crate) way: SocketAddr,
}

impl Deref for Gateway {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

/// What a request got.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// The command of a gateway on a free port of 127.0.0.1, with these further arguments.
pub(crate) fn command(server: SocketAddr, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat-web"));
    command.args(["--server", &server.to_string(), "--listen", "127.0.0.1:0"]).args(arguments);
    command
}

impl Gateway {
    pub(crate) fn start(server: SocketAddr, arguments: &[&str]) -> Gateway {
        let program = Program::start("gateway", &mut command(server, arguments));
        let line = program.line_starting_with("  http://127.0.0.1:");
        let address = line.trim().trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
        Gateway { program, site: Site { address, way: address } }
    }

    /// Starts it again on the same port.
    pub(crate) fn start_again(&self, server: SocketAddr) -> Gateway {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat-web"));
        command.args(["--server", &server.to_string(), "--listen", &self.address.to_string()]);
        let program = Program::start("gateway", &mut command);
        program.sees("Serving the room");
        Gateway { program, site: self.site }
    }

    /// Returns how many connections have a thread.
    pub(crate) fn http_threads(&self) -> usize {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.program.pid())).unwrap();
        let name = |task: io::Result<fs::DirEntry>| fs::read_to_string(task.ok()?.path().join("comm")).ok();
        tasks.filter_map(name).filter(|name| name == "http\n").count()
    }
}

impl Site {
    /// The same gateway by another way.
    pub(crate) fn through(self, proxy: &Proxy) -> Site {
        Site { way: proxy.address(), ..self }
    }

    /// Connects, and sends nothing.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.way).unwrap();
        stream.set_read_timeout(Some(WATCHDOG_TIMEOUT)).unwrap();
        stream
    }

    /// Sends these bytes, and returns what comes until the end of the connection.
    pub(crate) fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // The gateway may answer and close before it has read all.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Sends a request with these further fields.
    pub(crate) fn request(&self, line: &str, fields: &str, body: &str) -> Reply {
        let (host, length) = (self.address, body.len());
        let text =
            format!("{line} HTTP/1.1\r\nHost: {host}\r\n{fields}Content-Length: {length}\r\n\r\n{body}");
        Reply::parse(&self.raw(text.as_bytes()))
    }

    /// Sends a JSON object as the page does.
    pub(crate) fn post(&self, path: &str, secret: &str, body: &Value) -> Reply {
        self.request(&format!("POST {path}"), &page_fields(secret), &body.to_string())
    }
}

/// The fields that a page sends with an object.
pub(crate) fn page_fields(secret: &str) -> String {
    format!("Chat: 1\r\nGuest: {secret}\r\nContent-Type: application/json\r\n")
}

impl Reply {
    pub(crate) fn parse(text: &str) -> Reply {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|number| number.parse().ok());
        Reply { status: status.unwrap_or(0), head: head.to_owned(), body: body.to_owned() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A page, with a guest and its stream.
pub(crate) struct Page {
    pub(crate) secret: String,
    pub(crate) token: String,
    pub(crate) name: String,
    pub(crate) stream: Events,
    /// The place up to which the stream was read.
    pub(crate) place: (String, u64),
}

impl Page {
    pub(crate) fn join(site: &Site, name: &str) -> Page {
        let mut page = Page::from_reply(site, &site.post("/join", "", &json!({ "name": name })));
        let connected = page.sees("connected", |line| line["state"] == "connected");
        page.place =
            (connected["room"].as_str().unwrap().to_owned(), connected["sequence"].as_u64().unwrap());
        page
    }

    /// The same guest on another page.
    pub(crate) fn resume(&self, site: &Site) -> Page {
        let mut page = Page::from_reply(site, &site.post("/join", "", &self.session()));
        page.place = self.place.clone();
        page
    }

    /// The body of a join that resumes from the place of this page.
    pub(crate) fn session(&self) -> Value {
        let (room, sequence) = &self.place;
        json!({ "name": self.name, "session": { "token": self.token, "room": room, "sequence": sequence } })
    }

    fn from_reply(site: &Site, reply: &Reply) -> Page {
        assert_eq!(reply.status, 200, "{reply:?}");
        let body = reply.json();
        let text = |key: &str| body[key].as_str().unwrap().to_owned();
        let secret = text("guest");
        let stream = Events::open(site, &secret, 0);
        Page { secret, token: text("token"), name: text("name"), stream, place: (String::new(), 0) }
    }

    /// Reads lines until one fits, and returns that one. A live event moves the place.
    pub(crate) fn sees(&mut self, wanted: &str, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let Some(line) = self.stream.next() else { panic!("the stream ended before {wanted}") };
            let is_live = !matches!(line["event"].as_str(), Some("history" | "accepted" | "connection"));
            if let (true, Some(sequence)) = (is_live, line["sequence"].as_u64()) {
                self.place.1 = sequence;
            }
            if fits(&line) {
                return line;
            }
        }
    }

    /// Reads lines until somebody says this.
    pub(crate) fn hears(&mut self, text: &str) -> Value {
        self.sees(text, |line| line["text"] == text && line["event"] != "accepted")
    }

    pub(crate) fn say(&self, site: &Site, text: &str, id: u64) -> Reply {
        site.post("/say", &self.secret, &json!({ "say": text, "message_id": id }))
    }
}

/// A stream of lines.
pub(crate) struct Events {
    reader: BufReader<TcpStream>,
    pub(crate) lines: Vec<Value>,
    /// The same lines as they came, without their ends.
    pub(crate) texts: Vec<String>,
}

impl Events {
    pub(crate) fn open(site: &Site, secret: &str, after: u64) -> Events {
        Events::try_open(site, secret, after).unwrap_or_else(|status| panic!("no stream: {status}"))
    }

    /// Opens the stream behind this line.
    pub(crate) fn try_open(site: &Site, secret: &str, after: u64) -> Result<Events, u16> {
        let mut stream = site.connect();
        let fields = format!("Host: {}\r\nChat: 1\r\nGuest: {secret}\r\nAfter: {after}\r\n", site.address);
        stream.write_all(format!("GET /events HTTP/1.1\r\n{fields}\r\n").as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).unwrap(), 0, "the connection ended in the head: {head}");
        }
        match Reply::parse(&head).status {
            200 => Ok(Events { reader, lines: Vec::new(), texts: Vec::new() }),
            status => Err(status),
        }
    }

    /// Breaks the connection, as a network that is gone does.
    pub(crate) fn close(&self) {
        self.reader.get_ref().shutdown(Shutdown::Both).unwrap();
    }

    /// Returns the next line that is not empty, or `None` at the end.
    pub(crate) fn next(&mut self) -> Option<Value> {
        loop {
            let mut text = String::new();
            match self.reader.read_line(&mut text) {
                Ok(0) => return None,
                Ok(_) if text == "\n" => {}
                Ok(_) => {
                    let object = text.strip_suffix('\n').unwrap();
                    // Neither a terminal nor a reader of lines finds anything in it but text.
                    assert!(!object.contains(|c: char| c.is_control() || c == '\u{2028}'), "{object:?}");
                    let line: Value = serde_json::from_str(&text).unwrap();
                    self.texts.push(object.to_owned());
                    self.lines.push(line.clone());
                    return Some(line);
                }
                Err(error) => panic!("no line: {error}"),
            }
        }
    }
}
