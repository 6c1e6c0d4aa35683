// Package wire is the kit in Go: what net/rpc does by itself, on rpc-chat's wire, so that the real client chats with each step.
//
// Rust: tests/course/kit/src/lib.rs. There are no limits, deadlines and sessions, here as there.
package wire

import (
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"runtime/trace"
	"sync"
	"time"
)

// Service has the three calls of the Go program. One call is made after the other, each with the next number.
type Service interface {
	// Join takes a client into the room. It returns false when somebody there has its name.
	Join(client *Client) bool
	// Broadcast passes a message on to everybody but its author.
	Broadcast(message Message)
	// Leave forgets the client with this name.
	Leave(name string)
}

// Message is what one client says to all others.
type Message struct {
	Author string
	// Sequence is the place of the message in the one order. Clients drop what comes after a message with a higher one.
	Sequence uint64
	event    []byte
}

// The variants of an event.
const (
	eventMessage = iota
	eventJoined
	eventLeft
	eventMissed
	_
	eventBack
)

func newMessage(author string, sequence uint64, variant uint32, fields []byte) Message {
	event := putU64(putU64(nil, sequence), uint64(time.Now().UnixMilli()))
	return Message{author, sequence, append(putU32(event, variant), fields...)}
}

// TextMessage is what a client says. Its text may be another than in the request.
func TextMessage(author string, sequence uint64, request *Request, text string) Message {
	fields := putBool(putU64(putText(nil, author), request.ID), request.Repeated)
	return newMessage(author, sequence, eventMessage, putText(fields, text))
}

// JoinedMessage says that a client has joined.
func JoinedMessage(name string, sequence uint64) Message {
	return newMessage(name, sequence, eventJoined, putText(nil, name))
}

// LeftMessage says that a client has left, and that its connection is lost if there is an error.
func LeftMessage(name string, sequence uint64, err error) Message {
	fields := putBool(putText(nil, name), err != nil)
	if err != nil {
		fields = putText(fields, "connection lost")
	}
	return newMessage(name, sequence, eventLeft, fields)
}

// BackMessage says that a client that had lost its connection is back.
func BackMessage(name string, sequence uint64) Message {
	return newMessage(name, sequence, eventBack, putText(nil, name))
}

// Missed tells a client that it does not get the messages from first to last.
func Missed(first, last uint64) Message {
	return newMessage("", last, eventMissed, putBool(putU64(nil, first), true))
}

// Client is a client that has joined. It serves Receive.
type Client struct {
	Name string
	// Joined is the number of its join. What has a lower one was said before.
	Joined uint64
	// Token is the secret of its session. A client that is back has read up to Position.
	Token    [16]byte
	IsBack   bool
	Position uint64

	calls    net.Conn
	mu       sync.Mutex // one call at a time
	callback net.Conn
	// Timeout is the longest wait for all of a reply to a Receive. Without one it is for ever.
	Timeout time.Duration
}

// Receive calls the client with a message, and waits for the reply. It returns whether the reply came.
func (c *Client) Receive(message Message) bool {
	// What was said before the client joined is none of its messages.
	return message.Sequence <= c.Joined || c.call(message.event)
}

func (c *Client) call(events ...[]byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	call := putU64(putBool(putU32(nil, 0), true), uint64(len(events)))
	for _, event := range events {
		call = append(call, event...)
	}
	if c.Timeout > 0 {
		c.callback.SetDeadline(time.Now().Add(c.Timeout))
	}
	if writeFrame(c.callback, call) == nil {
		if _, err := readFrame(c.callback); err == nil {
			return true
		}
	}
	c.Close()
	return false
}

// PingIfDue pings the client if that is due, and notes when. A client that hears nothing for 15 s takes its server for lost.
func (c *Client) PingIfDue(pinged *time.Time) {
	if time.Since(*pinged) >= 5*time.Second {
		c.call() // A call without events is a ping.
		*pinged = time.Now()
	}
}

// Close ends both connections. Whoever waits for the client wakes.
func (c *Client) Close() {
	c.calls.Close()
	c.callback.Close()
}

// Listen reads -listen HOST:PORT and -trace FILE, and listens.
func Listen() net.Listener {
	address := flag.String("listen", "127.0.0.1:1234", "`HOST:PORT`")
	path := flag.String("trace", "", "write a trace of the runtime to `FILE`, until Ctrl-C")
	flag.Parse()
	if *path != "" {
		file, err := os.Create(*path)
		if err == nil {
			err = trace.Start(file)
		}
		if err != nil {
			log.Fatal(err)
		}
		interrupts := make(chan os.Signal, 1)
		signal.Notify(interrupts, os.Interrupt)
		go func() {
			<-interrupts
			trace.Stop()
			os.Exit(130)
		}()
	}
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatalf("%v; Ctrl-C ends another step, and LISTEN=HOST:PORT chooses another port", err)
	}
	fmt.Printf("Server running at %d ...\n", listener.Addr().(*net.TCPAddr).Port)
	return listener
}

// Serve serves each client in a goroutine of its own. It is made of the pieces in connection.go.
func Serve(listener net.Listener, service Service) {
	r := &room{service: service}
	for {
		go r.serveConn(Accept(listener))
	}
}

// room is the service, and what numbers its calls.
type room struct {
	service Service
	mu      sync.Mutex // protects last; held during a call
	last    uint64
}

func (r *room) serveConn(conn net.Conn) {
	defer conn.Close()
	err := Greet(conn, conn)
	var client *Client
	for err == nil && client == nil {
		client, err = r.join(conn)
	}
	if client == nil {
		return
	}
	defer client.Close()
	if err == nil {
		err = r.serveCalls(conn, client)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.service.Leave(client.Name)
	r.last++
	r.service.Broadcast(LeftMessage(client.Name, r.last, err))
	if err == nil {
		WriteReply(conn, Left())
	}
}

// join reads a request, and takes the client into the room if it is a Join.
func (r *room) join(conn net.Conn) (*Client, error) {
	client, err := ReadJoin(conn, conn)
	if client == nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	client.Joined = r.last + 1
	if !r.service.Join(client) {
		client.callback.Close()
		return nil, WriteReply(conn, NameTaken(client.Name))
	}
	r.last++
	r.service.Broadcast(JoinedMessage(client.Name, r.last))
	return client, WriteReply(conn, Joined(r.last))
}

// serveCalls serves what follows the Join. It returns nil when the client asks to leave.
func (r *room) serveCalls(conn net.Conn, client *Client) error {
	pinged := time.Now()
	for {
		request, err := ReadRequest(conn)
		if err != nil || request.Kind == Leave {
			return err
		}
		reply := ReplyTo(request)
		if request.Kind == Broadcast {
			r.mu.Lock()
			r.last++
			r.service.Broadcast(TextMessage(client.Name, r.last, request, request.Text))
			reply = Accepted(r.last)
			r.mu.Unlock()
		}
		if err := WriteReply(conn, reply); err != nil {
			return err
		}
		client.PingIfDue(&pinged)
	}
}
