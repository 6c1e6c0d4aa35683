//! What the gateway does not let pass: each test fails when the guard that it names is taken out.

use crate::harness::{page_fields, Events, Gateway, Page, Reply};
use chat_tests::{
    member::Member,
    random::{seed_from_environment, Random},
    server::TestServer,
    watchdog::{poll, WATCHDOG_TIMEOUT},
};
use serde_json::json;
use std::{
    io::{Read, Write},
    net::TcpStream,
};

#[test]
fn a_name_that_leads_here_is_another_host() {
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &["--host", "chat.example"]);
    let port = gateway.address.port();
    for (host, status) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("localhost:{port}"), 200),
        (format!("chat.example:{port}"), 200),
        (format!("evil.test:{port}"), 421),
        ("127.0.0.1".to_owned(), 421),
    ] {
        let reply = Reply::parse(&gateway.raw(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()));
        assert_eq!(reply.status, status, "{host}");
        assert_eq!(reply.body.contains("<!doctype html>"), status == 200, "{host}");
    }
}

#[test]
fn another_site_gets_no_further_than_its_first_question() {
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let ann = Page::join(&gateway, "Ann");
    let (secret, body) = (page_fields(&ann.secret), "{\"say\":\"forged\",\"message_id\":1}");
    let origin = "Origin: http://evil.test\r\n";
    let say = |fields: &str| gateway.request("POST /say", fields, body).status;
    assert_eq!(say(&format!("{secret}{origin}")), 403);
    assert_eq!(say(&secret.replace("Chat: 1\r\n", "")), 404);
    assert_eq!(say(&secret.replace("application/json", "text/plain")), 403);
    let reply =
        gateway.request("OPTIONS /say", &format!("{origin}Access-Control-Request-Method: POST\r\n"), "");
    assert_eq!(reply.status, 404);
    assert!(!reply.head.to_lowercase().contains("access-control"), "{reply:?}");
    assert_eq!(gateway.request("GET /events", &format!("Guest: {}\r\n", ann.secret), "").status, 404);
    let own = format!("{secret}Origin: http://{}\r\n", gateway.address);
    assert_eq!(say(&own), 202);
}

#[test]
fn only_the_secret_of_a_page_speaks_for_its_guest() {
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let ann = Page::join(&gateway, "Ann");
    for secret in ["", "0", &"0".repeat(32), &ann.token, &ann.secret[..31]] {
        assert_eq!(gateway.post("/say", secret, &json!({ "who": true })).status, 401, "{secret}");
        assert_eq!(gateway.post("/bye", secret, &json!({})).status, 401, "{secret}");
        assert_eq!(Events::try_open(&gateway, secret, 0).err(), Some(401), "{secret}");
    }
}

#[test]
fn the_page_runs_nothing_but_itself_and_stands_in_no_frame() {
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let nonces: Vec<String> = (0..2)
        .map(|_| {
            let reply = gateway.request("GET /", "", "");
            let nonce = reply.head.split("script-src 'nonce-").nth(1).unwrap()[..32].to_owned();
            let policy = format!(
                "Content-Security-Policy: default-src 'none'; script-src 'nonce-{nonce}'; \
                 style-src 'nonce-{nonce}'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                 frame-ancestors 'none'\r\n"
            );
            assert!(reply.head.contains(&policy), "{}", reply.head);
            assert_eq!(reply.body.matches(&format!("nonce=\"{nonce}\"")).count(), 2);
            for field in
                ["X-Content-Type-Options: nosniff", "Referrer-Policy: no-referrer", "Cache-Control: no-store"]
            {
                assert!(reply.head.contains(field), "{}", reply.head);
            }
            nonce
        })
        .collect();
    assert_ne!(nonces[0], nonces[1]);
    let head = gateway.request("GET /nothing", "Chat: 1\r\n", "").head;
    assert!(head.starts_with("HTTP/1.1 404") && head.contains("default-src 'none'; frame-ancestors 'none'"));
}

#[test]
fn a_request_that_is_too_long_or_has_two_meanings_is_refused() {
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let host = gateway.address;
    let status = |text: String| Reply::parse(&gateway.raw(text.as_bytes())).status;
    let get = |fields: &str| status(format!("GET / HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"));
    assert_eq!(get(&format!("A: {}\r\n", "x".repeat(9000))), 413);
    assert_eq!(get(&"A: b\r\n".repeat(40)), 413);
    assert_eq!(get("Transfer-Encoding: chunked\r\n"), 400);
    assert_eq!(get("Content-Length: 70000\r\n"), 413);
    assert_eq!(get("Content-Length: 1\r\nContent-Length: 2\r\n"), 400);
    assert_eq!(get(""), 200);
}

#[test]
fn a_text_longer_than_the_room_allows_is_refused_and_not_split() {
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let (ann, mut bob) = (Page::join(&gateway, "Ann"), Page::join(&gateway, "Bob"));
    assert_eq!(ann.say(&gateway, &"é".repeat(2049), 1).status, 413);
    assert_eq!(ann.say(&gateway, &"é".repeat(2048), 2).status, 202);
    bob.hears(&"é".repeat(2048));
}

#[test]
fn a_page_says_what_it_may_and_no_object_is_more() {
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let ann = Page::join(&gateway, "Ann");
    for body in [
        json!({ "say": "without a number" }),
        json!({ "leave": true }),
        json!({ "history": 0 }),
        json!({ "operate": "x" }),
        json!({ "say": { "say": "x" }, "message_id": 1 }),
        json!([]),
    ] {
        assert_eq!(gateway.post("/say", &ann.secret, &body).status, 400, "{body}");
    }
    assert_eq!(gateway.post("/bye", &ann.secret, &json!({ "closing": false })).status, 400);
    assert_eq!(gateway.post("/join", "", &json!({ "name": 7 })).status, 400);
}

#[test]
fn so_many_requests_of_a_page_wait_and_the_next_one_is_told_to_wait() {
    let server = TestServer::start();
    let address = server.address();
    let gateway = Gateway::start(address, &[]);
    let mut ann = Page::join(&gateway, "Ann");
    server.stop();
    ann.sees("the loss", |line| line["state"] == "lost");
    let replies: Vec<u16> = (1..=20).map(|id| ann.say(&gateway, "later", id).status).collect();
    assert_eq!(replies.iter().filter(|status| **status == 202).count(), 16, "{replies:?}");
    assert!(replies.iter().all(|status| [202, 429].contains(status)), "{replies:?}");
}

#[test]
fn an_address_has_so_many_guests() {
    let server = TestServer::start();
    // The test is on loopback, which is exempt, so a proxy there stands for other addresses.
    let gateway = Gateway::start(server.address(), &["--behind", "127.0.0.1", "--guests-per-address", "2"]);
    let join = |name: &str, address: &str| {
        let fields = format!("{}X-Forwarded-For: 9.9.9.9, {address}\r\n", page_fields(""));
        gateway.request("POST /join", &fields, &json!({ "name": name }).to_string())
    };
    assert_eq!((join("Ann", "192.0.2.7").status, join("Bob", "192.0.2.7").status), (200, 200));
    let third = join("Cid", "192.0.2.7");
    assert_eq!((third.status, third.json()["cause"].as_str()), (403, Some("Busy")));
    assert_eq!(join("Cid", "192.0.2.8").status, 200);
}

#[test]
fn a_slow_head_and_a_slow_body_end_after_their_deadlines() {
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let host = gateway.address;
    let body = format!("POST /join HTTP/1.1\r\nHost: {host}\r\n{}Content-Length: 9\r\n\r\n", page_fields(""));
    let mut slow: Vec<TcpStream> = ["GET / HTTP/1.1\r\nHost: ", &body, ""]
        .iter()
        .map(|start| {
            let mut stream = gateway.connect();
            stream.write_all(start.as_bytes()).unwrap();
            stream
        })
        .collect();
    for stream in &mut slow {
        // A byte at each second would keep a deadline for single reads away.
        stream.set_read_timeout(Some(std::time::Duration::from_secs(1))).unwrap();
        let start = std::time::Instant::now();
        loop {
            match stream.read(&mut [0; 64]) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
                Err(_) => drop(stream.write(b"x")),
            }
            assert!(start.elapsed() < WATCHDOG_TIMEOUT, "the connection has a deadline");
        }
    }
}

#[test]
fn a_page_that_does_not_read_loses_its_stream_and_not_its_session() {
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let (ann, mut bob) = (Page::join(&gateway, "Ann"), Page::join(&gateway, "Bob"));
    let mut tom = Member::join(server.address(), "Tom");
    // More than the buffers of two sockets hold.
    let text = "x".repeat(4000);
    for _ in 0..3000 {
        tom.say(&text);
    }
    tom.say("end");
    bob.hears("end");
    // Only the thread of Bob's stream is left: that of Ann's does not wait for her for ever.
    poll("the end of the stream", || (gateway.http_threads() == 1).then_some(()));
    let mut ann = ann.resume(&gateway);
    ann.hears("end");
    assert!(!bob.stream.lines.iter().any(|line| line["event"] == "left"));
}

/// How many requests are changed, if `$CHAT_REQUESTS` does not say it.
const REQUESTS: u64 = 2_000;

/// What a page sends, as this guest. A stream would go on, so nobody opens one here.
fn valid_requests(gateway: &Gateway, secret: &str) -> Vec<Vec<u8>> {
    let (host, fields) = (gateway.address, page_fields(secret));
    let post = |path: &str, body: &str| {
        let length = body.len();
        format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n{fields}Content-Length: {length}\r\n\r\n{body}")
    };
    let session = format!("{{\"token\":\"{secret}\",\"room\":\"{:016x}\",\"sequence\":7}}", 1);
    let no_guest = page_fields(&"0".repeat(32));
    let requests = [
        format!("GET / HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\n\r\n"),
        format!("GET /events HTTP/1.1\r\nHost: {host}\r\n{no_guest}After: 0\r\n\r\n"),
        post("/say", "{\"say\":\"x\",\"message_id\":1}"),
        post("/say", "{\"to\":\"Ann\",\"text\":\"x\",\"message_id\":2}"),
        post("/say", "{\"history\":20,\"before\":9}"),
        post("/bye", "{\"closing\":true}"),
        // The name is taken, and so is each that a person reads as the same one.
        post("/join", &format!("{{\"name\":\"Ann\",\"session\":{session}}}")),
    ];
    requests.map(String::into_bytes).to_vec()
}

#[test]
fn requests_that_are_changed_at_random_cost_the_members_nothing() {
    let count = std::env::var("CHAT_REQUESTS").map_or(REQUESTS, |count| count.parse().unwrap());
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let (mut ann, mut tom) = (Page::join(&gateway, "Ann"), Member::join(server.address(), "Tom"));
    let eve = Page::join(&gateway, "Eve");
    let valid = valid_requests(&gateway, &eve.secret);
    let seed = seed_from_environment();
    let mut random = Random::new(seed);
    for number in 0..count {
        let mut bytes = valid[random.below(valid.len() as u64) as usize].clone();
        for _ in 0..=random.below(8) {
            let at = random.below(bytes.len() as u64) as usize;
            match random.below(3) {
                0 => bytes[at] = random.below(256) as u8,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, random.below(256) as u8),
            }
        }
        let mut stream = gateway.connect();
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        let status = Reply::parse(&answer).status;
        assert!(
            [0, 200, 202, 400, 401, 403, 404, 409, 413, 421, 429, 503].contains(&status),
            "seed {seed}: {answer}: {:?}",
            String::from_utf8_lossy(&bytes)
        );
        if number % 1000 == 0 {
            let text = format!("after {number}");
            tom.say(&text);
            ann.hears(&text);
        }
    }
    tom.say("still here");
    ann.hears("still here");
    assert_eq!(gateway.program.error_output(), "");
}
