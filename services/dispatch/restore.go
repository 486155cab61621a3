package dispatch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/state"
)

// known is a record that the log tells of.
type known struct {
	place
	rec Record
}

// restore writes records back that the log tells of, in its order, and that Redis does not know. They live for a lifetime
// at the least. It says how many it wrote.
func (s *store) restore(ctx context.Context, list []known, lifetime time.Duration) (written int, err error) {
	for part := range slices.Chunk(list, trip) {
		for told := newest(part); len(told) > 0; {
			n, left, err := s.restoreOnce(ctx, told, lifetime)
			if err != nil {
				return written, fmt.Errorf("dispatch: restore send records: %w", err)
			}
			written, told = written+n, left
		}
	}
	return written, nil
}

// newest is the last word on each push.
func newest(list []known) []known {
	at := map[place]int{}
	var out []known
	for _, k := range list {
		i, ok := at[k.place]
		if !ok {
			at[k.place] = len(out)
			out = append(out, k)
		} else if !out[i].rec.Knows(k.rec) {
			out[i].rec = k.rec
		}
	}
	return out
}

// restoreOnce compares with what Redis has, and writes where that knows less. Left is what somebody else wrote in between.
func (s *store) restoreOnce(ctx context.Context, told []known, lifetime time.Duration) (written int, left []known, err error) {
	have := make([]*redis.SliceCmd, len(told))
	if _, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, k := range told {
			have[i] = p.HMGet(ctx, sendKey(k.bucket, k.release), k.device, everyDevice)
		}
		return nil
	}); err != nil {
		return 0, nil, err
	}
	var writing []known
	var seen []Record
	for i, k := range told {
		text, ok := have[i].Val()[0].(string)
		if !ok {
			text, _ = have[i].Val()[1].(string)
		}
		is, err := decodeRecord(text)
		if err != nil {
			return 0, nil, err
		}
		if !is.Knows(k.rec) {
			writing, seen = append(writing, k), append(seen, is)
		}
	}
	if len(writing) == 0 {
		return 0, nil, nil
	}
	lives := make([]*redis.DurationCmd, len(writing))
	if _, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, k := range writing {
			lives[i] = p.PTTL(ctx, sendKey(k.bucket, k.release))
		}
		return nil
	}); err != nil {
		return 0, nil, err
	}
	calls := make([]state.Call, len(writing))
	for i, k := range writing {
		k.lifetime = max(lifetime, lives[i].Val())
		if calls[i], _, err = s.swapCall(k.place, seen[i], k.rec, -1); err != nil {
			return 0, nil, err
		}
	}
	cmds, err := state.Run(ctx, s.rdb, swapScript, calls)
	if err != nil {
		return 0, nil, err
	}
	for i, cmd := range cmds {
		v, err := cmd.StringSlice()
		if err != nil {
			return 0, nil, err
		}
		if v[0] != "ok" {
			left = append(left, writing[i])
			continue
		}
		n, err := recordsOf(v)
		if err != nil {
			return 0, nil, err
		}
		if n <= s.writes[writing[i].bucket].Load() { // it went back meanwhile, with what was written before
			return 0, nil, errLost
		}
		s.wrote(writing[i].bucket, n)
	}
	return len(writing) - len(left), left, nil
}

// endOf reads, from a row of the outcomes topic, what dispatch once came to.
func endOf(o *event.Outcome) (known, bool) {
	k := known{place: place{
		bucket:  state.Bucket(event.Key(o.AppID, o.UserID)),
		release: event.ReleaseID(o.AppID, o.UserID, o.MessageID, o.Revision),
		device:  o.DeviceID,
	}}
	end := End{Type: o.Type, Reason: o.Reason, ProviderID: o.ProviderMessageID, At: o.OccurredAt}
	switch o.Type {
	case event.OutcomeSent:
		end.Status = event.ResultSent
	case event.OutcomeProviderRejected:
		end.Status = event.ResultFailed
	case event.OutcomeUnknown:
		end.Status, k.device = event.ResultUnknown, everyDevice
	case event.OutcomeFailed, event.OutcomeExpired, event.OutcomeCancelled, event.OutcomeSuperseded:
		end.Status, k.device = event.ResultFailed, everyDevice
	default:
		return k, false
	}
	k.rec = Record{Phase: Ended, Attempt: o.Attempt, End: &end}
	return k, k.device != ""
}
