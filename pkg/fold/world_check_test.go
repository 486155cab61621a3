package fold

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// states are the users' states in Redis.
func (w *world) states() map[string]*book {
	out := map[string]*book{}
	for key := range maps.Keys(w.perUser) {
		data, err := w.plain.Get(context.Background(), state.UserKey("orders", key)).Bytes()
		if errors.Is(err, redis.Nil) {
			continue
		}
		require.NoError(w.t, err)
		b, err := state.DecodeBlob(data)
		require.NoError(w.t, err)
		out[key], err = orders().DecodeState(b.State)
		require.NoError(w.t, err)
	}
	return out
}

// check compares what is in Kafka and Redis with a fold of the inputs in their order. It says what is wrong.
func (w *world) check() error {
	var wrong []error
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if len(w.untold) > 0 {
		say("decided before its row was in the log: %v", w.untold)
	}
	decided := map[string]map[string]bool{}
	for _, r := range w.logs[topic.Releases.Name] {
		var v verdict
		require.NoError(w.t, json.Unmarshal(r.Value, &v))
		if decided[v.Item] == nil {
			decided[v.Item] = map[string]bool{}
		}
		decided[v.Item][v.How] = true
	}
	accepted := map[string]bool{}
	for _, r := range w.logs[topic.Outcomes.Name] {
		accepted[r.Header(stream.HeaderID)] = true
	}
	states := w.states()
	for key, orders := range w.perUser {
		want := &book{Held: map[string]int64{}, Ended: map[string]string{}}
		for _, o := range orders {
			want.take(o)
		}
		got := states[key]
		if got == nil {
			say("%s: state lost", key)
			continue
		}
		if got.Wrong != "" || got.Seen != want.Seen || got.Hash != want.Hash {
			say("%s: state has seen %d inputs, want %d in order; %s", key, got.Seen, want.Seen, got.Wrong)
		}
		if len(got.Held) > 0 {
			say("%s: still held: %v", key, got.Held)
		}
		forbidden := map[string]bool{}
		for _, o := range orders {
			hows := slices.Sorted(maps.Keys(decided[o.Item]))
			switch {
			case o.Cancel:
				forbidden[o.Item] = !accepted["accepted-"+o.Item]
			case forbidden[o.Item]:
				if len(hows) > 0 {
					say("%s: %s was cancelled before it came, and then %v", key, o.Item, hows)
				}
			case len(hows) != 1:
				say("%s: %s was decided %v, want one decision", key, o.Item, hows)
			case got.Ended[o.Item] != hows[0]:
				say("%s: %s is %q in the state and %q in Kafka", key, o.Item, got.Ended[o.Item], hows[0])
			case !accepted["accepted-"+o.Item]:
				say("%s: %s was never called accepted", key, o.Item)
			}
		}
	}
	return errors.Join(wrong...)
}
