//! The scenarios, one file for each property.
// A panic is how a test reports a failure, and the output is for the person who runs the test.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::print_stdout)]
mod arrows;
mod background;
mod bots;
mod calm;
mod class;
mod clock;
#[cfg(feature = "closed")]
mod closed_changed;
#[cfg(feature = "closed")]
mod closed_client;
#[cfg(feature = "closed")]
mod closed_kept;
#[cfg(feature = "closed")]
mod closed_python;
#[cfg(feature = "closed")]
mod closed_room;
#[cfg(feature = "closed")]
mod closed_room_attacked;
#[cfg(feature = "closed")]
mod closed_server;
#[cfg(feature = "closed")]
mod closed_traffic_changed;
#[cfg(feature = "closed")]
mod closed_traffic_read;
mod commands;
mod console;
mod console_line;
mod conversation;
mod cut_off;
mod cuts;
mod fallback;
mod faults_of_the_original;
mod first_minute;
mod flood;
mod fooled;
mod guests;
mod hostile;
mod journal;
mod journal_copy;
mod journal_disk;
mod journal_full;
mod journal_moved;
mod journal_order;
mod kept_files;
mod kind_of_room;
mod leaving;
mod limits;
mod lost_names;
mod machines;
mod numbers;
mod old_messages;
mod operator;
mod operators;
mod order;
mod order_before_state;
mod outputs;
mod panics;
mod patience;
mod picture;
mod pipes;
mod processes;
mod progress;
mod python;
mod random;
mod readme;
mod resume;
mod scripts;
mod seeded_bugs;
mod send_only;
mod shutdown;
mod signals;
mod slow;
mod starved;
mod terminal;
mod text_files;
mod tidy;
mod typing;
mod unread;
mod words;
