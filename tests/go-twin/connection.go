// One client's two connections: the one it calls us on, and the one we call it on.
//
// Rust: server/src/connection.rs, which gives hello, Join, each frame and each silence a deadline. net/rpc has none.
package main

import (
	"net"
	"net/rpc"
)

// newServer wraps the service for net/rpc, which finds its methods by reflection.
func newServer(service *Service) *rpc.Server {
	server := rpc.NewServer()
	if err := server.RegisterName("ChatServer", service); err != nil {
		panic(err) // The methods are ours and of the right shape.
	}
	return server
}

// serveConnection answers one client's calls until it goes. net/rpc starts one more goroutine for each call.
func serveConnection(conn net.Conn, server *rpc.Server) {
	server.ServeConn(conn)
}

// callBack opens the connection on which the server will call Receive, and which stays open from then on.
// The original dials anew for each message. The address is whatever the client claims.
func callBack(address string) (*rpc.Client, error) {
	return rpc.Dial("tcp", address)
}
