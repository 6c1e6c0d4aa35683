// Request to reply: what net/rpc calls for us. No sockets here but the one that Join opens.
//
// Rust: server/src/service.rs, one function with a match over the request's variants.
package main

// Service is what clients can call.
type Service struct {
	registry *Registry
	events   chan<- Message
}

func newService(registry *Registry, events chan<- Message) *Service {
	return &Service{registry, events}
}

// Join lets a client into the room once the server has reached the client's own RPC server.
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

// Broadcast hands a message to the broadcaster. It never waits for a recipient.
func (s *Service) Broadcast(message Message, reply *bool) error {
	s.events <- message
	*reply = true
	return nil
}
