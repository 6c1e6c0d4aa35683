//! Random members over a faulty network lose nothing. The test prints its seed, and `CHAT_SEED` repeats a
//! run.

use chat_tests::{
    checker::assert_clean,
    random::{run_random_members, seed_from_environment},
    server::TestServer,
};

#[test]
fn random_members_lose_nothing() {
    const MOVES: u64 = 150;
    let server = TestServer::start();
    let histories =
        run_random_members(server.address(), seed_from_environment(), 3, &|number| number < MOVES);
    assert_clean(|| &histories);
}
