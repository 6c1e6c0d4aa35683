// Who is here: a map and the mutex that protects it, never held while anything can block.
//
// Rust: server/src/registry.rs, Arc<Mutex<HashMap<..>>>. There the map is inside the mutex and cannot be reached without
// locking; here "protects the following" is a comment, and forgetting Lock compiles.
package main

import (
	"fmt"
	"net/rpc"
	"sync"
)

// Registry is shared by all goroutines.
type Registry struct {
	// log is nil in the goroutines strategy; set once, before anybody can join.
	log *Log

	mu sync.Mutex // protects following
	// members are known by name.
	members map[string]*Member
}

// Member is one client that has joined.
type Member struct {
	name     string
	callback *rpc.Client
}

func newRegistry() *Registry {
	return &Registry{members: make(map[string]*Member)}
}

// join enters a member under a name that nobody else has.
func (r *Registry) join(name string, callback *rpc.Client) error {
	member := &Member{name, callback}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, taken := r.members[name]; taken {
		return fmt.Errorf("the name %q is taken", name)
	}
	r.members[name] = member
	if r.log != nil {
		go deliveryLoop(member, r.log, r.log.end(), r)
	}
	return nil
}

// leave takes a member out; it answers whether it was there. Many deliveries may fail on one member; one of them is told true.
func (r *Registry) leave(member *Member) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.members[member.name] != member {
		return false
	}
	delete(r.members, member.name)
	return true
}

// others copies out everybody but the author.
func (r *Registry) others(author string) []*Member {
	r.mu.Lock()
	defer r.mu.Unlock()
	others := make([]*Member, 0, len(r.members))
	for name, member := range r.members {
		if name != author {
			others = append(others, member)
		}
	}
	return others
}
