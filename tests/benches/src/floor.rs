//! The floor: the least that a fan-out over TCP can do. It is what every system is measured against, and not
//! a chat.
//!
//! One thread waits for all sockets with epoll. In each turn it reads each of those that have something once,
//! and joins all whole lines to one text. Then it writes this text once to each member, with the author's own
//! lines. There are no numbers, no acknowledgements, no names and no limits: a member that stops reading
//! costs memory without an end. The thread waits for no member.
//!
//! If asked, it acknowledges each message, with one more write to its author. The difference shows what
//! acknowledgements cost at least.

use rustix::event::epoll::{self, EventData, EventFlags};
use std::{
    collections::HashMap,
    io::{self, ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
};

/// What the server sends first, so that a client knows that it hears everything from then on.
pub const GREETING: &[u8] = b"\n";
/// What the author of a message gets, if messages are acknowledged.
pub const ACKNOWLEDGEMENT: &[u8] = b"+\n";
/// The number of the listener in the epoll set. Members have the numbers above it.
const LISTENER: u64 = 0;
const READ_BYTES: usize = 64 * 1024;

struct Member {
    socket: TcpStream,
    /// The beginning of a line whose rest has not come.
    begun: Vec<u8>,
    /// What the system did not take. The rest of a text goes before the next one.
    unsent: Vec<u8>,
}

/// Serves on `address` until the process is killed.
///
/// # Blocking
/// For ever, on clients.
///
/// # Errors
/// When the listener or epoll fails. The failure of a member ends only that member.
pub fn serve(address: &str, acknowledges: bool) -> io::Result<()> {
    crate::process::raise_open_files();
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let (mut members, mut last) = (HashMap::new(), LISTENER);
    let (mut events, mut buffer) = (Vec::with_capacity(1024), vec![0; READ_BYTES]);
    loop {
        events.clear();
        match epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let (mut text, mut lost) = (Vec::new(), Vec::new());
        for event in &events {
            let number = event.data.u64();
            if number == LISTENER {
                while let Some(socket) = accept(&listener)? {
                    last += 1;
                    let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
                    epoll::add(&epoll, &socket, EventData::new_u64(last), flags)?;
                    members.insert(last, Member { socket, begun: Vec::new(), unsent: GREETING.to_vec() });
                }
            } else if let Some(member) = members.get_mut(&number) {
                let bytes = text.len();
                let heard = member.hear(&mut buffer, &mut text).and_then(|()| {
                    let is_told = acknowledges && text.len() > bytes;
                    member.tell(if is_told { ACKNOWLEDGEMENT } else { b"" })
                });
                lost.extend(heard.is_err().then_some(number));
            }
        }
        if !text.is_empty() {
            let told = members.iter_mut().map(|(number, member)| (*number, member.tell(&text)));
            lost.extend(told.filter_map(|(number, told)| told.is_err().then_some(number)));
        }
        lost.iter().for_each(|number| drop(members.remove(number)));
    }
}

/// Returns a connection, if one waits.
fn accept(listener: &TcpListener) -> io::Result<Option<TcpStream>> {
    match listener.accept() {
        Ok((socket, _)) => {
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            Ok(Some(socket))
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

impl Member {
    /// Reads what has come, and appends the whole lines to `text`.
    fn hear(&mut self, buffer: &mut [u8], text: &mut Vec<u8>) -> io::Result<()> {
        loop {
            let count = match self.socket.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            self.begun.extend_from_slice(&buffer[..count]);
            let whole = memchr::memrchr(b'\n', &self.begun).map_or(0, |end| end + 1);
            text.extend(self.begun.drain(..whole));
            if count < buffer.len() {
                return Ok(());
            }
        }
    }

    /// Writes what is left, and then `text`, as far as the system takes it.
    fn tell(&mut self, text: &[u8]) -> io::Result<()> {
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(text);
            let written = write(&self.socket, &self.unsent)?;
            self.unsent.drain(..written);
        } else if !text.is_empty() {
            let written = write(&self.socket, text)?;
            self.unsent.extend_from_slice(&text[written..]);
        }
        Ok(())
    }
}

fn write(mut socket: &TcpStream, text: &[u8]) -> io::Result<usize> {
    match socket.write(text) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        written => written,
    }
}
