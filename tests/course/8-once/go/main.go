// Step 8: numbers and sessions. What is said again is accepted once, and a client that comes back reads on.
package main

import (
	"context"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"course/go/wire"
)

// keptFor is for how long a client that has lost its connection may come back.
const keptFor = 60 * time.Second

// Session is what the room knows of a client, also while its connection is lost.
type Session struct {
	client       *wire.Client
	id, sequence uint64    // those of its last message
	lost         time.Time // zero while it is here
}

// ChatServer is the room.
type ChatServer struct {
	log        *wire.Log
	broadcast  chan<- wire.Message
	delivering sync.WaitGroup

	mu       sync.Mutex // protects following; held until a message with a new sequence is on its way
	last     uint64
	sessions map[string]*Session
}

func (s *ChatServer) Join(client *wire.Client) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	session := s.sessions[client.Name]
	if session != nil && !session.lost.IsZero() && time.Since(session.lost) > keptFor {
		session = nil
	}
	switch isKnown := session != nil && session.client.Token == client.Token; {
	case client.IsBack && isKnown:
		session.client.Close()
		client.Joined = session.client.Joined
		session.client, session.lost = client, time.Time{}
		s.send(wire.BackMessage(client.Name, s.last+1))
	case client.IsBack:
		return wire.UnknownSession(), false
	case session != nil:
		return wire.NameTaken(client.Name), false
	default:
		client.Joined = s.last + 1
		s.sessions[client.Name] = &Session{client: client}
		s.send(wire.JoinedMessage(client.Name, client.Joined))
	}
	s.delivering.Add(1)
	go s.deliver(client)
	return wire.Joined(client.Joined), true
}

func (s *ChatServer) Say(client *wire.Client, request *wire.Request) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	session := s.sessions[client.Name]
	// A client makes one call after the other: what it says again is what it said last.
	if request.ID > session.id {
		s.send(wire.TextMessage(client.Name, s.last+1, request, request.Text))
		session.id, session.sequence = request.ID, s.last
	}
	return wire.Accepted(session.sequence)
}

func (s *ChatServer) Leave(client *wire.Client, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	session := s.sessions[client.Name]
	if session == nil || session.client != client {
		return // It has left before, or it is back already.
	}
	session.lost = time.Now()
	if err == nil {
		delete(s.sessions, client.Name)
	}
	s.send(wire.LeftMessage(client.Name, s.last+1, err))
}

// send sends a message with the next sequence to the broadcaster. The caller holds mu.
func (s *ChatServer) send(message wire.Message) {
	s.last = message.Sequence
	s.broadcast <- message
}

// deliver calls one client with what follows its position, until a call fails or the log ends.
func (s *ChatServer) deliver(client *wire.Client) {
	defer s.delivering.Done()
	defer client.Close()
	for message, ok := s.log.After(client.Position); ok && (message.Author == client.Name || client.Receive(message)); {
		message, ok = s.log.After(message.Sequence)
	}
}

func main() {
	listener := wire.Listen()
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	log, broadcast := wire.StartLog()
	server := &ChatServer{log: log, broadcast: broadcast, sessions: make(map[string]*Session)}
	wire.ServeUntil(ctx, listener, server)
	close(broadcast)
	server.delivering.Wait()
}
