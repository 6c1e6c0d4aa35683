// Step 1: a goroutine for each recipient of each message. This is the Go program.
package main

import (
	"sync"

	"course/go/wire"
)

// ChatServer is the room.
type ChatServer struct {
	broadcast chan wire.Message

	mu      sync.Mutex // protects following
	clients map[string]*wire.Client
}

func (s *ChatServer) Join(client *wire.Client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients[client.Name] != nil {
		return false
	}
	s.clients[client.Name] = client
	return true
}

func (s *ChatServer) Broadcast(message wire.Message) {
	s.broadcast <- message
}

func (s *ChatServer) Leave(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, name)
}

// broadcaster passes each message on. It waits for nobody.
func (s *ChatServer) broadcaster() {
	for message := range s.broadcast {
		s.mu.Lock()
		for name, client := range s.clients {
			if name != message.Author {
				go client.Receive(message)
			}
		}
		s.mu.Unlock()
	}
}

func main() {
	listener := wire.Listen()
	server := &ChatServer{broadcast: make(chan wire.Message, 1024), clients: make(map[string]*wire.Client)}
	go server.broadcaster()
	wire.Serve(listener, server)
}
