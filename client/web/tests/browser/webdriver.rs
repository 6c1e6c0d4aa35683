//! A browser, and the few calls of WebDriver that the tests need. Each call is a request of HTTP to a
//! chromedriver on this machine, which does it in its Chromium.

use chat_tests::{
    folder::Folder,
    process::{installed, Program},
    watchdog::WATCHDOG_TIMEOUT,
};
use serde_json::{json, Value};
use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpStream},
    process::Command,
    time::Duration,
};

/// The key Enter, as WebDriver writes it.
pub(crate) const ENTER: &str = "\u{e007}";

/// How long a call may take. A browser starts slowly on a loaded machine.
const CALL_TIMEOUT: Duration = WATCHDOG_TIMEOUT.saturating_mul(3);

/// A browser with a profile of its own. Dropping it ends it.
pub(crate) struct Browser {
    driver: Program,
    port: u16,
    session: String,
    /// The number of Chromium's process.
    pid: u64,
    profile: Folder,
}

impl Browser {
    /// Starts a browser. Returns `None`, and says so, where it is not installed.
    pub(crate) fn start() -> Option<Browser> {
        if !installed("chromedriver") || !installed("chromium") {
            println!("skipped: this machine has no chromium with its chromedriver");
            return None;
        }
        let driver = Program::start("chromedriver", Command::new("chromedriver").arg("--port=0"));
        let line = driver.line_starting_with("ChromeDriver was started successfully on port ");
        let port = line.trim_end_matches('.').rsplit(' ').next().unwrap().parse().unwrap();
        let profile = Folder::new();
        let mut browser = Browser { driver, port, session: String::new(), pid: 0, profile };
        let profile = format!("--user-data-dir={}", browser.profile.file("profile"));
        // The sandbox does not start as root. No other machine is asked for anything.
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--lang=en-US",
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
            &profile,
        ];
        let options = json!({ "args": arguments });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let session = browser.call("POST", "", &wanted);
        browser.session = session["sessionId"].as_str().unwrap().to_owned();
        browser.pid = session["capabilities"]["goog:processID"].as_u64().unwrap();
        Some(browser)
    }

    /// Calls chromedriver.
    ///
    /// # Errors
    /// What it says of a call that it cannot do.
    pub(crate) fn try_call(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let target = match self.session.as_str() {
            "" => "/session".to_owned(),
            session => format!("/session/{session}{path}"),
        };
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let answer = request(self.port, method, &target, &body).map_err(|error| error.to_string())?;
        let mut answer: Value = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
        match answer["value"].take() {
            value if value.get("error").is_some() && value.get("stacktrace").is_some() => {
                Err(format!("{}: {}", value["error"], value["message"]))
            }
            value => Ok(value),
        }
    }

    pub(crate) fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        self.try_call(method, path, body).unwrap_or_else(|error| panic!("{method} {path} {body}: {error}"))
    }

    pub(crate) fn goes_to(&self, url: &str) {
        self.call("POST", "/url", &json!({ "url": url }));
    }

    pub(crate) fn reloads(&self) {
        self.call("POST", "/refresh", &json!({}));
    }

    /// Runs the body of a function of JavaScript in the page.
    ///
    /// # Errors
    /// When the page is being replaced by another one.
    pub(crate) fn try_run(&self, script: &str, arguments: &Value) -> Result<Value, String> {
        self.try_call("POST", "/execute/sync", &json!({ "script": script, "args": arguments }))
    }

    /// Returns the value of an expression of JavaScript in the page.
    pub(crate) fn value(&self, expression: &str) -> Value {
        let value = self.try_run(&format!("return {expression}"), &json!([]));
        value.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    pub(crate) fn clicks(&self, selector: &str) {
        let element = self.element(selector);
        self.call("POST", &format!("/element/{element}/click"), &json!({}));
    }

    /// Types into this element.
    pub(crate) fn types(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.call("POST", &format!("/element/{element}/value"), &json!({ "text": text }));
    }

    /// Presses these keys one after the other, wherever the focus is.
    pub(crate) fn presses(&self, keys: &str) {
        let key =
            |key: char| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() }));
        let actions: Vec<Value> = keys.chars().flat_map(key).collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.call("POST", "/actions", &json!({ "actions": [keyboard] }));
    }

    fn element(&self, selector: &str) -> String {
        let found = json!({ "using": "css selector", "value": selector });
        let element = self.call("POST", "/element", &found);
        element.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    /// Sends a command of Chromium's own protocol.
    pub(crate) fn commands(&self, command: &str, parameters: &Value) -> Value {
        self.call("POST", "/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if self.pid == 0 {
            return;
        }
        let _ = self.try_call("DELETE", "", &Value::Null);
        // What is left without its driver is ended by its number. Its profile says that it is still ours.
        let command = fs::read_to_string(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        if command.contains(&self.profile.file("profile")) {
            let _ = Command::new("kill").args(["-s", "KILL", &self.pid.to_string()]).status();
        }
        let _ = self.driver.has_exited();
    }
}

/// Returns the body of the answer.
fn request(port: u16, method: &str, target: &str, body: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(CALL_TIMEOUT))?;
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((field, value)) if field.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            Some(_) => {}
            None if line.trim_end().is_empty() => break,
            // The first line.
            None => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(body)
}
