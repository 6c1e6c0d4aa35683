//! Whatever happens in whatever order: the promise holds. The seed is printed, and `CHAT_SEED` gives it again.

use chat_tests::{
    checker::assert_clean,
    random::{play, seed},
    server::TestServer,
};

#[test]
fn random_lives_lose_nothing() {
    const MOVES: u64 = 150;
    let server = TestServer::start();
    assert_clean(&play(server.address(), seed(), 3, &|number| number < MOVES));
}
