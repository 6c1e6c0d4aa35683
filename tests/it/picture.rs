//! The moving picture in the README shows what the programs print today.

use chat_tests::process::repository;
use std::{fs, path::Path, process::Command};

#[test]
fn the_picture_of_a_session_is_up_to_date() {
    let drawn = Path::new(env!("CARGO_TARGET_TMPDIR")).join("session.svg");
    let status = Command::new(env!("CARGO_BIN_EXE_picture")).arg(&drawn).status().unwrap();
    assert!(status.success(), "the program that draws the picture failed: {status}");
    let drawn = fs::read_to_string(drawn).unwrap();
    let stored = fs::read_to_string(repository().join("tests/picture/session.svg")).unwrap();
    assert_eq!(drawn, stored, "the output of the programs has changed; run `make picture`");
}
