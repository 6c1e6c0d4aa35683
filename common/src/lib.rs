//! The RPC layer that rpc-chat's server and client agree on. It never spawns a thread, never reads arguments, and does
//! not know what a room is.
//!
//! What follows specifies the wire, version 1, completely: a client can be written from it in any language.
//! `tests/python/client.py` was.
//!
//! # Bytes
//!
//! All integers are unsigned and little-endian. In the layouts below
//!
//! | written | means |
//! |---|---|
//! | `u8` `u16` `u32` `u64` | an integer of so many bits |
//! | `bool` | one byte, 0 or 1 |
//! | `text` | a `u64` length in bytes, then that many bytes of UTF-8 |
//! | `list of T` | a `u64` count, then that many `T` |
//! | `optional T` | one byte 0, or one byte 1 and then a `T` |
//! | `token` | 16 bytes |
//!
//! (This is bincode 1.3 with integers of fixed width. A variant of an enum is a `u32` and then its fields.)
//!
//! # Hello
//!
//! Whoever dialled a connection sends 29 bytes:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `RPC-CHAT` in ASCII |
//! | `u16` | the lowest protocol version it speaks |
//! | `u16` | the highest |
//! | `u8` | role: 1 call (client to server), 2 callback (server to client), 3 callback opened by the client |
//! | 16 | the session's token; zeros for role 1 |
//!
//! Whoever accepted it answers with 11 bytes: `RPC-CHAT`, a `u8` status, a `u16` version. Status 0 is *welcome*, and the
//! version is the one to use: the highest that both speak. Any other is a refusal, the version is the highest that the
//! refusing side speaks, and it closes: 1 no version in common, 2 busy, 3 role not served here, 4 unknown token, 5 too many
//! connections from your address, 6 address banned, 7 shutting down. A busy server may answer before it has read the hello.
//! A peer whose first bytes are not the magic gets a short HTTP 400 and is closed.
//!
//! # Frames
//!
//! After the hello, each message is a `u32` length and that many bytes of payload. A payload is at most 65,536 bytes
//! (1,024 until a Join has been accepted); a longer one, one with bytes to spare and one that does not decode end the
//! connection. The payload is one of the enums below. A connection may end between frames; inside one it is an error.
//!
//! # The call connection (role 1)
//!
//! The client sends a request and waits for its reply before it sends the next. The first request is Join.
//! After 5 seconds without a request it sends Ping; after 15 seconds of silence the server gives it up.
//!
//! | request | variant, fields | reply |
//! |---|---|---|
//! | Join | 0, `text` name, `token`, `u16` port, `u32` history, `optional u64` resume | Joined |
//! | Broadcast | 1, `u64` number, `text` text | Accepted |
//! | Who | 2 | People |
//! | Leave | 3 | Left, and both connections close |
//! | Ping | 4 | Pong |
//! | Private | 5, `u64` number, `text` to, `text` text | Accepted |
//! | Action | 6, `u64` number, `text` text | Accepted |
//! | Rename | 7, `text` name | Renamed |
//! | History | 8, `u32` count | History |
//!
//! | reply | variant, fields |
//! |---|---|
//! | Refused | 0, `u32` cause, `text` explanation |
//! | Joined | 1, `u64` room, `u64` sequence, `bool` called back, `u32` longest text in bytes, `optional text` motd |
//! | Accepted | 2, `u64` sequence |
//! | People | 3, `list of text` names, `u32` total |
//! | Left | 4 |
//! | Pong | 5 |
//! | Renamed | 6, `u64` sequence |
//! | History | 7, `list of event` events |
//!
//! Causes: 0 invalid name, 1 name taken, 2 busy (send the same again after a moment), 3 invalid text, 4 out of turn, 5 nobody
//! of that name, 6 unknown session, 7 session over, 8 invalid port, 9 shutting down, 10 banned. After a refused Join the client
//! may send another Join on the same connection.
//!
//! Field by field, the meaning stands in [`protocol`].
//!
//! # The callback connection (role 2, or 3)
//!
//! The client listens on a port of its own and announces that port in Join. While the client waits for the reply to its
//! Join, the server dials that port **on the address that the call connection comes from** and sends a hello with role 2 and the
//! session's token. The client compares the token with its own and answers 4 to any other. When Joined says that it was not
//! called back, or when the client has announced port 0, it dials the server's port itself within 5 seconds, says hello
//! with role 3 and its token, and serves the same calls over that connection.
//!
//! | call | variant, fields | reply |
//! |---|---|---|
//! | Receive | 0, `bool` answer, `list of event` events | where answer is 1: a `u32` 0, Received |
//!
//! Calls without answer need no reply and may follow each other; a reply stands for its call and all before it. Without
//! events a Receive is a ping. The server sends one when it has heard nothing for 5 seconds, and gives a client up that leaves
//! a call unanswered for 5 seconds. A client that hears nothing for 15 seconds should take its server for lost.
//!
//! An event is `u64` sequence, `u64` time in milliseconds since the Unix epoch, and:
//!
//! | event | variant, fields |
//! |---|---|
//! | Message | 0, `text` author, `u64` number, `text` text |
//! | Joined | 1, `text` name |
//! | Left | 2, `text` name, `optional text` reason |
//! | Missed | 3, `u64` first (the events from there to this sequence number are gone) |
//! | Ended | 4, `text` reason; nothing follows |
//! | Back | 5, `text` name |
//! | Private | 6, `text` author, `u64` number, `text` text |
//! | Action | 7, `text` author, `u64` number, `text` text |
//! | Renamed | 8, `text` from, `text` to |
//! | Notice | 9, `text` text |
//!
//! # Sessions
//!
//! A session is known by its token. A client that has lost either connection closes the other, dials anew and sends a Join
//! with its token, its name and `resume` set to the highest sequence number it has received; it gets all that follows. It then
//! repeats the numbered request whose reply it has not seen, with the same number: the server says it at most once.
//! Unknown session means that the server has restarted or the time for resuming has passed: join anew without `resume`.
//! A client's numbers should start at random, and go on counting through all its sessions: a message whose number equals the
//! last one received of the same author is that same message again.

pub mod batch;
pub mod codec;
pub mod error;
pub mod frame;
pub mod hello;
pub mod protocol;
pub mod rpc;
pub mod shutdown;
pub mod status;
pub mod stream;
pub mod token;
