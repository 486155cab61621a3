package pipeline

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// Topics is what anybody can read on the topics, as it comes.
type Topics struct {
	patience time.Duration

	mu        sync.Mutex
	changed   chan struct{}   // closed and replaced at every record
	dealt     map[string]bool // by cause
	over      map[string]bool // user/message → dispatch has said its last word
	dead      []stream.Record
	outcomes  []event.Outcome
	decisions []event.Decision
	seen      map[string]bool // ids of rows
}

// follow reads the topics until the test ends.
func follow(tb testing.TB, kafka *stream.Client, patience time.Duration, topics ...topic.Topic) *Topics {
	tb.Helper()
	l := &Topics{patience: patience, changed: make(chan struct{}), dealt: map[string]bool{}, over: map[string]bool{}, seen: map[string]bool{}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	var wg sync.WaitGroup
	for _, t := range topics {
		wg.Go(func() { _ = kafka.Tail(ctx, t, stream.Start, l.add) }) // a wait tells if it breaks off
	}
	tb.Cleanup(func() { cancel(); wg.Wait() })
	return l
}

func (l *Topics) add(r stream.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch r.Topic {
	case topic.Facts.Name:
		l.dealt[r.Header(stream.HeaderCause)] = true
		var f event.Fact
		if err := event.Decode(r.Value, &f); err != nil {
			return err
		}
		if f.Kind == event.KindResult && f.Result.Final {
			l.over[f.UserID+"/"+f.Result.MessageID] = true
		}
	case topic.Outcomes.Name:
		var o event.Outcome
		if err := event.Decode(r.Value, &o); err != nil {
			return err
		}
		if !l.seen[o.OutcomeID] {
			l.seen[o.OutcomeID] = true
			l.outcomes = append(l.outcomes, o)
		}
	case topic.Decisions.Name:
		var d event.Decision
		if err := event.Decode(r.Value, &d); err != nil {
			return err
		}
		if !l.seen[d.DecisionID] {
			l.seen[d.DecisionID] = true
			l.decisions = append(l.decisions, d)
		}
	default:
		l.dealt[r.Header(topic.DeadTopic)+"/"+r.Header(topic.DeadPartition)+"/"+r.Header(topic.DeadOffset)] = true
		l.dead = append(l.dead, r)
	}
	close(l.changed)
	l.changed = make(chan struct{})
	return nil
}

// Until waits for ok, which is asked again with every record.
func (l *Topics) Until(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	late := time.NewTimer(l.patience) //nolint:forbidigo // a test's patience
	defer late.Stop()
	for {
		l.mu.Lock()
		done, changed := ok(), l.changed
		l.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-late.C:
			l.mu.Lock()
			defer l.mu.Unlock()
			var last []string
			for _, o := range l.outcomes[max(0, len(l.outcomes)-10):] {
				last = append(last, o.UserID+" "+o.MessageID+" "+o.Type)
			}
			require.Failf(tb, "it never happened", "%s; the last of %d outcomes: %q", what, len(l.outcomes), last)
		}
	}
}

// Dealt waits until ingest has dealt with an input record: it is a fact, or a dead letter.
func (l *Topics) Dealt(tb testing.TB, recs ...stream.Record) {
	tb.Helper()
	for i := range recs {
		cause := recs[i].Topic + "/" + strconv.Itoa(recs[i].Partition) + "/" + strconv.FormatInt(recs[i].Offset, 10)
		l.Until(tb, "ingest deals with "+cause, func() bool { return l.dealt[cause] })
	}
}

// Outcomes are the rows of a message so far, each once.
func (l *Topics) Outcomes(user, message string) []event.Outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rows(user, message)
}

// rows is Outcomes with the lock held.
func (l *Topics) rows(user, message string) []event.Outcome {
	var out []event.Outcome
	for _, o := range l.outcomes {
		if o.UserID == user && o.MessageID == message {
			out = append(out, o)
		}
	}
	return out
}

// AllOutcomes are the rows of all messages so far, each once.
func (l *Topics) AllOutcomes() []event.Outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.outcomes)
}

// Dead are the dead letters of the input topics under a key.
func (l *Topics) Dead(key string) []stream.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []stream.Record
	for _, r := range l.dead {
		if string(r.Key) == key {
			out = append(out, r)
		}
	}
	return out
}
