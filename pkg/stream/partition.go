package stream

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/rs/zerolog"

	"github.com/kairos-push/kairos/pkg/topic"
)

// fetchRecords is the most that one Fetch hands out.
const fetchRecords = 1000

// Partition is one partition that this member owns for one generation. Fetch and SeekTo are for one goroutine; Commit and
// Committed are for any.
type Partition struct {
	Topic topic.Topic
	ID    int

	committed atomic.Int64
	commit    func(offset int64) error
	start     func(pos int64) *reader
	stopping  <-chan struct{}
	handed    func([]Record)

	next    int64    // what the next Fetch begins with; -1: the start of the log
	pending []Record // fetched and not handed out
	reader  *reader
}

// Committed is the next offset to read by the group's commit, -1 if there is none. Reading starts there, or at the
// start of the log.
func (p *Partition) Committed() int64 { return p.committed.Load() }

// SeekTo makes the next Fetch begin at offset; -1 is the start of the log.
func (p *Partition) SeekTo(offset int64) {
	p.stop()
	p.next, p.pending = offset, nil
}

// Stopping is closed when Consume is to end: a handler that waits for anything but Fetch waits for this as well.
func (p *Partition) Stopping() <-chan struct{} { return p.stopping }

// Fetch returns the next records, at least one and at most 1000, and waits for them. Its ctx may end early and often:
// nothing is lost by that. It returns ErrStopping when Consume is to end.
func (p *Partition) Fetch(ctx context.Context) ([]Record, error) {
	select { // a stopping consumer takes nothing new, also if there is something
	case <-p.stopping:
		return nil, ErrStopping
	default:
	}
	if p.reader == nil {
		p.reader = p.start(p.next)
	}
	for len(p.pending) == 0 {
		select {
		case <-p.stopping:
			return nil, ErrStopping
		case <-ctx.Done():
			return nil, ctx.Err()
		case a, ok := <-p.reader.out:
			if !ok {
				err := p.reader.err
				p.reader = nil
				return nil, fmt.Errorf("stream: fetch %s/%d: %w", p.Topic.Name, p.ID, err)
			}
			p.pending, p.next = a.records, a.next
		}
	}
	n := min(len(p.pending), fetchRecords)
	recs := p.pending[:n:n]
	if p.pending = p.pending[n:]; len(p.pending) == 0 {
		p.pending = nil
	}
	p.handed(recs)
	return recs, nil
}

// Commit says that the group has done with everything below offset. ErrGeneration means that the partition may belong
// to another member by now: return it.
func (p *Partition) Commit(offset int64) error {
	if err := p.commit(offset); err != nil {
		return fmt.Errorf("%w: commit %s/%d at %d: %w", ErrGeneration, p.Topic.Name, p.ID, offset, err)
	}
	p.committed.Store(offset)
	return nil
}

// stop ends reading ahead.
func (p *Partition) stop() {
	if p.reader != nil {
		p.reader.close()
		p.reader = nil
	}
}

// MarshalZerologObject implements zerolog.LogObjectMarshaler.
func (p *Partition) MarshalZerologObject(e *zerolog.Event) {
	e.Str("topic", p.Topic.Name).Int("partition", p.ID)
}
