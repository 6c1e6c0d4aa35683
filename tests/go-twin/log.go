// The bounded log of the log strategy, which recipients read from a cursor.
//
// Rust: server/src/log/mod.rs.
package main

import "sync"

// logLength is the number of messages that the log keeps, as in the Rust server.
const logLength = 8192

// batchLength is the most messages in one call. A batch of messages of usual length is then smaller than the Rust server's
// frame of 64 KiB.
const batchLength = 512

// Log holds the last messages.
type Log struct {
	mu sync.Mutex // protects following
	// appended wakes every recipient that has read all of the log.
	appended *sync.Cond
	// first is the sequence number of messages[0].
	first    uint64
	messages []Message
}

func newLog() *Log {
	l := &Log{}
	l.appended = sync.NewCond(&l.mu)
	return l
}

// append adds messages, drops the oldest above logLength, and wakes the recipients.
func (l *Log) append(batch []Message) {
	l.mu.Lock()
	l.messages = append(l.messages, batch...)
	if excess := len(l.messages) - logLength; excess > 0 {
		// Re-slicing keeps the dropped messages in memory until append moves the array, which is at most one more log.
		l.messages = l.messages[excess:]
		l.first += uint64(excess)
	}
	l.mu.Unlock()
	l.appended.Broadcast()
}

// end returns the cursor of a member that joins now.
func (l *Log) end() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first + uint64(len(l.messages))
}

// readFrom waits until messages follow the cursor. It returns them without the reader's own, and the cursor after them.
func (l *Log) readFrom(cursor uint64, reader string) (Batch, uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for cursor >= l.first+uint64(len(l.messages)) {
		l.appended.Wait()
	}
	var batch Batch
	if cursor < l.first {
		batch.Missed = l.first - cursor
		cursor = l.first
	}
	waiting := l.messages[cursor-l.first:]
	if len(waiting) > batchLength {
		waiting = waiting[:batchLength]
	}
	batch.Messages = make([]Message, 0, len(waiting))
	for _, message := range waiting {
		if message.User != reader {
			batch.Messages = append(batch.Messages, message)
		}
	}
	return batch, cursor + uint64(len(waiting))
}
