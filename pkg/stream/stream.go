// Package stream is Kafka for Kairos, and the only importer of kafka-go: a producer that waits for acks=all and says
// which offset a record got, a consumer that hands out the partitions of a generation, readers without a group, and an
// admin client. Topics are named without the prefix of the installation; the prefix is added here and nowhere else.
//
// It is not exactly-once by itself: kafka-go has no idempotent producer, so a publish whose answer was lost is sent
// again and may be in the log twice. Records carry their cause (Event.Cause), by which the next stage drops what it has
// applied already; see package fold.
package stream

import "time"

// Record is a Kafka record. Topic is without the prefix.
type Record struct {
	Topic     string
	Partition int
	// Pinned keeps Partition as given instead of choosing it by the key.
	Pinned  bool
	Offset  int64
	Key     []byte
	Value   []byte // nil: a tombstone
	Headers []Header
	Time    time.Time // zero when publishing: now
}

// Header of a record.
type Header struct {
	Key   string
	Value []byte
}

// Header returns the value of the first header of that name, or "".
func (r *Record) Header(name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// size is what a record takes in a batch before compression, rounded up.
func (r *Record) size() int {
	n := 32 + len(r.Key) + len(r.Value) // 32: lengths, attributes, deltas of time and offset
	for i := range r.Headers {
		n += r.Headers[i].size()
	}
	return n
}

func (h *Header) size() int { return 10 + len(h.Key) + len(h.Value) }
