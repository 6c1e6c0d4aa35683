//! Lets the tests of this package run side by side, more of them than there are processors: nearly all of them
//! wait for a program, and not for a processor. Cargo passes the variable on to the tests that it runs.

use std::{env, thread};

/// How many tests run beside each other for each processor.
const TESTS_PER_PROCESSOR: usize = 4;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RUST_TEST_THREADS");
    if env::var_os("RUST_TEST_THREADS").is_none() {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        println!("cargo::rustc-env=RUST_TEST_THREADS={}", processors * TESTS_PER_PROCESSOR);
    }
}
