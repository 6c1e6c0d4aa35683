package wire

import "sync"

// logLength is how many messages a log keeps.
const logLength = 256

// Log is that of step 4, for the steps behind it. It can end.
type Log struct {
	mu       sync.Mutex // protects following
	changed  *sync.Cond
	messages []Message
	ended    bool
}

// StartLog returns an empty log and its inbox. A goroutine appends each message of the inbox. When the inbox is closed, the log ends.
func StartLog() (*Log, chan<- Message) {
	log, inbox := &Log{}, make(chan Message, 16)
	log.changed = sync.NewCond(&log.mu)
	go func() {
		for message := range inbox {
			log.append(message)
		}
		log.end()
	}()
	return log, inbox
}

// append appends a message, and forgets the first one when there are too many.
func (l *Log) append(message Message) {
	l.mu.Lock()
	l.messages = append(l.messages, message)
	if len(l.messages) > logLength {
		l.messages[0] = Message{} // The array lives on, and would keep the text.
		l.messages = l.messages[1:]
	}
	l.mu.Unlock()
	l.changed.Broadcast()
}

// end says that no message follows.
func (l *Log) end() {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.changed.Broadcast()
}

// Deliver calls one client with what follows its position, until a call fails or the log ends.
func (l *Log) Deliver(position uint64, client *Client) {
	for {
		message, ok := l.After(position)
		position = message.Sequence
		if !ok || message.Author != client.Name && !client.Receive(message) {
			return
		}
	}
}

// After returns what follows this position: the next message, or that some are not there any more. At the end of the log it returns
// false. It waits until a message follows, or the log ends.
func (l *Log) After(position uint64) (Message, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.messages) == 0 || l.messages[len(l.messages)-1].Sequence <= position {
		if l.ended {
			return Message{}, false
		}
		l.changed.Wait()
	}
	first := l.messages[0].Sequence
	if first > position+1 {
		return Missed(position+1, first-1), true
	}
	return l.messages[position+1-first], true
}
