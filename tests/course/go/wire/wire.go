// Package wire is the kit in Go: what net/rpc does by itself, on rpc-chat's wire, so that the real client chats with each step.
//
// Rust: tests/course/kit/src/lib.rs. There are no limits, deadlines and sessions, here as there.
package wire

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand"
	"net"
	"os"
	"os/signal"
	"runtime/trace"
	"strconv"
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
)

func newMessage(author string, sequence uint64, variant uint32, fields []byte) Message {
	event := putU64(putU64(nil, sequence), uint64(time.Now().UnixMilli()))
	return Message{author, sequence, append(putU32(event, variant), fields...)}
}

// Missed tells a client that it does not get the messages from first to last.
func Missed(first, last uint64) Message {
	return newMessage("", last, eventMissed, putBool(putU64(nil, first), true))
}

// Client is a client that has joined. It serves Receive.
type Client struct {
	Name     string
	joined   uint64
	calls    net.Conn
	mu       sync.Mutex // one call at a time
	callback net.Conn
}

// Receive calls the client with a message, and waits for the reply. It returns whether the reply came.
func (c *Client) Receive(message Message) bool {
	// What was said before the client joined is none of its messages.
	return message.Sequence <= c.joined || c.call(message.event)
}

func (c *Client) call(events ...[]byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	call := putU64(putBool(putU32(nil, 0), true), uint64(len(events)))
	for _, event := range events {
		call = append(call, event...)
	}
	if writeFrame(c.callback, call) == nil {
		if _, err := readFrame(c.callback); err == nil {
			return true
		}
	}
	c.Close()
	return false
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
		log.Fatal(err)
	}
	return listener
}

// room is the service, and what numbers its calls.
type room struct {
	service Service
	number  uint64
	mu      sync.Mutex // protects last; held during a call
	last    uint64
}

// Serve serves each client in a goroutine of its own.
func Serve(listener net.Listener, service Service) {
	fmt.Printf("Server running at %d ...\n", listener.Addr().(*net.TCPAddr).Port)
	r := &room{service: service, number: rand.New(rand.NewSource(time.Now().UnixNano())).Uint64()}
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go r.serveConn(conn)
	}
}

// The variants of requests and replies, and the causes of refusals, as far as the course needs them.
const (
	requestJoin, requestBroadcast, requestLeave, requestPing, requestHistory       = 0, 1, 3, 4, 8
	replyRefused, replyJoined, replyAccepted, replyLeft, replyPong, replyHistory   = 0, 1, 2, 4, 5, 7
	causeNameTaken, causeOutOfTurn, causeUnknownSession, causeInvalidPort, causeNo = 1, 4, 6, 8, 12
)

func refused(cause uint32, text string) []byte {
	return putText(putU32(putU32(nil, replyRefused), cause), text)
}

func (r *room) serveConn(conn net.Conn) {
	defer conn.Close()
	var hello [29]byte
	if _, err := io.ReadFull(conn, hello[:]); err != nil || string(hello[:8]) != "RPC-CHAT" {
		return
	}
	h, status := &reader{rest: hello[8:]}, byte(0)
	if lowest, highest := h.u16(), h.u16(); version < lowest || highest < version {
		status = 1
	} else if h.bytes(1)[0] != 1 {
		status = 3
	}
	if _, err := conn.Write(putU16(append([]byte("RPC-CHAT"), status), version)); err != nil || status != 0 {
		return
	}
	var client *Client
	for client == nil {
		request, err := readFrame(conn)
		if err != nil {
			return
		}
		var reply []byte
		if client, reply = r.join(conn, request); writeFrame(conn, reply) != nil {
			break
		}
	}
	if client != nil {
		left := r.serveCalls(conn, client)
		r.leave(client.Name, !left)
		if left {
			writeFrame(conn, putU32(nil, replyLeft))
		}
		client.Close()
	}
}

func (r *room) join(conn net.Conn, request *reader) (*Client, []byte) {
	if request.u32() != requestJoin {
		return nil, refused(causeOutOfTurn, "the first request is Join")
	}
	name, token, port, _ := request.text(), request.bytes(16), request.u16(), request.u32()
	if request.bool() {
		return nil, refused(causeUnknownSession, "this server has no sessions")
	}
	callback, err := callBack(conn, token, port)
	if err != nil {
		return nil, refused(causeInvalidPort, "cannot call you back: "+err.Error())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	client := &Client{Name: name, joined: r.last + 1, calls: conn, callback: callback}
	if !r.service.Join(client) {
		callback.Close()
		return nil, refused(causeNameTaken, name+" is already here")
	}
	sequence := r.broadcast(name, eventJoined, putText(nil, name))
	reply := putU64(putU64(putU32(nil, replyJoined), r.number), sequence)
	return client, append(putU32(putBool(reply, true), 4096), 0, 0)
}

// callBack dials the client's own endpoint, on the host that the client has come from.
func callBack(conn net.Conn, token []byte, port uint16) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
	callback, err := net.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(int(port))))
	if err != nil {
		return nil, err
	}
	hello := append(putU16(putU16([]byte("RPC-CHAT"), version), version), 2)
	var answer [11]byte
	if _, err = callback.Write(append(hello, token...)); err == nil {
		if _, err = io.ReadFull(callback, answer[:]); err == nil && answer[8] != 0 {
			err = errors.New("the client refuses")
		}
	}
	return callback, err
}

// serveCalls serves what follows the Join. It returns whether the client asks to leave.
func (r *room) serveCalls(conn net.Conn, client *Client) bool {
	pinged := time.Now()
	for {
		request, err := readFrame(conn)
		if err != nil {
			return false
		}
		reply := refused(causeNo, "this server only passes messages on")
		switch request.u32() {
		case requestBroadcast:
			fields := append(putText(nil, client.Name), request.rest...) // The event has the fields of the request.
			r.mu.Lock()
			reply = putU64(putU32(nil, replyAccepted), r.broadcast(client.Name, eventMessage, fields))
			r.mu.Unlock()
		case requestPing:
			reply = putU32(nil, replyPong)
		case requestHistory:
			// There is none. A client on a terminal asks, and waits for what it is told here before it leaves.
			reply = putU64(putU32(nil, replyHistory), 0)
		case requestLeave:
			return true
		}
		if request.short || writeFrame(conn, reply) != nil {
			return false
		}
		// A client that hears nothing for 15 s takes its server for lost. A call without events is a ping.
		if time.Since(pinged) >= 5*time.Second {
			client.call()
			pinged = time.Now()
		}
	}
}

func (r *room) leave(name string, lost bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.service.Leave(name)
	fields := putBool(putText(nil, name), lost)
	if lost {
		fields = putText(fields, "connection lost")
	}
	r.broadcast(name, eventLeft, fields)
}

// broadcast gives a message the next number, and passes it to the service. The caller holds mu.
func (r *room) broadcast(author string, variant uint32, fields []byte) uint64 {
	r.last++
	r.service.Broadcast(newMessage(author, r.last, variant, fields))
	return r.last
}
