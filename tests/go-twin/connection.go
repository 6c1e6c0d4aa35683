// One client's two connections: the client calls the server on one, and the server calls the client on the other.
//
// Rust: server/src/member/connection.rs. There hello, Join, each frame and each silence have a deadline. net/rpc has none.
package main

import (
	"net"
	"net/rpc"
)

// newServer registers the service with net/rpc, which finds its methods by reflection.
func newServer(service *Service) *rpc.Server {
	server := rpc.NewServer()
	if err := server.RegisterName("ChatServer", service); err != nil {
		panic(err) // It cannot fail, because the methods have the form that net/rpc needs.
	}
	return server
}

// serveConnection serves one client's calls until its connection ends. net/rpc starts one more goroutine for each call.
func serveConnection(conn net.Conn, server *rpc.Server) {
	server.ServeConn(conn)
}

// callBack opens the connection on which the server calls Receive. The connection stays open; the original dials again for
// each message. Nothing checks the address, which the client chooses.
func callBack(address string) (*rpc.Client, error) {
	return rpc.Dial("tcp", address)
}
