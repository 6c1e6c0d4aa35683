package wire

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// What the steps from 5 to 7 show, for the step behind them: a guard, a deadline, and a stop.
//
// Rust: tests/course/kit/src/stop.rs and deadline.rs.

// Silence is the longest wait for a client's next request and for what it is told.
const Silence = 15 * time.Second

// ReplyTime is the longest wait for a client's reply.
const ReplyTime = 5 * time.Second

// Next waits for the first byte of the next frame, and gives the frame a second.
func Next(conn net.Conn) io.Reader {
	conn.SetDeadline(time.Now().Add(Silence))
	frame := Begun(conn)
	conn.SetReadDeadline(time.Now().Add(time.Second))
	return frame
}

// Sessions is a server with sessions. ServeUntil makes its calls at any time, and in any goroutine.
type Sessions interface {
	// Join takes a client into the room, or back into it. It returns false when the reply refuses that.
	Join(client *Client) (reply []byte, joined bool)
	// Say passes a message on, and returns the reply.
	Say(client *Client, request *Request) (reply []byte)
	// Leave says that a client has left, or with an error, that its connection is lost.
	Leave(client *Client, err error)
}

// ServeUntil serves each client in a goroutine of its own. When the context ends it accepts no client any more, and reads from none. It
// returns when nobody calls the server any more.
func ServeUntil(ctx context.Context, listener net.Listener, server Sessions) {
	var readers sync.WaitGroup
	var open sync.Map // the connections
	go func() {
		<-ctx.Done()
		listener.Close()
	}()
	for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
		conn := conn.(*net.TCPConn)
		open.Store(conn, true)
		readers.Add(1)
		go func() {
			defer readers.Done()
			defer open.Delete(conn)
			serveSession(ctx, conn, server)
		}()
	}
	open.Range(func(conn, _ any) bool {
		conn.(*net.TCPConn).CloseRead() // Its goroutine reads the end, and can still reply.
		return true
	})
	readers.Wait()
}

// serveSession serves one client, from its hello to its end.
func serveSession(ctx context.Context, conn net.Conn, server Sessions) {
	err := Greet(Next(conn), conn)
	var client *Client
	for joined := false; err == nil && !joined; {
		var reply []byte
		if client, err = readJoin(Next(conn), conn, true); client != nil {
			client.Timeout = ReplyTime
			if reply, joined = server.Join(client); !joined {
				client.callback.Close()
			}
			err = WriteReply(conn, reply)
		}
	}
	if client == nil {
		conn.Close()
		return
	}
	defer func() {
		recover() // A panic ends this connection, and nothing else.
		// In a room that stops, the client is still told what was accepted.
		if ctx.Err() == nil {
			server.Leave(client, net.ErrClosed)
			client.Close()
		}
	}()
	for pinged := time.Now(); err == nil && ctx.Err() == nil; client.PingIfDue(&pinged) {
		var request *Request
		if request, err = ReadRequest(Next(conn)); err != nil {
			return
		}
		reply := ReplyTo(request)
		switch request.Kind {
		case Broadcast:
			reply = server.Say(client, request)
		case Leave:
			server.Leave(client, nil)
			WriteReply(conn, Left())
			return
		}
		err = WriteReply(conn, reply)
	}
}
