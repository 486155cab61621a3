package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/kairos-push/kairos/pkg/topic"
)

// Handler works on one partition for one generation. It fetches, commits, and returns when ctx ends or Fetch or Commit
// says so. Any other error ends Consume; a nil leaves the partition alone until the next generation.
type Handler func(ctx context.Context, p *Partition) error

// Consume joins the group and calls handle, in a goroutine of its own, for each partition that each generation assigns
// to this member. When a partition is revoked the handler's ctx ends, and the group waits for it to return before the
// next generation begins; so there is never more than one handler of a partition in a member, and another member may
// only overlap with one whose session has expired. When ctx ends the handlers may finish their batch first (Fetch
// returns ErrStopping) for Timeouts.Drain; then Consume returns nil.
//
// It is built on kafka-go's ConsumerGroup and Generation because the group Reader hands out records of revoked
// partitions and commits them under the new generation.
func (c *Client) Consume(ctx context.Context, group string, topics []topic.Topic, handle Handler) error {
	counts, err := c.counts(ctx, topics)
	if err != nil {
		return unlessEnded(ctx, err)
	}
	m := &member{
		c: c, group: group, topics: map[string]topic.Topic{}, handle: handle,
		conns: newConns(c.cfg.Dial), stopping: make(chan struct{}), killed: make(chan struct{}),
	}
	cg, err := m.join(topics)
	if err != nil {
		return fmt.Errorf("stream: join group %s: %w", group, err)
	}
	serving, cancel := context.WithCancel(ctx)
	defer cancel()
	m.cancel = cancel
	err = m.run(serving, cg, topics, counts)
	m.leave(cg)
	m.mu.Lock()
	defer m.mu.Unlock()
	return cmp.Or(m.failure, err)
}

// run goes from generation to generation until ctx ends.
func (m *member) run(ctx context.Context, cg *kafka.ConsumerGroup, topics []topic.Topic, counts map[string]int) error {
	for failing := false; ; {
		gen, err := cg.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // asked to end
		case err != nil:
			m.c.metrics.errors.WithLabelValues("group").Inc()
			if judge(err) == forbidden {
				return fmt.Errorf("stream: join group %s: %w", m.group, err)
			}
			if !failing {
				m.c.log.Warn().Err(err).Str("group", m.group).Msg("group_join_retried")
			}
			failing = true
			continue
		}
		failing = false
		m.serve(ctx, gen, counts)
		if counts, err = m.c.counts(ctx, topics); err != nil {
			return unlessEnded(ctx, err)
		}
	}
}

// unlessEnded is nil if ctx has ended: for what runs until then, that is no error.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // see above
	}
	return err
}

// counts waits until all topics exist: a member that joins for a topic that does not would be assigned nothing of it.
func (c *Client) counts(ctx context.Context, topics []topic.Topic) (map[string]int, error) {
	counts := map[string]int{}
	for _, t := range topics {
		n, err := c.count(ctx, t.Name)
		if err != nil {
			return nil, err
		}
		counts[t.Name] = n
	}
	return counts, nil
}

// member is one Consume call.
type member struct {
	c      *Client
	group  string
	topics map[string]topic.Topic // by full name
	handle Handler
	cancel context.CancelFunc
	conns  *conns

	stopping chan struct{} // handlers may finish their batch
	killed   chan struct{} // handlers have to return
	handlers sync.WaitGroup

	mu      sync.Mutex
	failure error // the first of a handler
}

func (m *member) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failure = cmp.Or(m.failure, err)
	m.cancel()
}

func (m *member) join(topics []topic.Topic) (*kafka.ConsumerGroup, error) {
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = m.c.full(t.Name)
		m.topics[names[i]] = t
	}
	t := m.c.cfg.Timeouts
	return kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: m.c.full(m.group), Brokers: m.c.cfg.Brokers, Topics: names,
		Dialer: &kafka.Dialer{
			ClientID: m.c.cfg.ClientID, DialFunc: m.conns.dial, Timeout: min(3*time.Second, t.Request),
			TLS: m.c.cfg.TLS, SASLMechanism: m.c.sasl,
		},
		// Range gives the same partition numbers of all topics to the same member.
		GroupBalancers:    []kafka.GroupBalancer{kafka.RangeGroupBalancer{}},
		HeartbeatInterval: t.Heartbeat, SessionTimeout: t.Session, RebalanceTimeout: t.Rebalance, Timeout: t.Request,
		JoinGroupBackoff: time.Second, StartOffset: kafka.FirstOffset,
	})
}

// leave lets the handlers finish, then leaves the group so that its partitions move on at once.
func (m *member) leave(cg *kafka.ConsumerGroup) {
	close(m.stopping)
	m.within(m.c.cfg.Timeouts.Drain, m.handlers.Wait)
	close(m.killed)
	m.within(m.c.cfg.Timeouts.Drain, func() { _ = cg.Close() })
	m.conns.closeAll() // a join that hangs
	_ = cg.Close()
}

// within waits for do, but not longer than d.
func (m *member) within(d time.Duration, do func()) {
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	timer := m.c.clk.Timer(d)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// serve starts the handlers of a generation, and a watch for new partitions that ends it.
func (m *member) serve(ctx context.Context, gen *kafka.Generation, counts map[string]int) {
	m.c.metrics.rebalances.WithLabelValues(m.group).Inc()
	owned := 0
	commits := &committer{gen: gen}
	for full, assigned := range gen.Assignments {
		for _, a := range assigned {
			owned++
			m.handlers.Add(1)
			gen.Start(func(gctx context.Context) { m.own(ctx, gctx, m.partition(commits, full, a)) })
		}
	}
	m.c.log.Info().Str("group", m.group).Int32("generation", gen.ID).Int("partitions", owned).Msg("group_joined")
	gen.Start(func(gctx context.Context) {
		tick := m.c.clk.Ticker(m.c.cfg.Timeouts.Metadata)
		defer tick.Stop()
		for {
			select {
			case <-gctx.Done():
				return
			case <-tick.C:
			}
			for name, n := range counts {
				// The number is compared with that before joining, so that partitions made while joining are noticed.
				if now := m.c.cachedCount(gctx, m.c.full(name)); now > n {
					m.c.log.Info().Str("topic", name).Int("from", n).Int("to", now).Msg("partitions_added")
					return
				}
			}
		}
	})
}

func (m *member) partition(commits *committer, full string, a kafka.PartitionAssignment) *Partition {
	p := &Partition{Topic: m.topics[full], ID: a.ID, next: a.Offset, stopping: m.stopping}
	if a.Offset < 0 { // kafka-go says FirstOffset, -2
		p.next = -1
	}
	p.committed.Store(p.next)
	p.commit = func(offset int64) error {
		err := commits.commit(full, a.ID, offset)
		if err != nil {
			m.c.metrics.errors.WithLabelValues("commit").Inc()
		}
		return err
	}
	p.handed = func(recs []Record) { m.c.metrics.handedOut(p.Topic.Name, recs) }
	return p
}

// own runs the handler of one partition. It returns, which ends the generation for all, only when the generation has
// ended or the handler has lost it; a handler that is done early must not take its neighbours with it.
func (m *member) own(ctx, gctx context.Context, p *Partition) {
	hctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(gctx, cancel)()
	returned := make(chan struct{})
	go func() {
		select {
		case <-m.killed:
			cancel()
		case <-hctx.Done():
		}
		m.watchExit(p, returned)
	}()
	lag := m.c.metrics.lag.WithLabelValues(m.group, p.Topic.Name, fmt.Sprint(p.ID))
	p.start = func(pos int64) *reader {
		return m.c.read(hctx, source{topic: p.Topic, partition: p.ID, pos: pos, lag: func(n int64) { lag.Set(float64(n)) }})
	}
	err := m.handle(hctx, p)
	lost := hctx.Err() != nil
	p.stop()
	close(returned)
	m.c.metrics.lag.DeleteLabelValues(m.group, p.Topic.Name, fmt.Sprint(p.ID))
	switch {
	case err == nil || errors.Is(err, ErrStopping):
	case lost:
		m.c.log.Debug().Err(err).Str("group", m.group).Object("at", p).Msg("handler_ended_by_revoke")
	case errors.Is(err, ErrGeneration):
		m.c.log.Info().Err(err).Str("group", m.group).Object("at", p).Msg("generation_lost")
		m.handlers.Done()
		return
	default:
		m.fail(fmt.Errorf("stream: group %s: %s/%d: %w", m.group, p.Topic.Name, p.ID, err))
	}
	m.handlers.Done()
	<-gctx.Done()
}

// watchExit reports a handler that does not return when it should: it holds up the whole group.
func (m *member) watchExit(p *Partition, returned <-chan struct{}) {
	const patience = 5 * time.Second
	start := m.c.clk.Now()
	timer := m.c.clk.Timer(patience)
	defer timer.Stop()
	select {
	case <-returned:
	case <-timer.C:
		m.c.metrics.slowHandlers.WithLabelValues(m.group).Inc()
		m.c.log.Error().Str("group", m.group).Object("at", p).Msg("handler_does_not_return")
		<-returned
		m.c.log.Warn().Str("group", m.group).Object("at", p).Dur("took", m.c.clk.Since(start)).Msg("handler_returned_late")
	}
}
