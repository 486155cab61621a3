package stream

import (
	"sync"

	"github.com/segmentio/kafka-go"
)

// committer sends the commits of a generation, one request at a time; those that come meanwhile share the next one.
// kafka-go's connection can be used by several goroutines, but they wait for their answers in a busy loop.
type committer struct {
	gen *kafka.Generation

	sending sync.Mutex // held during a request
	mu      sync.Mutex
	next    *commits // not yet sent; nil if empty
}

type commits struct {
	offsets map[string]map[int]int64 // by full topic name and partition
	sent    bool
	err     error
}

func (c *committer) commit(full string, partition int, offset int64) error {
	c.mu.Lock()
	if c.next == nil {
		c.next = &commits{offsets: map[string]map[int]int64{}}
	}
	mine := c.next
	if mine.offsets[full] == nil {
		mine.offsets[full] = map[int]int64{}
	}
	mine.offsets[full][partition] = offset
	c.mu.Unlock()

	c.sending.Lock()
	defer c.sending.Unlock()
	if !mine.sent { // nobody took it along
		c.mu.Lock()
		c.next = nil
		c.mu.Unlock()
		mine.err = c.gen.CommitOffsets(mine.offsets)
		mine.sent = true
	}
	return mine.err
}
