//! A connection cut at every byte position of a join-send-receive exchange, in both directions and on both connections:
//! after resuming, nothing is lost and nothing is doubled.

use chat_tests::{
    checker::assert_clean,
    member::Member,
    proxy::{Fault, Faults, Proxy},
    server::TestServer,
};

/// The exchange: alice joins, bob speaks, alice speaks and hears, both connections of hers through the proxy. The
/// proxied connection with this number is cut once, after `bytes`. Answers whether the cut was within the exchange.
fn exchange(server: &TestServer, round: usize, connection: usize, faults: Faults) -> bool {
    let proxy = Proxy::start(server.address());
    let mut bob = Member::join(server.address(), &format!("bob{round}"));
    proxy.plan_faults(move |number| if number == connection { faults } else { Faults::default() });
    let name = format!("alice{round}");
    // A join that is cut has not happened for the client; it tries again, as a person would, under the same name.
    let mut tries = 0;
    let mut alice = loop {
        tries += 1;
        assert!(tries < 10_000, "{name} cannot join");
        if let Ok(alice) = Member::try_join(proxy.address(), &name, chat_tests::member::Callbacks::Open) {
            break alice;
        }
    };
    let greeting = format!("bob {round}");
    bob.say(&greeting);
    alice.say_until_accepted(&format!("alice {round}"));
    alice.say_until_accepted(&format!("alice {round} again"));
    let mut end = bob.say(&format!("bob {round} again"));
    if alice.last_sequence() < end {
        // Where the callback connection alone was cut, she finds out with her next call at the latest.
        alice.say_until_accepted(&format!("alice {round} done"));
        end = bob.say(&format!("bob {round} done"));
        while alice.hear_within(std::time::Duration::from_millis(200), end).is_none() {
            alice.reconnect();
        }
    }
    bob.hear("all of hers", |what| {
        chat_tests::history::text_of(what) == Some(format!("alice {round} again").as_str())
    });
    let cut = proxy.connection_count() > 2;
    assert_clean(&[alice.history(), bob.history().left_early()]);
    cut
}

/// Cuts at 0, 1, 2, ... until a cut lies behind the end of the exchange.
fn cut_everywhere(connection: usize, faults: fn(u64) -> Faults) {
    let server = TestServer::start();
    let mut byte = 0;
    while exchange(&server, byte as usize, connection, faults(byte)) {
        byte += 1;
        assert!(byte < 5000, "the exchange has fewer bytes than that");
    }
    // A hello or its answer alone has more: the loop did cut something.
    assert!(byte > 11, "the exchange went undisturbed after {byte} cuts");
}

#[test]
fn the_call_connection_cut_at_every_byte_on_the_way_to_the_server() {
    cut_everywhere(0, |byte| Faults { up: Fault::CutAfter(byte), down: Fault::Pass });
}

#[test]
fn the_call_connection_cut_at_every_byte_on_the_way_back() {
    cut_everywhere(0, |byte| Faults { up: Fault::Pass, down: Fault::CutAfter(byte) });
}

#[test]
fn the_callback_connection_cut_at_every_byte_on_the_way_to_the_server() {
    cut_everywhere(1, |byte| Faults { up: Fault::CutAfter(byte), down: Fault::Pass });
}

#[test]
fn the_callback_connection_cut_at_every_byte_on_the_way_to_the_client() {
    cut_everywhere(1, |byte| Faults { up: Fault::Pass, down: Fault::CutAfter(byte) });
}
