//! The scenarios, one file for each property.
// A panic is how a test reports a failure, and the output is for the person who runs the test.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::print_stdout)]
mod arrows;
mod commands;
mod console;
mod conversation;
mod cut_off;
mod cuts;
mod dist;
mod editor;
mod fallback;
mod faults_of_the_original;
mod flood;
mod fooled;
mod hostile;
mod limits;
mod machines;
mod order;
mod panics;
mod picture;
mod processes;
mod python;
mod random;
mod readme;
mod resume;
mod scripts;
mod seeded_bugs;
mod shutdown;
mod slow;
mod starved;
mod terminal;
mod tidy;
mod typing;
mod unread;
