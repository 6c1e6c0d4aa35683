//! How a server stops: what step 7 shows, for the step behind it.

use crate::connection::accept;
use crate::sync::{bounded, scope, Receiver};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Weak};

/// What the system tells a program that shall stop: SIGTERM, SIGHUP or Ctrl-C.
pub struct Signal(Receiver<()>);

impl Signal {
    /// Handles the signals from now on. They do not end the program any more.
    ///
    /// # Panics
    /// When it is called twice.
    pub fn handle() -> Signal {
        let (asked, signals) = bounded(1);
        ctrlc::set_handler(move || _ = asked.try_send(())).expect("a program handles signals once");
        Signal(signals)
    }

    /// Waits until the first of them comes.
    ///
    /// # Blocking
    /// For ever, where none comes.
    pub fn wait(mut self) {
        self.0.next();
    }
}

/// Serves each client on a thread of its own with its own clone of `serve`. When the signal comes it sets the
/// flag, accepts no client any more, and reads from none.
///
/// # Blocking
/// Until the threads of all clients have ended.
pub fn serve_until(
    signal: Signal,
    stopping: &AtomicBool,
    listener: &TcpListener,
    serve: impl FnOnce(Arc<TcpStream>) + Clone + Send,
) {
    scope(|threads| {
        threads.spawn("accept", || accept_loop(stopping, listener, serve));
        signal.wait();
        stopping.store(true, SeqCst);
        // A connection wakes the thread in `accept`.
        let _ = listener.local_addr().and_then(TcpStream::connect);
    });
}

fn accept_loop(
    stopping: &AtomicBool,
    listener: &TcpListener,
    serve: impl FnOnce(Arc<TcpStream>) + Clone + Send,
) {
    let mut open = Vec::<Weak<TcpStream>>::new();
    scope(|threads| {
        loop {
            let calls = Arc::new(accept(listener).expect("the listener lives as long as the program"));
            if stopping.load(SeqCst) {
                break;
            }
            open.retain(|calls| calls.strong_count() > 0);
            open.push(Arc::downgrade(&calls));
            let serve = serve.clone();
            threads.spawn("a new client", move || serve(calls));
        }
        // Their threads read the end, and can still reply.
        open.iter().filter_map(Weak::upgrade).for_each(|calls| _ = calls.shutdown(Shutdown::Read));
        // Without this the scope would wait for itself: what `serve` has ends with its last clone.
        drop(serve);
    });
}
