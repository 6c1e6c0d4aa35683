// The methods that net/rpc calls: each turns a request into a reply. Only Join opens a connection.
//
// Rust: server/src/member/service.rs, one function with a match over the request's variants.
package main

// Service has the methods that clients can call.
type Service struct {
	registry *Registry
	events   chan<- Message
}

func newService(registry *Registry, events chan<- Message) *Service {
	return &Service{registry, events}
}

// Join adds a client to the room after the server has connected to the client's own RPC server.
func (s *Service) Join(args JoinArgs, reply *bool) error {
	callback, err := callBack(args.Address)
	if err != nil {
		return err
	}
	if err := s.registry.join(args.User, callback); err != nil {
		callback.Close()
		return err
	}
	s.events <- Message{system, "User [" + args.User + "] joined"}
	*reply = true
	return nil
}

// Broadcast sends a message to the broadcaster. It waits only when the broadcaster's queue is full.
func (s *Service) Broadcast(message Message, reply *bool) error {
	s.events <- message
	*reply = true
	return nil
}
