//! A person who leaves while lines are unsent is told so, on a terminal with the editor and without it.

use chat_tests::{
    process::Program,
    terminal::{TerminalUser, ENTER},
};

#[test]
fn one_who_leaves_with_lines_unsent_is_told_so_and_the_exit_code_is_one() {
    for leave in [&format!("/quit{ENTER}"), "\x04"] {
        let (server, address) = Program::server(&[]);
        let mut alice = TerminalUser::join(address, (24, 80), "Alice");
        drop(server);
        alice.sees("connection lost");
        alice.types(&format!("hello{ENTER}"));
        alice.sees("--- waiting to be sent: hello ---");
        alice.types(leave);
        alice.sees("--- lines that were not sent: 1 ---");
        alice.sees("Bye!");
        assert_eq!(alice.exits(), 1, "{leave:?}");
    }
}
