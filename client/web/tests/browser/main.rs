//! Guests in real browsers: Chromium without a window, over WebDriver. Where it is not installed, each test
//! is skipped with a word.
// A test panics to report a failure, and says on its output that it is skipped.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod away;
mod gateway;
mod guest;
mod looks;
mod refused;
mod talking;
mod typing;
mod webdriver;
