//! The judge of the course. It starts a server, plays a scene in its room, and says what is wrong with it.
//!
//! | file | what |
//! |---|---|
//! | `target` | which server: a step, an exercise, any program; and how it is built |
//! | `server` | the server's process: started, looked at, killed |
//! | `room` | ann, bob and cid |
//! | `rest` | waits until something has happened, or nothing will |
//! | `verdicts` | the scenes: order, nobody waits, memory |
//! | `panics`, `trickle`, `stop`, `once` | those of the second lesson |
//! | `matrix` | what the verdicts on each server of the course must be |
//! | `course` | the verdicts on all of them, in a table |
//! | `trace` | what the threads of a step did while ann said one thing |
//! | `way` | the message's way, which is found in a trace |
//! | `picture`, `pictures` | the way as a picture, and those of all steps |
//! | `refused` | what the compiler must refuse |
//! | `lesson` | the experiments of the lesson |
//! | `recorded` | the verdicts on Go, for those who have none |

// The output is for the person who runs the judge.
#![allow(clippy::print_stdout, clippy::print_stderr)]

pub mod course;
pub mod lesson;
pub mod matrix;
mod once;
mod panics;
pub mod picture;
pub mod pictures;
pub mod recorded;
pub mod refused;
pub mod rest;
pub mod room;
pub mod server;
mod stop;
pub mod target;
pub mod trace;
mod trickle;
pub mod verdicts;
pub mod way;
