// Package stream is Kafka for Kairos, and the only importer of kafka-go: a producer that waits for acks=all and says
// which offset a record got, a consumer that hands out the partitions of a generation, and an admin client.
package stream

import (
	"time"
)

// Record is a Kafka record. Topic is without the prefix.
type Record struct {
	Topic     string
	Partition int
	Offset    int64
	Key       []byte
	Value     []byte // nil: a tombstone
	Headers   []Header
	Time      time.Time
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
