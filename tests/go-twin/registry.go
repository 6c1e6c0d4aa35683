// The members: a map and the mutex that protects it. No goroutine blocks while it holds the mutex.
//
// Rust: server/src/room/registry.rs, a Mutex around a map. There the map is inside the mutex, so no code can reach it without
// the lock. Here "protects following" is a comment, and code that forgets Lock compiles.
package main

import (
	"fmt"
	"net/rpc"
	"sync"
)

// Registry holds the members. All goroutines share it.
type Registry struct {
	// log is nil in the goroutines strategy. It is set once, before the first client can join.
	log *Log

	mu sync.Mutex // protects following
	// members has the members by name.
	members map[string]*Member
}

// Member is a client that has joined.
type Member struct {
	name     string
	callback *rpc.Client
}

func newRegistry() *Registry {
	return &Registry{members: make(map[string]*Member)}
}

// join adds a member. It fails if another member has the name.
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

// leave removes a member, and returns whether it was there. If many deliveries to one member fail, leave returns true once.
func (r *Registry) leave(member *Member) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.members[member.name] != member {
		return false
	}
	delete(r.members, member.name)
	return true
}

// others returns a copy of all members except the author.
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
