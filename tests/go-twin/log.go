// The bounded log of the log strategy, and what it costs to read it from a cursor.
//
// Rust: server/src/log.rs.
package main

import "sync"

// logLength is how many messages are kept: as many as the Rust server keeps.
const logLength = 8192

// batchLength is the most that one call carries, so that one recipient's batch stays below the Rust server's 64 KiB frame
// for messages of usual length.
const batchLength = 512

// Log is what has been said last.
type Log struct {
	mu sync.Mutex // protects following
	// grown wakes every recipient that has caught up.
	grown *sync.Cond
	// first is the sequence number of messages[0].
	first    uint64
	messages []Message
}

func newLog() *Log {
	l := &Log{}
	l.grown = sync.NewCond(&l.mu)
	return l
}

// append adds messages, drops the oldest above the bound and wakes the recipients.
func (l *Log) append(batch []Message) {
	l.mu.Lock()
	l.messages = append(l.messages, batch...)
	if excess := len(l.messages) - logLength; excess > 0 {
		// Re-slicing keeps the dropped ones alive until append next moves the array, which bounds them to one more log.
		l.messages = l.messages[excess:]
		l.first += uint64(excess)
	}
	l.mu.Unlock()
	l.grown.Broadcast()
}

// end is the cursor of somebody who joins now.
func (l *Log) end() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first + uint64(len(l.messages))
}

// readFrom waits until there is something behind the cursor and answers it, without what the reader said itself, with
// the cursor that follows it.
func (l *Log) readFrom(cursor uint64, reader string) (Batch, uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for cursor >= l.first+uint64(len(l.messages)) {
		l.grown.Wait()
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
