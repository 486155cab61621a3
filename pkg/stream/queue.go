package stream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/produce"
)

// lane is a partition to write to.
type lane struct {
	topic     string
	partition int
}

// item is one record of a publication, waiting in its lane.
type item struct {
	p    *publication
	i    int
	size int
}

func (it item) record() *Record                { return &it.p.recs[it.i] }
func (it item) finish(offset int64, err error) { it.p.finish(it.i, offset, err) }

// queue writes the records of one partition with one request in flight, which keeps their order without an idempotent
// producer. Whatever arrives meanwhile goes into the next batch, so batches grow with the load and nothing lingers.
type queue struct {
	lane
	mu      sync.Mutex
	items   []item
	running bool
}

func (c *Client) enqueue(work map[lane][]item) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		for _, items := range work {
			for _, it := range items {
				it.finish(0, ErrClosed)
			}
		}
		return ErrClosed
	}
	for l, items := range work {
		q := c.lanes[l]
		if q == nil {
			q = &queue{lane: l}
			c.lanes[l] = q
		}
		q.mu.Lock()
		q.items = append(q.items, items...)
		if !q.running {
			q.running = true
			c.work.Go(func() { c.drain(q) })
		}
		q.mu.Unlock()
	}
	return nil
}

// drain runs while the queue holds anything.
func (c *Client) drain(q *queue) {
	for {
		batch := q.take(c.cfg.MaxMessageBytes)
		if len(batch) == 0 {
			return
		}
		c.send(q.lane, batch)
	}
}

func (q *queue) take(limit int) []item {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := 0, 0
	for n < len(q.items) && (n == 0 || size+q.items[n].size <= limit) {
		size += q.items[n].size
		n++
	}
	batch := q.items[:n:n]
	q.items = q.items[n:]
	if n == 0 {
		q.items, q.running = nil, false
	}
	return batch
}

// send writes one batch, whatever it takes: it returns when each record is written, refused, or wanted by nobody.
func (c *Client) send(l lane, batch []item) {
	for wait := backoff(0); ; {
		batch = slices.DeleteFunc(batch, func(it item) bool {
			gone := it.p.isAbandoned()
			if gone {
				it.finish(0, context.Canceled)
			}
			return gone
		})
		if len(batch) == 0 {
			return
		}
		base, bad, err := c.produce(l, batch)
		if c.ctx.Err() != nil && err != nil {
			failAll(batch, ErrClosed)
			return
		}
		switch judge(err) {
		case fine:
			for i, it := range batch {
				it.finish(base+int64(i), nil)
			}
			return
		case forbidden:
			failAll(batch, err)
			return
		case badRecord:
			if len(batch) == 1 {
				failAll(batch, err)
				return
			}
			batch = c.sift(l, batch, bad, err)
			continue
		case again:
		}
		c.metrics.errors.WithLabelValues("produce").Inc()
		if wait == 0 {
			c.log.Warn().Err(err).Str("topic", l.topic).Int("partition", l.partition).Int("records", len(batch)).Msg("publish_retried")
		}
		c.refresh()
		_ = wait.sleep(c.ctx, c.clk)
		wait = wait.next()
	}
}

// sift separates the records that spoil a batch from the others and returns those still to be sent, in order. A broker
// refuses the whole batch; since Kafka 2.4 it may name the records, else halves are tried.
func (c *Client) sift(l lane, batch []item, bad map[int]string, err error) []item {
	if len(bad) == 0 || len(bad) >= len(batch) {
		c.send(l, batch[:len(batch)/2])
		return batch[len(batch)/2:]
	}
	rest := batch[:0:0]
	for i, it := range batch {
		if why, refused := bad[i]; refused {
			it.finish(0, errors.Join(err, errors.New(why)))
		} else {
			rest = append(rest, it)
		}
	}
	return rest
}

func failAll(batch []item, err error) {
	for _, it := range batch {
		it.finish(0, err)
	}
}

// produce is one attempt; bad are the records that the broker named, by their place in the batch.
func (c *Client) produce(l lane, batch []item) (base int64, bad map[int]string, err error) {
	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.Timeouts.Request)
	defer cancel()
	start := c.clk.Now()
	res, err := c.transport.RoundTrip(ctx, c.admin.Addr, &produce.Request{
		Acks: -1, Timeout: int32(c.cfg.Timeouts.Request * 4 / 5 / time.Millisecond),
		Topics: []produce.RequestTopic{{
			Topic: c.full(l.topic),
			Partitions: []produce.RequestPartition{{
				Partition: int32(l.partition),
				RecordSet: protocol.RecordSet{Attributes: protocol.Snappy, Records: &encoder{batch: batch, now: start}},
			}},
		}},
	})
	if err != nil {
		return 0, nil, err
	}
	r := res.(*produce.Response)
	if len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 {
		return 0, nil, protocol.Error("produce answered for no partition")
	}
	part := r.Topics[0].Partitions[0]
	if part.ErrorCode != 0 {
		for _, re := range part.RecordErrors {
			if bad == nil {
				bad = map[int]string{}
			}
			bad[int(re.BatchIndex)] = re.BatchIndexErrorMessage
		}
		return 0, bad, kafka.Error(part.ErrorCode)
	}
	size := 0
	for _, it := range batch {
		size += it.size
	}
	c.metrics.published.WithLabelValues(l.topic).Add(float64(len(batch)))
	c.metrics.publishedBytes.WithLabelValues(l.topic).Add(float64(size))
	c.metrics.publishSeconds.WithLabelValues(l.topic).Observe(c.clk.Since(start).Seconds())
	return part.BaseOffset, nil, nil
}

// encoder hands a batch to kafka-go's encoder one record at a time, reusing one record.
type encoder struct {
	batch      []item
	now        time.Time
	rec        kafka.Record
	key, value content
}

// ReadRecord implements kafka.RecordReader.
func (e *encoder) ReadRecord() (*kafka.Record, error) {
	if len(e.batch) == 0 {
		return nil, io.EOF
	}
	r := e.batch[0].record()
	e.batch = e.batch[1:]
	e.rec.Time = r.Time
	if r.Time.IsZero() {
		e.rec.Time = e.now
	}
	e.rec.Key = e.key.hold(r.Key)
	e.rec.Value = e.value.hold(r.Value)
	e.rec.Headers = e.rec.Headers[:0]
	for _, h := range r.Headers {
		e.rec.Headers = append(e.rec.Headers, kafka.Header(h))
	}
	return &e.rec, nil
}

// content is a reusable kafka.Bytes.
type content struct{ bytes.Reader }

// Close implements kafka.Bytes.
func (*content) Close() error { return nil }

func (b *content) hold(p []byte) kafka.Bytes {
	if p == nil {
		return nil
	}
	b.Reset(p)
	return b
}
