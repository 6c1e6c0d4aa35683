// The values that net/rpc encodes with gob.
//
// Rust: common/src/wire/protocol.rs. There a message has an id, so that a client can repeat a request and the server says the
// message once. It has no author, because the server knows the author by the connection. Here, as in the original, the client
// fills in the author.
package main

// JoinArgs holds the client's name and the address of the client's own RPC server.
type JoinArgs struct {
	User    string
	Address string
}

// Message is a message of a person, or a notice of the system about one.
type Message struct {
	User    string
	Content string
}

// Batch holds the messages that follow a recipient's cursor. Only the log strategy sends it.
type Batch struct {
	// Missed is the number of messages that the log dropped before this recipient read them.
	Missed   uint64
	Messages []Message
}

// system is the author of notices about joins. Nothing prevents a person from using the same name.
const system = "SYSTEM"
