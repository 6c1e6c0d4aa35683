//! Whatever happens in whatever order: the promise holds. The seed is printed, and `CHAT_SEED` gives it again.

use chat_tests::{
    checker::assert_clean,
    random::{run_random_members, seed_from_environment},
    server::TestServer,
};

#[test]
fn random_lives_lose_nothing() {
    const MOVES: u64 = 150;
    let server = TestServer::start();
    assert_clean(&run_random_members(server.address(), seed_from_environment(), 3, &|number| number < MOVES));
}
