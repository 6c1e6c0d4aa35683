//! A connection is cut at every byte of an exchange, in both directions and on both connections.
//!
//! After the member reconnects, nothing is lost and nothing arrives twice.

use chat_server::Limits;
use chat_tests::{
    checker::assert_clean,
    member::{Callbacks, Member},
    proxy::{Fault, Faults, Proxy},
    server::{without_rate_limit, TestServer},
};
use std::time::Duration;

/// Runs one exchange: alice joins through a proxy, bob speaks, alice speaks and hears. The proxied connection
/// with this number gets these faults. Returns whether the cut happened within the exchange.
fn exchange(server: &TestServer, round: usize, connection: usize, faults: Faults) -> bool {
    let proxy = Proxy::start(server.address());
    let mut bob = Member::join(server.address(), &format!("bob{round}"));
    proxy.plan_faults(move |number| if number == connection { faults } else { Faults::default() });
    let name = format!("alice{round}");
    let mut alice = Member::join_through_cuts(proxy.address(), &name, Callbacks::Open);
    let greeting = format!("bob {round}");
    bob.say(&greeting);
    alice.say_until_accepted(&format!("alice {round}"));
    alice.say_until_accepted(&format!("alice {round} again"));
    let mut end = bob.say(&format!("bob {round} again"));
    if alice.last_sequence() < end {
        // The cut may have ended the callback connection alone. Then alice notices it with her next call.
        alice.say_until_accepted(&format!("alice {round} done"));
        end = bob.say(&format!("bob {round} done"));
        alice.reconnect_until_received(end);
    }
    bob.hear_text(&format!("alice {round} again"));
    let cut = proxy.connection_count() > 2;
    assert_clean(|| [alice.history(), bob.history().left_early()]);
    cut
}

/// Cuts after 0, 1, 2, ... bytes until a cut lies behind the end of the exchange.
///
/// `way` says for the reader what is cut.
fn cut_after_every_byte(way: &str, connection: usize, faults: fn(u64) -> Faults) {
    eprintln!("Alice and Bob talk. Alice's {way}, is cut after 0, 1, 2, ... bytes, and she dials again.");
    // Each try to join is a client of its own, so it has not the secret of a session that was cut.
    let server = TestServer::with_limits(Limits { hold_name: Duration::ZERO, ..without_rate_limit() });
    let mut byte = 0;
    while exchange(&server, byte as usize, connection, faults(byte)) {
        byte += 1;
        assert!(byte < 5000, "an exchange has fewer than {byte} bytes");
    }
    // The answer to a hello alone has 11 bytes, so with more rounds the loop has cut something.
    assert!(byte > 11, "only {byte} cuts disturbed the exchange");
    eprintln!("  {byte} talks, one cut at each byte: both got every message once, and in one order.");
}

#[test]
fn a_call_connection_cut_on_the_way_to_the_server_loses_and_doubles_nothing() {
    cut_after_every_byte("call connection, on its way to the server", 0, |byte| Faults {
        up: Fault::CutAfter(byte),
        down: Fault::Pass,
    });
}

#[test]
fn a_call_connection_cut_on_the_way_back_loses_and_doubles_nothing() {
    cut_after_every_byte("call connection, on its way back", 0, |byte| Faults {
        up: Fault::Pass,
        down: Fault::CutAfter(byte),
    });
}

#[test]
fn a_callback_connection_cut_on_the_way_to_the_server_loses_and_doubles_nothing() {
    cut_after_every_byte("callback connection, on its way to the server", 1, |byte| Faults {
        up: Fault::CutAfter(byte),
        down: Fault::Pass,
    });
}

#[test]
fn a_callback_connection_cut_on_the_way_to_the_client_loses_and_doubles_nothing() {
    cut_after_every_byte("callback connection, on its way to her", 1, |byte| Faults {
        up: Fault::Pass,
        down: Fault::CutAfter(byte),
    });
}
