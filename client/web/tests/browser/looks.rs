//! How the page looks: on a telephone, in the dark, and to axe-core.

use crate::{gateway::Gateway, webdriver::Browser};
use chat_tests::{member::Member, server::TestServer};
use serde_json::{json, Value};
use std::{env, fs};

/// Where axe.min.js of axe-core is, which is not part of this repository.
const AXE_VARIABLE: &str = "AXE_CORE";

impl Browser {
    /// Makes the page as wide as a telephone.
    fn is_narrow(&self, width: u32) {
        let size = json!({ "width": width, "height": 640, "deviceScaleFactor": 1, "mobile": true });
        self.commands("Emulation.setDeviceMetricsOverride", &size);
        self.waits_until("the page is narrow", &format!("innerWidth === {width}"));
    }

    fn likes(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.commands("Emulation.setEmulatedMedia", &features);
        let matches = format!("matchMedia('(prefers-color-scheme: {scheme})').matches");
        self.waits_until(scheme, &matches);
    }

    /// Fails if something is wider than the page.
    fn scrolls_in_one_direction(&self) {
        let wider =
            "[document.documentElement, ...document.querySelectorAll('body, main, #log, #say, #side')]
            .filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.id || one.tagName)";
        assert_eq!(self.value(wider), json!([]));
    }

    /// Asks axe-core, if it is there.
    fn has_no_violations(&self, what: &str) {
        let Some(path) = env::var_os(AXE_VARIABLE) else {
            println!("skipped: {AXE_VARIABLE} is not the path of axe.min.js");
            return;
        };
        let axe = fs::read_to_string(path).unwrap();
        let run = "return axe.run(document).then(found => found.violations.map(one =>
            [one.id, one.help, ...one.nodes.map(node => node.html + ' ' + node.failureSummary)]))";
        let violations = self.try_run(&format!("{axe};{run}"), &json!([])).unwrap();
        assert_eq!(violations, Value::Array(Vec::new()), "{what}");
    }
}

#[test]
fn the_page_fits_a_telephone_is_dark_where_that_is_liked_and_axe_finds_nothing() {
    let Some(ann) = Browser::start() else { return };
    let server = TestServer::start();
    let gateway = Gateway::start(server.address(), &[]);
    let mut tom = Member::join(server.address(), "Tom");
    ann.goes_to(&format!("http://{}/", gateway.address));
    ann.waits_until("the page asks for a name", "!document.querySelector('#enter').hidden");
    ann.has_no_violations("the form");
    ann.is_narrow(320);
    ann.scrolls_in_one_direction();
    ann.has_no_violations("the form on a telephone");
    ann.joins(gateway.address, "Ann");
    tom.say(&"wide".repeat(100));
    tom.say_privately(
        "Ann",
        "for you: https://example.org/a/long/path/that/is/longer/than/the/page?and=more",
    );
    ann.says("/me waves");
    tom.hear_text("waves");
    ann.sees("waves");
    ann.sees("for you");
    for (scheme, background) in [("light", "rgb(243, 241, 236)"), ("dark", "rgb(22, 24, 26)")] {
        ann.likes(scheme);
        assert_eq!(ann.value("getComputedStyle(document.body).backgroundColor"), background);
        ann.scrolls_in_one_direction();
        ann.has_no_violations(scheme);
        ann.says("/who");
        ann.sees_in("#side", "Tom");
        ann.scrolls_in_one_direction();
        ann.has_no_violations("the list of people");
        ann.clicks("#show");
    }
    ann.commands("Emulation.clearDeviceMetricsOverride", &json!({}));
    ann.has_no_violations("the room on a wide screen");
}
