// Step 3: a channel and a goroutine for each recipient.
package main

import (
	"sync"

	"course/go/wire"
)

// channelLength is how many messages may wait for one client. Every channel of Go has a bound.
const channelLength = 16

// ChatServer is the room.
type ChatServer struct {
	broadcast chan wire.Message

	mu      sync.Mutex // protects following
	clients map[string]chan wire.Message
}

func (s *ChatServer) Join(client *wire.Client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients[client.Name] != nil {
		return false
	}
	messages := make(chan wire.Message, channelLength)
	s.clients[client.Name] = messages
	go deliver(messages, client)
	return true
}

func (s *ChatServer) Broadcast(message wire.Message) {
	s.broadcast <- message
}

func (s *ChatServer) Leave(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.clients[name])
	delete(s.clients, name)
}

// broadcaster passes each message on. It waits for a client whose channel is full.
func (s *ChatServer) broadcaster() {
	for message := range s.broadcast {
		s.mu.Lock()
		for name, messages := range s.clients {
			if name != message.Author {
				messages <- message
			}
		}
		s.mu.Unlock()
	}
}

// deliver calls one client with one message after the other, until it has left. The messages after a failed call are
// dropped, so that the broadcaster does not wait.
func deliver(messages <-chan wire.Message, client *wire.Client) {
	for message := range messages {
		client.Receive(message)
	}
}

func main() {
	listener := wire.Listen()
	server := &ChatServer{broadcast: make(chan wire.Message, 1024), clients: make(map[string]chan wire.Message)}
	go server.broadcaster()
	wire.Serve(listener, server)
}
