// The messages, as net/rpc's gob puts them on the wire.
//
// Rust: common/src/protocol.rs. There a message has a number, so that it can be repeated and still be said once, and no
// author: the author is the connection. Here, as in the original, the client fills in who it is.
package main

// JoinArgs says who comes, and where that client's own RPC server listens.
type JoinArgs struct {
	User    string
	Address string
}

// Message is what one person said, or what the system says about one.
type Message struct {
	User    string
	Content string
}

// Batch is everything that a recipient has not had yet; only the log strategy sends it.
type Batch struct {
	// Missed counts the messages that were gone from the log before this recipient came to read them.
	Missed   uint64
	Messages []Message
}

// system is the author of joins and leaves. Nothing stops a person from using the same name.
const system = "SYSTEM"
