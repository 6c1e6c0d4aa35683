//! The kit and the kit in Go serve the real client.

use chat_common::wire::protocol::{Reply, Request};
use chat_tests::{member::Member, process::installed};
use course_judge::{server::Server, target::Target};

/// On a terminal the client asks for the history, and does not leave before it has a reply or 15 s are over.
#[test]
fn a_client_that_asks_for_the_history_hears_that_there_is_none() {
    let targets = [Target::Step(0), Target::Go(0)];
    for target in targets.iter().filter(|target| matches!(target, Target::Step(_)) || installed("go")) {
        let mut command = target.build().expect("the step builds");
        let server = Server::start(&mut command);
        let mut ann = Member::join(server.address(), "ann");
        ann.say("1");
        let reply = ann.ask(&Request::History { count: 1, before: None }).expect("the server replies");
        assert_eq!(reply, Reply::History { events: Vec::new() }, "{target:?}");
    }
}
