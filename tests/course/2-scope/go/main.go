// Step 2: a goroutine for each recipient of each message, and a WaitGroup for each message.
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

// broadcaster passes each message on. It waits until all recipients have it, and so the next message comes behind it.
func (s *ChatServer) broadcaster() {
	for message := range s.broadcast {
		var calls sync.WaitGroup
		for _, client := range s.others(message.Author) {
			calls.Add(1)
			// Before Go 1.22, all rounds of the loop share one variable `client`, so each goroutine gets its own here.
			go func(client *wire.Client, message wire.Message) {
				defer calls.Done()
				client.Receive(message)
			}(client, message)
		}
		calls.Wait()
	}
}

// others returns everybody but the author.
func (s *ChatServer) others(author string) []*wire.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	var others []*wire.Client
	for name, client := range s.clients {
		if name != author {
			others = append(others, client)
		}
	}
	return others
}

func main() {
	listener := wire.Listen()
	server := &ChatServer{broadcast: make(chan wire.Message, 1024), clients: make(map[string]*wire.Client)}
	go server.broadcaster()
	wire.Serve(listener, server)
}
