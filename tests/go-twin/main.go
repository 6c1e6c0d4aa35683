// The main program of the server: arguments, listener and exit code.
//
// Rust: server/src/bin/main.rs and lib.rs. There main also installs a signal handler and joins every thread. Here every goroutine
// ends when main returns, even if it has not delivered its message.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"os"
)

// queueLength is the number of accepted messages that may wait for the broadcaster. When the queue is full, Broadcast waits.
const queueLength = 1024

func main() {
	listen := flag.String("listen", "127.0.0.1:1234", "`HOST:PORT` to listen on; port 0 picks a free one")
	strategy := flag.String("strategy", "goroutines", "goroutines: one per recipient per message; log: one per recipient")
	flag.Parse()

	registry := newRegistry()
	events := make(chan Message, queueLength)
	switch *strategy {
	case "goroutines":
		go broadcasterLoop(events, registry)
	case "log":
		registry.log = newLog()
		go appenderLoop(events, registry)
	default:
		fmt.Fprintf(os.Stderr, "unknown strategy %q\n", *strategy)
		os.Exit(2)
	}

	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("Server running at %d ...\n", listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(acceptLoop(listener, newService(registry, events)))
}
