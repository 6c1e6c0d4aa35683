//! Three threads use the variable of the loop that starts them. The closure borrows it, and the loop ends
//! before the thread.

use std::thread;

fn main() {
    thread::scope(|scope| {
        for recipient in ["ann", "bob", "cid"].map(String::from) {
            scope.spawn(|| println!("to {recipient}"));
        }
    });
}
