//! What rpc-chat's server and client share: the wire, connections that speak it, and what both need at a
//! terminal or write for programs.
//!
//! It reads no arguments and knows nothing of rooms. Each function runs on its caller's thread. Only two
//! files start a thread: [`background_writer`](program::background_writer), which writes the log or another
//! output, and [`shell_probe`](terminal::shell_probe).
//!
//! The rest of this page specifies the wire, version 3, completely. A client in any language can be written
//! from it; `tests/python/client.py` is one, and `closed_client.py` beside it is one for closed rooms.
//!
//! # Bytes
//!
//! All integers are unsigned and little-endian. The layouts below use these words:
//!
//! | written | means |
//! |---|---|
//! | `u8` `u16` `u32` `u64` | an integer of 8, 16, 32 or 64 bits |
//! | `bool` | one byte, 0 or 1 |
//! | `text` | a `u64` length in bytes, then that many bytes of UTF-8 |
//! | `list of T` | a `u64` count, then that many `T` |
//! | `optional T` | one byte 0, or one byte 1 and then a `T` |
//! | `token` | 16 bytes |
//!
//! This is the format of bincode 1.3 with integers of fixed width. A variant of an enum is a `u32`, and then
//! the fields of the variant.
//!
//! # Hello
//!
//! The side that dials a connection sends a hello of 29 bytes:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `RPC-CHAT` in ASCII |
//! | `u16` | the lowest protocol version that this side speaks |
//! | `u16` | the highest |
//! | `u8` | role: 1 call (client to server), 2 callback (server to client), 3 callback opened by the client |
//! | 16 | the session's token; zeros for role 1; an IPv6 address for role 7 |
//!
//! The roles 4, 5 and 6 are the roles 1, 2 and 3 in a closed room. They show no token; see *Closed rooms*.
//! Role 7 is role 1 for a guest of a gateway, and role 8 is role 4 for one; see *Gateways*.
//!
//! The side that accepts the connection answers with 11 bytes: `RPC-CHAT`, a `u8` status, a `u16` version.
//!
//! | status | means |
//! |---|---|
//! | 0 | welcome |
//! | 1 | refused: no version in common |
//! | 2 | refused: the server is busy |
//! | 3 | refused: this port does not serve this role |
//! | 4 | refused: no session has this token |
//! | 5 | refused: too many connections from this address |
//! | 6 | refused: this address is banned |
//! | 7 | refused: the server is shutting down |
//! | 8 | refused: the room is closed, and takes only connections with a passphrase |
//! | 9 | refused: the passphrase is not that of this room; only after a handshake |
//!
//! A side that does not know a status treats it as a final refusal.
//!
//! In a welcome the version is the one to use, which is the highest that both sides speak. In a refusal the
//! version is the highest that the refusing side speaks, and that side closes the connection. A side whose
//! hello gets status 1 can tell from that version which of the two programs is to be updated. Nobody speaks
//! the versions 1 and 2 any more.
//!
//! A busy server may answer before it reads the hello. A peer that does not begin with `RPC-CHAT` gets a
//! short HTTP 400, and its connection is closed.
//!
//! # Frames
//!
//! After a welcome, both sides send frames. A frame is a `u32` length and then that many bytes of payload.
//! The payload is one value of the enums below.
//!
//! A payload has at most 65,536 bytes, and at most 1,024 bytes until a Join or an Operate is accepted. A
//! payload ends the connection when it is longer, when bytes follow its value, or when it does not decode.
//!
//! A connection may end between two frames. An end inside a frame is an error.
//!
//! # The call connection (role 1 or 7)
//!
//! The client sends a request, and waits for its reply before it sends the next. The first request is Join,
//! or one of those for operators. The client sends Ping after 5 seconds without a request. The server gives a
//! client up after 15 seconds of silence. The time in which the server owes a reply does not count: a slow
//! disk can make the reply late. A client may wait for it, or close the connection and resume its session.
//!
//! | request | variant, fields | reply |
//! |---|---|---|
//! | Join | 0, see below | Joined |
//! | Broadcast | 1, `u64` message id, `bool` repeated, `text` text | Accepted |
//! | Who | 2 | People |
//! | Leave | 3 | Left when the name is free, and both connections close |
//! | Ping | 4 | Pong |
//! | Private | 5, `u64` message id, `bool` repeated, `text` to, `text` text | Accepted |
//! | Action | 6, `u64` message id, `bool` repeated, `text` text | Accepted |
//! | Rename | 7, `text` name | Renamed |
//! | History | 8, `u32` count, `optional u64` before | History |
//! | Operate | 9, `text` passphrase | Lines |
//! | Command | 10, `text` line | Lines |
//!
//! The fields of Join are: `text` name, `token`, `u16` port, `u32` history, `optional u64` resume,
//! `optional place` since, `bool` send only. A `place` is `u64` room, `u64` sequence. The server delivers
//! the last `history` messages first, unless it resumes a session or knows the place `since`. They are
//! messages and notices. Membership events before this Join are not among them.
//!
//! | reply | variant, fields |
//! |---|---|
//! | Refused | 0, `u32` cause, `text` explanation |
//! | Joined | 1, see below |
//! | Accepted | 2, `u64` sequence |
//! | People | 3, `list of person` people, `u32` total |
//! | Left | 4 |
//! | Pong | 5 |
//! | Renamed | 6, `u64` sequence |
//! | History | 7, `list of event` events |
//! | Lines | 8, `text` text, `bool` more |
//!
//! A `person` is `text` name, `u32` here, `u32` idle, `bool` operator. The times are in seconds. People are
//! sorted as people count: the case of letters makes no difference, and `pupil_16` stands before `pupil_159`.
//!
//! The fields of Joined are: `u64` room, `u64` sequence, `bool` called back, `u32` text limit, `optional u64`
//! kept for, `optional text` motd. `kept for` is how long the room keeps what is said on a disk, in seconds;
//! the highest number means without end, and none means not at all.
//!
//! A History has the last `count` messages, or fewer if one reply has no space for them. With `before` they
//! are messages with a lower sequence than that. A client asks for more with the sequence of the first event
//! as `before`; a History without events is the end. Among the messages can be Missed: what stands there
//! cannot be read. Its `first` is then the next `before`. A first event Missed whose `messages` is 0 stands
//! for no message: the server has looked so far back, and the client asks again.
//!
//! | cause | means |
//! |---|---|
//! | 0 | invalid name |
//! | 1 | the name is taken; to a Join that resumes: and the session is over |
//! | 2 | busy: send the same request again after a moment |
//! | 3 | invalid text |
//! | 4 | out of turn |
//! | 5 | nobody has the recipient's name |
//! | 6 | unknown session |
//! | 7 | the session is over: the operator removed the member |
//! | 8 | invalid port |
//! | 9 | the server is shutting down |
//! | 10 | banned |
//! | 11 | out of order: the message id is not higher than that of the last message |
//! | 12 | unsupported: the server does not do this, or not for a send-only client |
//! | 13 | muted: the operator lets the member say nothing for some time |
//! | 14 | no space: the server's disk is full; what was said before is safe |
//! | 15 | the name belongs to the key of another client; only in a closed room that keeps names |
//!
//! A client that does not know a cause treats it as final, and shows the explanation.
//!
//! After a refused Join the client may send another Join on the same connection.
//!
//! [`wire::protocol`] explains each field.
//!
//! # The callback connection (role 2 or 3)
//!
//! The client listens on a port of its own, and sends the number of that port in Join. Before the server
//! replies to the Join, it dials that port **on the address that the call connection comes from**. It sends a
//! hello with role 2 and the session's token. The client compares the token with its own, and answers any
//! other token with status 4.
//!
//! A client without a listener sends port 0. Such a client, and a client whose Joined says that the server
//! did not call back, dials the server's port itself within 5 seconds. It sends a hello with role 3 and its
//! token, and serves the same calls on that connection.
//!
//! | call | variant, fields | reply |
//! |---|---|---|
//! | Receive | 0, `bool` answer, `list of event` events | if answer is 1: a `u32` 0, Received |
//!
//! A call whose answer is 0 gets no reply, and the next call may follow it at once. A reply acknowledges its
//! call and all calls before it. A Receive without events is a ping. The server sends a ping when it hears
//! nothing for 5 seconds. It gives a client up that leaves a call unanswered for 5 seconds. A client that
//! hears nothing for 15 seconds should treat its server as lost.
//!
//! An event is `u64` sequence, `u64` time in milliseconds since the Unix epoch, and one of these:
//!
//! | event | variant, fields |
//! |---|---|
//! | Message | 0, `text` author, `u64` message id, `bool` repeated, `text` text |
//! | Joined | 1, `text` name |
//! | Left | 2, `text` name, `optional text` reason |
//! | Missed | 3, `u64` first, `bool` messages; the events from there to this event's sequence are gone |
//! | Ended | 4, `text` reason; nothing follows |
//! | Back | 5, `text` name |
//! | Private | 6, `text` author, `u64` message id, `bool` repeated, `text` text |
//! | Action | 7, `text` author, `u64` message id, `bool` repeated, `text` text |
//! | Renamed | 8, `text` from, `text` to |
//! | Notice | 9, `text` text |
//!
//! # Sessions
//!
//! The token identifies a session. A client that loses one of its connections closes the other, and dials
//! again. It sends a Join with its token, its name and `resume`, which is the highest sequence that it has
//! received. It then receives everything that follows that sequence. If it has not seen the reply to its last
//! Broadcast, Private or Action, it repeats that request with the same message id. The server says a message
//! at most once.
//!
//! A server may hold the name of a lost session for its client: others get *name taken*, and the refusal says
//! for how long. The client of the session itself resumes at once.
//!
//! The cause *unknown session* means that the server has restarted, or that the time for resuming has passed.
//! The client then joins again without `resume`. It sends `since`, the last place that it has received: the
//! room and the sequence. A server whose room has that number delivers everything that was said to everybody
//! since then, and says with Missed what it no longer has. Private messages of the earlier session are lost.
//!
//! Messages and membership events (Joined, Left, Back, Renamed) are kept apart. A client that is behind can
//! get a Missed whose `messages` is 0: only membership events are gone.
//!
//! Within a session each message id must be higher than that of the last accepted message. An equal id is a
//! repetition if text and kind are the same, and gets the same reply. Everything else is refused as *out of
//! order*. A client's first message id should be random.
//!
//! A client that does not know whether a message was accepted says it again in its new session, with the same
//! message id, and with `repeated` set. A recipient does not show a message if `repeated` is set and the last
//! message of the same author had the same kind, message id and text. No other message may be dropped because
//! of its id: ids are public, and anybody can send any id.
//!
//! # Send-only clients
//!
//! A client that comes only to speak sets `send_only` in its Join, with port 0. Nobody is told of it, and so
//! it receives nothing: nobody listens unseen. It opens no callback connection, and a hello with its token is
//! refused. `history` and `since` in its Join are ignored. It may send Broadcast, Private, Action, Ping and
//! Leave. Other requests are refused as *unsupported*. It is not among the People, and no Private reaches it.
//! The name is its own while it is there, as a member's is. It resumes its session as a member does, with
//! `send_only` set again; the sequence in `resume` makes no difference then. A Join that resumes with the
//! other value of `send_only` is refused as *unsupported*.
//!
//! # Operators
//!
//! Operate makes a connection one of an operator, if its passphrase is that of the operators. Both
//! sides make it of what they have as the password of a closed room is made, and the server compares that.
//! The passphrase belongs to the connection: a client that resumes its session sends it again. An empty
//! passphrase only asks whether the server would take one from here. In an open room the server takes it
//! from its own machine alone, unless its flags say otherwise. A wrong passphrase is refused as
//! *unsupported*, and after the third one the server closes the connection.
//!
//! Command carries out a line of the server's console for an operator. A refusal says what is wrong with it.
//! The reply has one or more frames: the texts of all Lines up to the first whose `more` is 0 belong
//! together. Operate and Command may come before the Join, and a client that sends one command need not
//! join. Where the server has no place for a connection, or its address is banned, the server may still
//! welcome it. It then refuses every Join with the reason, and every Command before Operate.
//!
//! # Gateways
//!
//! A gateway is a program through which others take part, its guests, such as people with a browser. It dials
//! the server for each of them with role 7, or with role 8 in a closed room. The 16 bytes of its hello are
//! the address of the guest. An IPv4 address is mapped: 10 bytes 0, 2 bytes `FF`, and its 4 bytes.
//!
//! | from | bytes | what, after the welcome, or in a closed room after the handshake and sealed |
//! |---|---|---|
//! | gateway | 32 | the key that it shares with the server |
//! | server | 11 | `RPC-CHAT`, a `u8` status, a `u16` version, as in the answer to a hello |
//!
//! With status 0 the connection goes on as a call connection does. The server answers 3 if it has no such
//! key, or if no machine can have the address; 2 or 5 if too many connections come from the address. It then
//! closes the connection.
//!
//! From then on the connection counts for the guest's address, and so does the session's callback connection
//! (role 3 or 6), which the server finds by its token. A guest whose address is banned is refused at its
//! Join, with the reason. The server counts a loopback address on another machine than its own as the
//! gateway's address. In an open room a guest cannot become an operator, unless operators can come from other
//! machines there.
//!
//! # Closed rooms
//!
//! A closed room takes the roles 4, 5, 6 and 8, and answers the roles 1, 3 and 7 with status 8. An open room
//! answers the roles 4, 6 and 8 with status 3. A client that has a passphrase MUST NOT go on in the open.
//! After the answer to the hello there is a handshake, and after the handshake everything is sealed. All
//! messages of a handshake have fixed lengths. A message that is not genuine ends the connection.
//!
//! A side may send its first message together with its hello or its answer. Both programs do so, which saves
//! two turns on the network for each join. A peer may also wait for the answer first.
//!
//! ## The call connection (role 4 or 8)
//!
//! | from | bytes | what |
//! |---|---|---|
//! | client | 33 | its message of SPAKE2, as side A |
//! | server | 33 | its message of SPAKE2, as side B |
//! | client | 48 | first message of Noise: `e` |
//! | server | 96 | second message: `e, ee, s, es` |
//! | client | 64 | third message: `s, se, psk` |
//! | server | 11 | `RPC-CHAT`, a `u8` status, a `u16` version, as in the answer to a hello |
//!
//! SPAKE2 is that of the packages `spake2` for Python and for Rust, over Ed25519, with the identities
//! `rpc-chat client` (A) and `rpc-chat server` (B). The key of 32 bytes that both sides get is the pre-shared
//! key of Noise.
//!
//! The password of SPAKE2 is made of the passphrase in UTF-8:
//!
//! 1. A byte order mark (`EF BB BF`) at the beginning is removed, then everything from the first `0A` on, and
//!    then one `0D` at the end.
//! 2. If nothing is left but the letters `A` to `Z` and `a` to `z` and white space, capital letters become
//!    small ones, white space at both ends is removed, and all white space between two words becomes one
//!    `20`. White space is U+0009 to U+000D, U+0020, U+0085, U+00A0, U+1680, U+2000 to U+200A, U+2028,
//!    U+2029, U+202F, U+205F and U+3000.
//! 3. A passphrase with any other character is used byte for byte.
//!
//! Noise is `Noise_XXpsk3_25519_AESGCM_SHA256` of revision 34. The client is the initiator. The payloads are
//! empty. The prologue is everything that both sides have sent before: hello, answer, and both messages of
//! SPAKE2. The static key of the server is the identity of the room. A client that has been in the room
//! before compares it when it has read the second message, and sends no third message to a room with another
//! key. A client SHOULD NOT dial again by itself after a handshake with a room that it does not know.
//!
//! The last answer is not sealed. With status 0 it repeats the answer to the hello to the byte, and sealed
//! records follow; status 9 says that the third message could not be read, so the passphrases differ. A
//! client believes that the server knows the passphrase when it has opened the first record, and remembers
//! the key of the room then.
//!
//! ## The callback connection (roles 5 and 6)
//!
//! The 16 bytes of the hello are the first half of the handshake's hash of the call connection, as Noise
//! defines it. They are no secret: they only name the session. A side that knows no such session answers with
//! status 4.
//!
//! | from | bytes | what |
//! |---|---|---|
//! | the side that dials | 48 | first message of Noise: `psk, e` |
//! | the side that accepts | 48 | second message: `e, ee` |
//!
//! Noise is `Noise_NNpsk0_25519_AESGCM_SHA256`. The pre-shared key is the session's token and 16 zeros. The
//! prologue is the 32 bytes of the call connection's hash, the hello and its answer.
//!
//! ## Records
//!
//! After a handshake each direction is a sequence of records. A record is a `u16` length and that many bytes,
//! 17 to 16,384: a transport message of Noise, which is ciphertext and a tag of 16 bytes. The records of one
//! direction hold, one after the other, the bytes that an open connection would have: a frame can begin and
//! end anywhere in a record. A side carries out nothing of a record before its tag is checked.
//! After 2^24 records a direction gets a new key by the `Rekey` of Noise; its count of records goes on.
//!
//! ## What is not hidden
//!
//! A listener sees the length and the time of each record. A program that dials the server sees the key of
//! the room. A program that plays the server sees the key of each client that does not know the room yet. The
//! answers to hellos and the status 9 are not sealed, so an attacker on the way can refuse a client in the
//! name of the server. Such an attacker can also end every connection.

#[cfg(not(unix))]
compile_error!(
    "rpc-chat runs on Linux and macOS: this system has no /dev/urandom, from which it takes random bytes"
);

pub mod handshake;
pub mod program;
pub mod terminal;
pub mod text;
pub mod trace;
pub mod wire;
