//! What a person at a browser does and sees.

use crate::webdriver::{Browser, ENTER};
use chat_tests::watchdog::poll_result;
use serde_json::{json, Value};
use std::net::SocketAddr;

/// What the page shows, for a wait that fails.
const SHOWN: &str = "document.body.innerText";

impl Browser {
    /// Opens the page and joins under this name.
    pub(crate) fn joins(&self, gateway: SocketAddr, name: &str) {
        self.asks_to_join(gateway, name);
        self.is_connected();
    }

    /// Opens the page, and enters this name.
    pub(crate) fn asks_to_join(&self, gateway: SocketAddr, name: &str) {
        self.goes_to(&format!("http://{gateway}/"));
        self.waits_until("the page asks for a name", "!document.querySelector('#enter').hidden");
        self.types("#field", &format!("{name}{ENTER}"));
    }

    /// Waits until the page is in the room.
    pub(crate) fn is_connected(&self) {
        let connected = "!document.querySelector('#room').hidden && \
                         document.querySelector('#state').textContent === 'Connected'";
        self.waits_until("the page is in the room", connected);
    }

    /// Types a line and Enter.
    pub(crate) fn says(&self, text: &str) {
        self.types("#text", &format!("{text}{ENTER}"));
    }

    /// Waits until the messages show this text.
    pub(crate) fn sees(&self, wanted: &str) {
        self.sees_in("#list", wanted);
    }

    /// Waits until this part of the page shows this text.
    pub(crate) fn sees_in(&self, part: &str, wanted: &str) {
        let text = json!(wanted);
        let shows = format!("document.querySelector({}).innerText.includes({text})", json!(part));
        self.waits_until(wanted, &shows);
    }

    /// Waits until an expression of JavaScript holds in the page.
    ///
    /// # Panics
    /// After the watchdog's timeout, with what the page shows.
    pub(crate) fn waits_until(&self, wanted: &str, expression: &str) {
        // The page looks itself for a while: a call for each look would keep a loaded machine busy.
        let script = format!(
            "return new Promise(done => {{
               let looks = 0;
               const look = () => {{
                 const holds = ({expression});
                 if (holds || ++looks > 20) done(holds ? true : {SHOWN}); else setTimeout(look, 25);
               }};
               look();
             }})"
        );
        poll_result(wanted, || match self.try_run(&script, &json!([])) {
            Ok(Value::Bool(true)) => Ok(()),
            Ok(shown) => Err(shown.as_str().unwrap_or_default().to_owned()),
            // The page is being replaced.
            Err(error) => Err(error),
        });
    }

    /// The texts of people in the order in which they are shown.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.strings("[...document.querySelectorAll('#list .text')].map(one => one.textContent)")
    }

    /// All entries as they are shown.
    pub(crate) fn entries(&self) -> Vec<String> {
        self.strings("[...document.querySelectorAll('#list li')].map(one => one.innerText)")
    }

    fn strings(&self, expression: &str) -> Vec<String> {
        let value = self.value(expression);
        value.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    }
}
