// The accept loop.
//
// Rust: server/src/listener.rs, where each connection is a named OS thread, there is a most to them, and running out of
// descriptors is waited out. Here a goroutine is too cheap to be counted, and the first failed accept ends the server.
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
