package wire

import (
	"bytes"
	"errors"
	"io"
	"log"
	"math/rand"
	"net"
	"strconv"
	"time"
)

// The calls of one client, piece by piece: Serve is made of this, and so are the steps from 5 on.
//
// Rust: tests/course/kit/src/connection.rs.

// The kinds of requests that a step serves itself.
const (
	Join, Broadcast, Leave = 0, 1, 3
)

// Other kinds of requests and replies, and the causes of refusals, as far as the course needs them.
const (
	requestPing, requestHistory                                                  = 4, 8
	replyRefused, replyJoined, replyAccepted, replyLeft, replyPong, replyHistory = 0, 1, 2, 4, 5, 7
	causeNameTaken, causeOutOfTurn, causeUnknownSession, causeInvalidPort        = 1, 4, 6, 8
	causeUnsupported                                                             = 12
)

// Request is what a client asks for. What it says has a number, and may be said again.
type Request struct {
	Kind     uint32
	ID       uint64
	Repeated bool
	Text     string

	fields *reader
}

// roomNumber is random: a client knows by it that the server was started again.
var roomNumber = rand.New(rand.NewSource(time.Now().UnixNano())).Uint64()

// Accept returns the next client. A program that cannot accept ends here.
func Accept(listener net.Listener) net.Conn {
	conn, err := listener.Accept()
	if err != nil {
		log.Fatal(err)
	}
	return conn
}

// Begun waits for the first byte of what comes next, and returns what reads all of it.
func Begun(conn net.Conn) io.Reader {
	first := make([]byte, 1)
	if _, err := io.ReadFull(conn, first); err != nil {
		return conn // The next read fails as well.
	}
	return io.MultiReader(bytes.NewReader(first), conn)
}

// Greet reads a client's hello, and answers it.
func Greet(from io.Reader, conn net.Conn) error {
	var hello [29]byte
	if _, err := io.ReadFull(from, hello[:]); err != nil {
		return err
	}
	if string(hello[:8]) != "RPC-CHAT" {
		return errors.New("this is no client")
	}
	h, status := &reader{rest: hello[8:]}, byte(0)
	if lowest, highest := h.u16(), h.u16(); version < lowest || highest < version {
		status = 1
	} else if h.bytes(1)[0] != 1 {
		status = 3
	}
	_, err := conn.Write(putU16(append([]byte("RPC-CHAT"), status), version))
	if err == nil && status != 0 {
		return errors.New("this client has another role, or another version")
	}
	return err
}

// ReadRequest reads a client's next request.
func ReadRequest(from io.Reader) (*Request, error) {
	frame, err := readFrame(from)
	if err != nil {
		return nil, err
	}
	request := &Request{Kind: frame.u32(), fields: frame}
	if request.Kind == Broadcast {
		request.ID, request.Repeated, request.Text = frame.u64(), frame.bool(), frame.text()
	}
	if frame.short {
		return nil, errors.New("the request is too short")
	}
	return request, nil
}

// WriteReply sends the reply to the last request.
func WriteReply(conn net.Conn, reply []byte) error {
	return writeFrame(conn, reply)
}

// ReadJoin reads a request, and returns the client whose Join it is, called back on the host that it has come from. Any other request
// it refuses, and returns no client.
func ReadJoin(from io.Reader, conn net.Conn) (*Client, error) { return readJoin(from, conn, false) }

// readJoin does that on a server that may have sessions. The client has a token, and a position if it is back.
func readJoin(from io.Reader, conn net.Conn, sessions bool) (*Client, error) {
	request, err := ReadRequest(from)
	if err != nil {
		return nil, err
	}
	if request.Kind != Join {
		return nil, WriteReply(conn, refused(causeOutOfTurn, "the first request is Join"))
	}
	fields := request.fields
	client := &Client{Name: fields.text(), calls: conn}
	copy(client.Token[:], fields.bytes(16))
	port, _ := fields.u16(), fields.u32()
	if client.IsBack = fields.bool(); client.IsBack {
		client.Position = fields.u64()
	}
	if client.IsBack && !sessions {
		return nil, WriteReply(conn, UnknownSession())
	}
	if client.callback, err = callBack(conn, client.Token[:], port); err != nil {
		return nil, WriteReply(conn, refused(causeInvalidPort, "cannot call you back: "+err.Error()))
	}
	return client, nil
}

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

// Joined is the reply to the Join with this sequence.
func Joined(sequence uint64) []byte {
	reply := putU64(putU64(putU32(nil, replyJoined), roomNumber), sequence)
	return append(putU32(putBool(reply, true), 4096), 0, 0)
}

// Accepted is the reply to a message with this sequence.
func Accepted(sequence uint64) []byte { return putU64(putU32(nil, replyAccepted), sequence) }

// Left is the reply to a client that asks to leave.
func Left() []byte { return putU32(nil, replyLeft) }

// NameTaken refuses a Join.
func NameTaken(name string) []byte { return refused(causeNameTaken, name+" is already here") }

// UnknownSession refuses the Join of a client that is back.
func UnknownSession() []byte { return refused(causeUnknownSession, "this session is not known here") }

// ReplyTo is the reply to a request for which a server of the course needs no room.
func ReplyTo(request *Request) []byte {
	switch request.Kind {
	case requestPing:
		return putU32(nil, replyPong)
	case requestHistory:
		// There is none. A client on a terminal asks, and waits for what it is told here before it leaves.
		return putU64(putU32(nil, replyHistory), 0)
	}
	return refused(causeUnsupported, "this server only passes messages on")
}

func refused(cause uint32, text string) []byte {
	return putText(putU32(putU32(nil, replyRefused), cause), text)
}
