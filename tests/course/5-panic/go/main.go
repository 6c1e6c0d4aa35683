// Step 5: step 4, with the goroutine of a connection, which was in the kit. One text makes it panic.
package main

import (
	"net"
	"strings"
	"sync"
	"time"

	"course/go/wire"
)

// ChatServer is the room.
type ChatServer struct {
	log       *wire.Log
	broadcast chan<- wire.Message // the inbox of the log

	mu      sync.Mutex // protects following; held until a message with a new number is on its way
	last    uint64
	clients map[string]*wire.Client
}

// serveConn serves one client in a goroutine of its own, from its hello to its end.
func (s *ChatServer) serveConn(conn net.Conn) {
	defer conn.Close()
	err := wire.Greet(conn, conn)
	var client *wire.Client
	for err == nil && client == nil {
		client, err = s.join(conn)
	}
	if err != nil {
		return
	}
	err = s.serveCalls(conn, client)
	s.leave(client, err)
	if err == nil {
		wire.WriteReply(conn, wire.Left())
	}
	client.Close()
}

// serveCalls serves what follows the Join. It returns nil when the client asks to leave.
func (s *ChatServer) serveCalls(conn net.Conn, client *wire.Client) error {
	pinged := time.Now()
	for {
		request, err := wire.ReadRequest(conn)
		if err != nil || request.Kind == wire.Leave {
			return err
		}
		reply := wire.ReplyTo(request)
		if request.Kind == wire.Broadcast {
			text := emphasized(request.Text)
			s.mu.Lock()
			s.last++
			s.broadcast <- wire.TextMessage(client.Name, s.last, request, text)
			reply = wire.Accepted(s.last)
			s.mu.Unlock()
		}
		// When it cannot be written, the next request cannot be read.
		wire.WriteReply(conn, reply)
		client.PingIfDue(&pinged)
	}
}

// join reads a request, and takes the client into the room if it is a Join.
func (s *ChatServer) join(conn net.Conn) (*wire.Client, error) {
	client, err := wire.ReadJoin(conn, conn)
	if client == nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients[client.Name] != nil {
		return nil, wire.WriteReply(conn, wire.NameTaken(client.Name))
	}
	s.clients[client.Name] = client
	s.last++
	s.broadcast <- wire.JoinedMessage(client.Name, s.last)
	go s.log.Deliver(s.last, client)
	wire.WriteReply(conn, wire.Joined(s.last))
	return client, nil
}

func (s *ChatServer) leave(client *wire.Client, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, client.Name)
	s.last++
	s.broadcast <- wire.LeftMessage(client.Name, s.last, err)
}

// emphasized makes loud what stands between two stars: *now* becomes NOW.
func emphasized(text string) string {
	if strings.HasPrefix(text, "*") && strings.HasSuffix(text, "*") {
		return strings.ToUpper(text[1 : len(text)-1])
	}
	return text
}

func main() {
	listener := wire.Listen()
	log, broadcast := wire.StartLog()
	server := &ChatServer{log: log, broadcast: broadcast, clients: make(map[string]*wire.Client)}
	for {
		go server.serveConn(wire.Accept(listener))
	}
}
