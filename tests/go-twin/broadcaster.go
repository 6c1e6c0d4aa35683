// Channel to recipients: the one goroutine that every message passes through.
//
// Rust: server/src/broadcaster.rs. The channel gives all messages one order there as here. Here it is lost again at the very
// next step: who runs first of the goroutines started below is the scheduler's choice.
package main

// broadcasterLoop starts a goroutine per recipient for each message. Nothing bounds their number: a recipient that has
// stopped reading holds one goroutine for each message said since.
func broadcasterLoop(events <-chan Message, registry *Registry) {
	for message := range events {
		for _, recipient := range registry.others(message.User) {
			go deliver(recipient, message, registry)
		}
	}
}

// appenderLoop is the broadcaster of the log strategy: it appends, and the recipients' goroutines do the rest.
func appenderLoop(events <-chan Message, registry *Registry) {
	for message := range events {
		batch := []Message{message}
		for waiting := len(events); waiting > 0; waiting-- {
			batch = append(batch, <-events)
		}
		registry.log.append(batch)
	}
}
