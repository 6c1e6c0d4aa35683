// The broadcaster: the one goroutine that takes every message from the channel and passes it on to the recipients.
//
// Rust: server/src/room/broadcaster.rs. The channel gives all messages one order, there and here. The goroutines below lose
// that order again, because the scheduler chooses which of them runs first.
package main

// broadcasterLoop starts a goroutine per recipient for each message. Nothing limits their number: a recipient that has
// stopped reading holds one goroutine for each message since then.
func broadcasterLoop(events <-chan Message, registry *Registry) {
	for message := range events {
		for _, recipient := range registry.others(message.User) {
			go deliver(recipient, message, registry)
		}
	}
}

// appenderLoop is the broadcaster of the log strategy. It appends to the log, and each recipient's goroutine reads the log.
func appenderLoop(events <-chan Message, registry *Registry) {
	for message := range events {
		batch := []Message{message}
		for waiting := len(events); waiting > 0; waiting-- {
			batch = append(batch, <-events)
		}
		registry.log.append(batch)
	}
}
