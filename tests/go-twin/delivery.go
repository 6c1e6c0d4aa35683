// To one recipient: one message in one goroutine, or all that waits in the log in a goroutine that stays.
//
// Rust: server/src/delivery.rs, the second form, with a deadline for each call.
package main

import "log"

// deliver calls one recipient with one message, and waits for the reply as long as the recipient likes.
func deliver(recipient *Member, message Message, registry *Registry) {
	var received bool
	if err := recipient.callback.Call("Client.Receive", message, &received); err != nil {
		part(recipient, err, registry)
	}
}

// deliveryLoop is a recipient's whole life in the log strategy: read from the cursor, call, move the cursor, sleep.
func deliveryLoop(recipient *Member, log *Log, cursor uint64, registry *Registry) {
	for {
		batch, next := log.readFrom(cursor, recipient.name)
		cursor = next
		if len(batch.Messages) == 0 && batch.Missed == 0 {
			continue // All of it was the recipient's own.
		}
		var received bool
		if err := recipient.callback.Call("Client.ReceiveBatch", batch, &received); err != nil {
			part(recipient, err, registry)
			return
		}
	}
}

// part ends a member whose callback connection has failed. The others are not told, as in the original.
func part(member *Member, cause error, registry *Registry) {
	if registry.leave(member) {
		member.callback.Close()
		log.Printf("User [%s] left: %v", member.name, cause)
	}
}
