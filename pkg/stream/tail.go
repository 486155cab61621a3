package stream

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/kairos-push/kairos/pkg/topic"
)

// Position is where Tail begins.
type Position int

// The positions.
const (
	Start Position = iota // the oldest record that is kept
	End                   // what comes from now on
)

// Tail hands each record of a topic to fn, one at a time, in order within a partition, and follows the log until ctx
// ends, which is no error. It belongs to no group and commits nothing. Partitions added later are read from their start.
func (c *Client) Tail(ctx context.Context, t topic.Topic, from Position, fn func(Record) error) error {
	ranges, err := c.Offsets(ctx, t)
	if err != nil {
		return unlessEnded(ctx, err)
	}
	g, gctx := errgroup.WithContext(ctx)
	var one sync.Mutex
	follow := func(partition int, pos int64) {
		g.Go(func() error { return c.follow(gctx, t, partition, pos, &one, fn) })
	}
	for i, r := range ranges {
		pos := r.Low
		if from == End {
			pos = r.High
		}
		follow(i, pos)
	}
	g.Go(func() error {
		tick := c.clk.Ticker(c.cfg.Timeouts.Metadata)
		defer tick.Stop()
		for known := len(ranges); ; {
			select {
			case <-gctx.Done():
				return gctx.Err()
			case <-tick.C:
			}
			for now := c.cachedCount(gctx, c.full(t.Name)); known < now; known++ {
				follow(known, -1)
			}
		}
	})
	return unlessEnded(ctx, g.Wait())
}

func (c *Client) follow(ctx context.Context, t topic.Topic, partition int, pos int64, one *sync.Mutex, fn func(Record) error) error {
	r := c.read(ctx, source{topic: t, partition: partition, pos: pos})
	defer r.close()
	for a := range r.out {
		one.Lock()
		for _, rec := range a.records {
			if err := fn(rec); err != nil {
				one.Unlock()
				return err
			}
		}
		one.Unlock()
		c.metrics.handedOut(t.Name, a.records)
	}
	return r.err
}
