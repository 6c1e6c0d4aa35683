// Step 7: deadlines for every wait, and a signal that ends the program.
package main

import (
	"context"
	"net"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"course/go/wire"
)

// ChatServer is the room.
type ChatServer struct {
	log       *wire.Log
	broadcast chan<- wire.Message

	mu      sync.Mutex // protects following; held until a message with a new number is on its way
	last    uint64
	clients map[string]*wire.Client
}

// serveConn serves one client in a goroutine of its own, from its hello to its end.
func (s *ChatServer) serveConn(conn net.Conn) {
	defer conn.Close()
	client, err := (*wire.Client)(nil), wire.Greet(wire.Next(conn), conn)
	for err == nil && client == nil {
		client, err = s.join(conn)
	}
	if err != nil {
		return
	}
	defer func() {
		recover() // A panic ends this connection, and nothing else.
		s.leave(client, net.ErrClosed)
		client.Close()
	}()
	for pinged := time.Now(); s.serveCall(conn, client); {
		client.PingIfDue(&pinged)
	}
}

// serveCall serves the next call. It returns whether another one may follow.
func (s *ChatServer) serveCall(conn net.Conn, client *wire.Client) bool {
	request, err := wire.ReadRequest(wire.Next(conn))
	if err != nil {
		return false
	}
	reply := wire.ReplyTo(request)
	switch request.Kind {
	case wire.Broadcast:
		s.mu.Lock()
		s.send(wire.TextMessage(client.Name, s.last+1, request, request.Text))
		reply = wire.Accepted(s.last)
		s.mu.Unlock()
	case wire.Leave:
		s.leave(client, nil)
		reply = wire.Left()
	}
	return wire.WriteReply(conn, reply) == nil && request.Kind != wire.Leave
}

// join reads a request, and takes the client into the room if it is a Join.
func (s *ChatServer) join(conn net.Conn) (*wire.Client, error) {
	client, err := wire.ReadJoin(wire.Next(conn), conn)
	if client == nil {
		return nil, err
	}
	client.Timeout = wire.ReplyTime
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients[client.Name] != nil {
		return nil, wire.WriteReply(conn, wire.NameTaken(client.Name))
	}
	s.clients[client.Name] = client
	s.send(wire.JoinedMessage(client.Name, s.last+1))
	go s.deliver(s.last, client)
	wire.WriteReply(conn, wire.Joined(s.last))
	return client, nil
}

// leave says that a client has left, or that its connection is lost.
func (s *ChatServer) leave(client *wire.Client, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients[client.Name] == client {
		delete(s.clients, client.Name)
		s.send(wire.LeftMessage(client.Name, s.last+1, err))
	}
}

// send sends a message with the next number to the broadcaster. The caller holds mu.
func (s *ChatServer) send(message wire.Message) {
	s.last = message.Sequence
	s.broadcast <- message
}

// deliver calls one client with what follows its position, until a call fails.
func (s *ChatServer) deliver(position uint64, client *wire.Client) {
	for message, ok := s.log.After(position); ok && (message.Author == client.Name || client.Receive(message)); {
		message, ok = s.log.After(message.Sequence)
	}
}

func main() {
	listener := wire.Listen()
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	server := &ChatServer{clients: make(map[string]*wire.Client)}
	server.log, server.broadcast = wire.StartLog()
	go func() {
		for {
			go server.serveConn(wire.Accept(listener))
		}
	}()
	<-ctx.Done()
	// The end of main ends the program, and with it all goroutines.
}
