// Step 4: one log, and a position for each recipient.
package main

import (
	"sync"

	"course/go/wire"
)

const (
	// inboxLength is how many messages may wait for the broadcaster.
	inboxLength = 16
	// logLength is how many messages the log keeps.
	logLength = 256
)

// Log has the last messages. A position in it is the sequence of the last message that was read.
type Log struct {
	mu       sync.Mutex // protects following
	appended *sync.Cond
	messages []wire.Message
}

func (l *Log) append(message wire.Message) {
	l.mu.Lock()
	l.messages = append(l.messages, message)
	if len(l.messages) > logLength {
		l.messages[0] = wire.Message{} // The array lives on, and would keep the text.
		l.messages = l.messages[1:]
	}
	l.mu.Unlock()
	l.appended.Broadcast()
}

// end returns the position behind the last message. The caller holds mu.
func (l *Log) end() uint64 {
	if len(l.messages) == 0 {
		return 0
	}
	return l.messages[len(l.messages)-1].Sequence
}

// after returns what follows this position: the next message, or that some are not there any more.
func (l *Log) after(position uint64) wire.Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.end() <= position {
		l.appended.Wait()
	}
	first := l.messages[0].Sequence
	if first > position+1 {
		return wire.Missed(position+1, first-1)
	}
	return l.messages[position+1-first]
}

// ChatServer is the room.
type ChatServer struct {
	log       *Log
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
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	go s.deliver(s.log.end(), client)
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

// broadcaster appends each message to the log. It calls nobody, and waits for nobody.
func (s *ChatServer) broadcaster() {
	for message := range s.broadcast {
		s.log.append(message)
	}
}

// deliver calls one client with what follows its position, until a call fails.
func (s *ChatServer) deliver(position uint64, client *wire.Client) {
	for {
		message := s.log.after(position)
		position = message.Sequence
		if message.Author != client.Name && !client.Receive(message) {
			return
		}
	}
}

func main() {
	listener := wire.Listen()
	log := &Log{}
	log.appended = sync.NewCond(&log.mu)
	inbox := make(chan wire.Message, inboxLength)
	server := &ChatServer{log: log, broadcast: inbox, clients: make(map[string]*wire.Client)}
	go server.broadcaster()
	wire.Serve(listener, server)
}
