package stream

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/kairos-push/kairos/pkg/topic"
)

// reader fetches one partition ahead of who reads it, by one answer, so that a Fetch that is given up because a timer
// fired costs no request.
type reader struct {
	out    chan answer // each moves on, if only past a marker; closed at the end, then err is set
	err    error
	cancel context.CancelFunc
	end    chan struct{}
}

// source says where and how a reader reads.
type source struct {
	topic     topic.Topic
	partition int
	pos       int64 // -1: the start of the log
	// strict makes a reader end with a GapError where it would go on at the start of the log.
	strict bool
	// lag is told how many records are yet to be fetched; may be nil.
	lag func(int64)
}

func (c *Client) read(ctx context.Context, s source) *reader {
	ctx, cancel := context.WithCancel(ctx)
	r := &reader{out: make(chan answer), cancel: cancel, end: make(chan struct{})}
	go func() {
		defer close(r.end)
		r.err = c.pump(ctx, s, r.out)
		close(r.out)
	}()
	return r
}

func (r *reader) close() {
	r.cancel()
	<-r.end
}

func (c *Client) pump(ctx context.Context, s source, out chan<- answer) error {
	log := c.log.With().Str("topic", s.topic.Name).Int("partition", s.partition).Logger()
	moved := c.clk.Now() // when there last was progress or nothing to read
	wait := backoff(0)
	bytes := min(firstBytes, c.cfg.FetchBytes)
	for ctx.Err() == nil {
		if s.pos < 0 {
			low, err := c.low(ctx, s)
			if err != nil {
				return err
			}
			s.pos = low
		}
		a, err := c.fetchOnce(ctx, s.topic, s.partition, s.pos, bytes)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, kafka.OffsetOutOfRange):
			if s.pos, err = c.reposition(ctx, s); err != nil {
				return err
			}
		case judge(err) == again:
			c.metrics.errors.WithLabelValues("fetch").Inc()
			if wait == 0 {
				log.Warn().Err(err).Msg("fetch_retried")
			}
			c.refresh()
			if err := wait.sleep(ctx, c.clk); err != nil {
				return err
			}
			wait = wait.next()
		case err != nil:
			return err
		default:
			wait = 0
			progress := a.next > s.pos
			if a.high > a.next {
				bytes = resize(bytes, a.batches, c.cfg.FetchBytes)
			}
			if a.high <= s.pos {
				moved = c.clk.Now()
			}
			s.pos = a.next
			if s.lag != nil {
				s.lag(max(0, a.high-a.next))
			}
			if !progress {
				if a.high > s.pos { // nothing although there is something: do not ask in a busy loop
					_ = c.clk.Sleep(ctx, 100*time.Millisecond)
				}
				break
			}
			select {
			case out <- a:
			case <-ctx.Done():
				return ctx.Err()
			}
			moved = c.clk.Now() // the reader may have been slow; that is no stall
		}
		if c.clk.Since(moved) > c.cfg.Timeouts.Stall {
			c.metrics.stalls.WithLabelValues(s.topic.Name).Inc()
			log.Error().Err(err).Dur("for", c.clk.Since(moved)).Int64("offset", s.pos).Msg("fetch_stalled")
			c.refresh()
			moved = c.clk.Now()
		}
	}
	return ctx.Err()
}

func (c *Client) low(ctx context.Context, s source) (int64, error) {
	r, err := c.span(ctx, s.topic, s.partition)
	return r.Low, err
}

// reposition says where to go on when the broker has nothing at s.pos. Records lost to retention are a defect of the
// installation, so they are counted and never passed over in silence.
func (c *Client) reposition(ctx context.Context, s source) (int64, error) {
	r, err := c.span(ctx, s.topic, s.partition)
	if err != nil {
		return 0, err
	}
	if s.pos >= r.Low && s.pos <= r.High {
		return s.pos, c.clk.Sleep(ctx, 100*time.Millisecond) // the leader has just changed
	}
	gap := &GapError{Topic: s.topic.Name, Partition: s.partition, Want: s.pos, Log: r}
	if s.strict {
		return 0, gap
	}
	c.metrics.gaps.WithLabelValues(s.topic.Name).Add(float64(max(r.Low-s.pos, s.pos-r.High)))
	c.log.Error().Err(gap).Str("topic", s.topic.Name).Int("partition", s.partition).
		Int64("from", s.pos).Int64("to", r.Low).Msg("gap_in_log")
	return r.Low, nil
}

// Read hands all records of [from, to) to fn, in order and in chunks, and returns. A negative from is the start of the
// log, a negative to its end now; it waits for records up to to. Records that retention has removed are a GapError.
func (c *Client) Read(ctx context.Context, t topic.Topic, partition int, from, to int64, fn func([]Record) error) error {
	if from < 0 || to < 0 {
		r, err := c.span(ctx, t, partition)
		if err != nil {
			return err
		}
		if from < 0 {
			from = r.Low
		}
		if to < 0 {
			to = r.High
		}
	}
	if from >= to {
		return nil
	}
	r := c.read(ctx, source{topic: t, partition: partition, pos: from, strict: true})
	defer r.close()
	for a := range r.out {
		recs := a.records
		for len(recs) > 0 && recs[len(recs)-1].Offset >= to {
			recs = recs[:len(recs)-1]
		}
		if len(recs) > 0 {
			c.metrics.handedOut(t.Name, recs)
			if err := fn(recs); err != nil {
				return err
			}
		}
		if a.next >= to {
			return nil
		}
	}
	return r.err
}
