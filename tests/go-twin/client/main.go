// The client: an RPC server for Receive in one goroutine, and the loop over standard input.
//
// Rust: client/src. Here a message goes to standard output at once, even into a line that the person is typing, as in the
// original.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"log"
	"net"
	"net/rpc"
	"os"
)

// JoinArgs, Message and Batch equal those of the server's protocol.go. gob matches fields by name, not by package.
type JoinArgs struct {
	User    string
	Address string
}

// Message is a message of a person.
type Message struct {
	User    string
	Content string
}

// Batch holds the messages that this client has not received yet.
type Batch struct {
	Missed   uint64
	Messages []Message
}

// Client has the methods that the server can call.
type Client struct{}

// Receive prints one message.
func (*Client) Receive(message Message, received *bool) error {
	fmt.Printf("[%s] %s\n", message.User, message.Content)
	*received = true
	return nil
}

// ReceiveBatch prints many messages in their order.
func (c *Client) ReceiveBatch(batch Batch, received *bool) error {
	if batch.Missed > 0 {
		fmt.Printf("--- %d messages missed ---\n", batch.Missed)
	}
	for _, message := range batch.Messages {
		if err := c.Receive(message, received); err != nil {
			return err
		}
	}
	*received = true
	return nil
}

func main() {
	server := flag.String("server", "127.0.0.1:1234", "`HOST:PORT` of the server")
	name := flag.String("name", "", "the name to be known by")
	flag.Parse()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	if err := rpc.RegisterName("Client", &Client{}); err != nil {
		log.Fatal(err)
	}
	go rpc.Accept(listener)

	calls, err := rpc.Dial("tcp", *server)
	if err != nil {
		log.Fatal(err)
	}
	input := bufio.NewScanner(os.Stdin)
	if *name == "" {
		fmt.Print("Enter your name: ")
		input.Scan()
		*name = input.Text()
	}
	var done bool
	if err := calls.Call("ChatServer.Join", JoinArgs{*name, listener.Addr().String()}, &done); err != nil {
		log.Fatal(err)
	}
	fmt.Println("Connected! Start typing...")
	for input.Scan() && input.Text() != "exit" {
		if err := calls.Call("ChatServer.Broadcast", Message{*name, input.Text()}, &done); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("Bye!")
}
