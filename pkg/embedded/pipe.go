package embedded

import (
	"net"
	"sync"
)

// queued makes Write of a net.Pipe return at once. A client that sends a pipeline reads nothing until all of it is
// written, and a server that answers each command reads nothing until its answer is taken: on a pipe without a buffer
// both would wait for ever.
type queued struct {
	net.Conn

	mu    sync.Mutex
	more  *sync.Cond
	queue [][]byte
	err   error
}

func newQueued(c net.Conn) *queued {
	q := &queued{Conn: c}
	q.more = sync.NewCond(&q.mu)
	go q.pump()
	return q
}

func (q *queued) pump() {
	for {
		q.mu.Lock()
		for len(q.queue) == 0 && q.err == nil {
			q.more.Wait()
		}
		if q.err != nil {
			q.mu.Unlock()
			return
		}
		next := q.queue[0]
		q.queue = q.queue[1:]
		q.mu.Unlock()
		if _, err := q.Conn.Write(next); err != nil {
			q.end(err)
		}
	}
}

func (q *queued) end(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.err = err
	q.more.Signal()
}

// Write implements net.Conn.
func (q *queued) Write(b []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return 0, q.err
	}
	q.queue = append(q.queue, append([]byte(nil), b...))
	q.more.Signal()
	return len(b), nil
}

// Close implements net.Conn.
func (q *queued) Close() error {
	q.end(net.ErrClosed)
	return q.Conn.Close()
}
