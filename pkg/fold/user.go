package fold

import (
	"fmt"
	"maps"
	"time"

	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
)

// user is one user's state as its owner holds it.
type user[S any] struct {
	key     string
	state   S
	seq     int64         // of the blob stored last
	at      time.Time     // of the last step
	applied map[int]int64 // partition of the source → offset before which everything is in the state
	// outbox are decisions that are stored, or will be with the next blob, and not known to be published.
	outbox []state.Pending
}

// unpack makes a user of a blob; nil is a user never seen.
func (p *partition[S, I]) unpack(key string, data []byte) (*user[S], error) {
	u := &user[S]{key: key, applied: map[int]int64{}}
	if data == nil {
		u.state = p.stage.New(key)
		return u, nil
	}
	b, err := state.DecodeBlob(data)
	if err != nil {
		return nil, fmt.Errorf("fold: %s: state of user %s: %w", p.stage.Name, hash(key), err)
	}
	u.seq, u.outbox = b.Seq, b.Outbox
	if b.At != 0 {
		u.at = time.UnixMilli(b.At)
	}
	if b.Applied != nil {
		u.applied = b.Applied
	}
	if _, done := p.published[key]; done {
		u.outbox = nil
	}
	if len(b.State) == 0 {
		u.state = p.stage.New(key)
	} else if u.state, err = p.stage.DecodeState(b.State); err != nil {
		return nil, fmt.Errorf("fold: %s: state of user %s: %w", p.stage.Name, hash(key), err)
	}
	return u, nil
}

// outboxDue is the due time of a user whose outbox may not be published: at once, for whoever owns it next.
const outboxDue = 1

// pack makes the blob of a user; no bytes if nothing needs to be kept.
func (p *partition[S, I]) pack(u *user[S], due int64) (state.User, error) {
	packed, err := p.stage.EncodeState(u.state)
	if err != nil {
		return state.User{}, fmt.Errorf("fold: %s: encode the state of user %s: %w", p.stage.Name, hash(u.key), err)
	}
	if len(packed) == 0 && len(u.outbox) == 0 {
		return state.User{Key: u.key}, nil
	}
	if len(u.outbox) > 0 {
		due = outboxDue
	}
	b := state.Blob{
		Life: p.fences[state.Bucket(u.key)].Life, Seq: u.seq, Due: due,
		Applied: maps.Clone(u.applied), Outbox: u.outbox, State: packed,
	}
	if !u.at.IsZero() {
		b.At = u.at.UnixMilli()
	}
	data, err := b.Encode()
	if err != nil {
		return state.User{}, fmt.Errorf("fold: %s: pack user %s: %w", p.stage.Name, hash(u.key), err)
	}
	return state.User{Key: u.key, Due: due, Blob: data}, nil
}

// hash stands for a user in logs and errors, which must not hold ids.
func hash(key string) string { return fmt.Sprintf("#%08x", state.Murmur2([]byte(key))) }

// cause is the record that the state has seen last: what a decision of a wake-up comes after.
func (p *partition[S, I]) cause(u *user[S]) stream.Cause {
	at, next := p.id, u.applied[p.id]
	for q, n := range u.applied { // only a user from before the partitions were made more has another
		if next == 0 && n > 0 {
			at, next = q, n
		}
	}
	if next == 0 {
		return stream.Cause{}
	}
	return stream.Cause{Topic: p.stage.source().Name, Partition: at, Offset: next - 1}
}

// pending is an effect ready to be published.
func (p *partition[S, I]) pending(e Effect, cause stream.Cause, trace string, now time.Time) (state.Pending, error) {
	value, err := encode(e)
	if err != nil {
		return state.Pending{}, fmt.Errorf("fold: %s: encode effect %s for %s: %w", p.stage.Name, e.Type, e.Topic.Name, err)
	}
	out := state.Pending{Topic: e.Topic.Name, ID: e.ID, Type: e.Type, Value: value, Traceparent: trace, TimeMS: now.UnixMilli()}
	if cause != (stream.Cause{}) {
		out.Cause = cause.String()
	}
	return out, nil
}
