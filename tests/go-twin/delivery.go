// Delivery to one recipient. In the goroutines strategy a goroutine delivers one message. In the log strategy one goroutine
// delivers everything to its recipient.
//
// Rust: server/src/delivery/recipient.rs. It has the form of the log strategy, with a deadline for each call.
package main

import "log"

// deliver calls one recipient with one message. It waits for the reply without a deadline.
func deliver(recipient *Member, message Message, registry *Registry) {
	var received bool
	if err := recipient.callback.Call("Client.Receive", message, &received); err != nil {
		removeMember(recipient, err, registry)
	}
}

// deliveryLoop is a recipient's goroutine in the log strategy. It reads the log from its cursor, moves the cursor, and calls
// the recipient. It sleeps when it has read all of the log.
func deliveryLoop(recipient *Member, log *Log, cursor uint64, registry *Registry) {
	for {
		batch, next := log.readFrom(cursor, recipient.name)
		cursor = next
		if len(batch.Messages) == 0 && batch.Missed == 0 {
			continue // All these messages are the recipient's own.
		}
		var received bool
		if err := recipient.callback.Call("Client.ReceiveBatch", batch, &received); err != nil {
			removeMember(recipient, err, registry)
			return
		}
	}
}

// removeMember removes a member whose callback connection has failed. The others get no notice, as in the original.
func removeMember(member *Member, cause error, registry *Registry) {
	if registry.leave(member) {
		member.callback.Close()
		log.Printf("User [%s] left: %v", member.name, cause)
	}
}
