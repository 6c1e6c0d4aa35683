//! Two threads change one map, and no lock protects it. A `RefCell` checks who borrows its value, but for one
//! thread alone.

use std::{cell::RefCell, collections::HashMap, sync::Arc, thread};

fn main() {
    let clients = Arc::new(RefCell::new(HashMap::new()));
    let joins = ["ann", "bob"].map(|name| {
        let clients = Arc::clone(&clients);
        thread::spawn(move || clients.borrow_mut().insert(name, "a client"))
    });
    joins.map(|join| join.join().unwrap());
    println!("{} clients", clients.borrow_mut().len());
}
