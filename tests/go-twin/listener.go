// The accept loop.
//
// Rust: server/src/door/listener.rs. There each connection is a named OS thread, their number has a limit, and the loop waits
// when descriptors run out. Here goroutines are so cheap that they have no limit, and the first failed accept ends the server.
package main

import "net"

// acceptLoop serves each connection in a goroutine of its own until accepting fails.
func acceptLoop(listener net.Listener, service *Service) error {
	server := newServer(service)
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go serveConnection(conn, server)
	}
}
