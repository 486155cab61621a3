package stream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

// Publish writes records and returns when all in-sync replicas have them: Partition and Offset of each are then set. The
// partition is chosen by the key as the Java client does (murmur2), by chance without a key, and not at all if Pinned.
//
// Records of one partition keep their order. A batch whose outcome is unknown is sent again until ctx ends, so a record
// may be in the log twice; after an error of ctx, records may or may not have been written, and their bytes must not be
// changed. Refused names the records that can never be written; the others are.
func (c *Client) Publish(ctx context.Context, recs []Record) error {
	if len(recs) == 0 {
		return nil
	}
	if err := c.choosePartitions(ctx, recs); err != nil {
		return err
	}
	p := &publication{recs: recs, results: make([]result, len(recs)), left: len(recs), done: make(chan struct{})}
	var total int64
	work := map[lane][]item{}
	for i := range recs {
		it := item{p: p, i: i, size: recs[i].size()}
		if it.size > c.cfg.MaxMessageBytes {
			p.finish(i, 0, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, c.cfg.MaxMessageBytes))
			continue
		}
		total += int64(it.size)
		l := lane{topic: recs[i].Topic, partition: recs[i].Partition}
		work[l] = append(work[l], it)
	}
	// A Publish larger than the bound waits for the whole of it rather than for ever.
	total = min(total, c.cfg.MaxInFlightBytes)
	if err := c.inFlight.Acquire(ctx, total); err != nil {
		return fmt.Errorf("stream: publish %d records: waiting for earlier ones: %w", len(recs), err)
	}
	p.release = func() { c.inFlight.Release(total) }
	if len(work) == 0 {
		p.release()
	}
	if err := c.enqueue(work); err != nil { //nolint:contextcheck // a batch carries records of several callers: it lives with the client
		return err
	}
	select {
	case <-p.done:
		return p.settle(c.metrics)
	case <-ctx.Done():
		p.abandon()
		return fmt.Errorf("stream: publish %d records: outcome unknown: %w", len(recs), ctx.Err())
	}
}

// choosePartitions waits until the topics exist.
func (c *Client) choosePartitions(ctx context.Context, recs []Record) error {
	counts := map[string]int{}
	for i := range recs {
		r := &recs[i]
		if r.Pinned {
			continue
		}
		n, ok := counts[r.Topic]
		if !ok {
			var err error
			if n, err = c.count(ctx, r.Topic); err != nil {
				return err
			}
			counts[r.Topic] = n
		}
		r.Partition = choosePartition(r.Key, n)
	}
	return nil
}

// choosePartition among n. A record without a key goes anywhere.
func choosePartition(key []byte, n int) int {
	if key == nil {
		return rand.IntN(n)
	}
	return kafka.Murmur2Balancer{Consistent: true}.Balance(kafka.Message{Key: key}, numbers(n)...)
}

// numbers are 0 to n-1, in the form that kafka-go's balancer wants.
func numbers(n int) []int {
	if n <= len(fewNumbers) {
		return fewNumbers[:n]
	}
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

var fewNumbers = func() (few [256]int) {
	for i := range few {
		few[i] = i
	}
	return few
}()

// count is the number of partitions of a topic, from the transport's cache; it waits for a topic that does not exist.
func (c *Client) count(ctx context.Context, name string) (n int, err error) {
	full := c.full(name)
	if n = c.cachedCount(ctx, full); n > 0 {
		return n, nil
	}
	err = c.retry(ctx, "look up topic "+full, func(ctx context.Context) error {
		m, err := c.transport.RoundTrip(ctx, c.admin.Addr, &metadata.Request{TopicNames: []string{full}})
		if err != nil {
			return err
		}
		t := m.(*metadata.Response).Topics[0]
		if n = len(t.Partitions); n > 0 {
			return nil
		}
		if t.ErrorCode != 0 {
			return kafka.Error(t.ErrorCode)
		}
		return kafka.UnknownTopicOrPartition
	})
	return n, err
}

func (c *Client) cachedCount(ctx context.Context, full string) int {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeouts.Request)
	defer cancel()
	m, err := c.transport.RoundTrip(ctx, c.admin.Addr, &metadata.Request{TopicNames: []string{full}})
	if err != nil {
		return 0
	}
	return len(m.(*metadata.Response).Topics[0].Partitions)
}

// publication is one Publish call. Its results are written by the queues of the partitions and read by the caller after
// done, so a caller that went away shares nothing with them but the records' bytes.
type publication struct {
	recs    []Record // read only
	done    chan struct{}
	release func()

	mu        sync.Mutex
	results   []result
	left      int
	abandoned bool
}

type result struct {
	offset int64
	err    error
}

func (p *publication) finish(i int, offset int64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.results[i] = result{offset: offset, err: err}
	if p.left--; p.left == 0 {
		if p.release != nil {
			p.release()
		}
		close(p.done)
	}
}

func (p *publication) abandon() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.abandoned = true
}

func (p *publication) isAbandoned() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.abandoned
}

// settle copies the results into the caller's records.
func (p *publication) settle(m *metrics) error {
	var refused Refused
	for i := range p.recs {
		r := &p.recs[i]
		switch err := p.results[i].err; {
		case err == nil:
			r.Offset = p.results[i].offset
		case errors.Is(err, ErrClosed):
			return fmt.Errorf("stream: publish %d records: outcome unknown: %w", len(p.recs), err)
		default:
			m.refused.WithLabelValues(r.Topic).Inc()
			refused = append(refused, &RecordError{Index: i, Topic: r.Topic, Partition: r.Partition, Size: r.size(), Err: err})
		}
	}
	if len(refused) > 0 {
		return refused
	}
	return nil
}
