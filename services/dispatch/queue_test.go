package dispatch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/dispatch/push"
)

var enough = [lanes]int{1000, 1000}

func noLimit(string) *rate.Limiter { return nil }

func job(app string, lane Lane) *task {
	return &task{rel: &live{release: event.Release{AppID: app}, lane: lane, part: &owned{}}}
}

func popAll(q *queue, most Lane) (apps []string) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for {
		t, ok := q.pop(ctx, most)
		if !ok {
			return apps
		}
		apps = append(apps, t.rel.release.AppID)
	}
}

func TestAppsAreServedInTurn(t *testing.T) {
	t.Parallel()
	q := newQueue(clock.Clock{}, noLimit, enough)
	for range 4 {
		q.push(job("big", Bulk))
	}
	q.push(job("small", Bulk))
	q.push(job("other", Bulk))
	q.push(job("alert", Urgent))
	require.Equal(t, []string{"alert", "big", "small", "other", "big", "big", "big"}, popAll(q, Bulk))
}

func TestUrgentWorkersLeaveBulkAlone(t *testing.T) {
	t.Parallel()
	q := newQueue(clock.Clock{}, noLimit, enough)
	q.push(job("a", Bulk))
	require.Empty(t, popAll(q, Urgent))
	require.Equal(t, 1, q.depth(Bulk))
}

// TestASilentProviderHoldsUpNobody: nothing that is sent to one provider comes back. The app's other channel and other
// apps go on, to the last worker.
func TestASilentProviderHoldsUpNobody(t *testing.T) {
	t.Parallel()
	q := newQueue(clock.Clock{}, noLimit, [lanes]int{Urgent: 4, Bulk: 8})
	for range 20 {
		silent := job("a", Bulk)
		silent.target.Channel = "apns"
		q.push(silent)
	}
	require.Len(t, popAll(q, Bulk), 4, "half of the workers")
	for range 20 {
		other := job("a", Bulk)
		other.target.Channel = "fcm"
		q.push(other)
	}
	require.Len(t, popAll(q, Bulk), 2)
	for range 3 {
		q.push(job("b", Bulk))
		require.Equal(t, []string{"b"}, popAll(q, Bulk))
		q.done(job("b", Bulk), Bulk)
	}
	q.push(job("a", Urgent))
	require.Len(t, popAll(q, Urgent), 1, "the other lane has workers of its own")

	back := job("a", Bulk)
	back.target.Channel = "apns"
	q.done(back, Bulk)
	q.done(back, Bulk)
	require.Len(t, popAll(q, Bulk), 2, "what comes back is shared again")
}

// TestRates: an app over its rate is passed over, and nobody waits for it; it gets its rate, not more, not less.
func TestRates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := rate.NewLimiter(10, 1)
		q := newQueue(clock.Clock{}, func(app string) *rate.Limiter {
			if app == "slow" {
				return slow
			}
			return nil
		}, enough)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		at := map[string][]time.Duration{}
		begun := time.Now()
		got := make(chan string)
		for range 50 {
			go func() {
				for {
					tk, ok := q.pop(ctx, Bulk)
					if !ok {
						return
					}
					got <- tk.rel.release.AppID
					time.Sleep(time.Hour) // a worker that took one is busy: another has to keep the time
				}
			}()
		}
		for range 20 {
			q.push(job("slow", Bulk))
			q.push(job("fast", Bulk))
		}
		for range 40 {
			app := <-got
			at[app] = append(at[app], time.Since(begun))
		}
		require.Zero(t, at["fast"][19], "nobody waits for the slow app")
		require.InDelta(t, 1900, at["slow"][19].Milliseconds(), 1)
		cancel()
		time.Sleep(2 * time.Hour)
	})
}

func TestNobodySleepsOverATask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(clock.Clock{}, noLimit, enough)
		ctx, cancel := context.WithCancel(context.Background())
		got := make(chan Lane, 1000)
		for i := range 6 {
			go func() {
				for {
					tk, ok := q.pop(ctx, Lane(i%2))
					if !ok {
						return
					}
					got <- tk.rel.lane
				}
			}()
		}
		synctest.Wait()
		for range 100 {
			q.push(job("a", Bulk))
			q.push(job("b", Urgent))
			synctest.Wait()
			require.Len(t, got, 2, "taken at once")
			<-got
			<-got
		}
		cancel()
		synctest.Wait()
	})
}

func TestLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var at []time.Duration
		l := newLater(clock.Clock{}, func(*task) { at = append(at, time.Since(begun)) })
		ctx, cancel := context.WithCancel(context.Background())
		go l.run(ctx)
		gone := &owned{}
		for _, d := range []time.Duration{5 * time.Hour, time.Minute, time.Second, 0} {
			l.add(&task{rel: &live{part: &owned{}}}, begun.Add(d))
			l.add(&task{rel: &live{part: gone}}, begun.Add(d+time.Second))
		}
		l.forget(gone)
		time.Sleep(6 * time.Hour)
		synctest.Wait()
		require.Equal(t, []time.Duration{0, time.Second, time.Minute, 5 * time.Hour}, at)
		require.Zero(t, l.count())
		cancel()
		synctest.Wait()
	})
}

func TestWindowLeavesRoom(t *testing.T) {
	t.Parallel()
	w := newWindow(100)
	n := 0
	for w.admit("hog") {
		n++
	}
	require.Equal(t, 50, n)
	m := 0
	for w.admit("second") {
		m++
	}
	require.Equal(t, 25, m)
	require.True(t, w.admit("third"))
	w.release("third")
	require.Equal(t, 75, w.used)
}

// scripted is a sender whose answers are given.
type scripted struct{ answer push.Verdict }

func (s *scripted) Send(context.Context, *push.Push, time.Time) push.Verdict { return s.answer }
func (s *scripted) Close()                                                   {}

func TestCircuit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{answer: push.Verdict{Class: push.Config, Reason: "InvalidProviderToken", Fix: "check the key"}}
		var opened []push.Verdict
		c := newCircuit("apns", s, func(_ string, open bool, last push.Verdict) {
			if open {
				opened = append(opened, last)
			}
		})
		ask := func() bool {
			_, ok := c.send(func(s push.Sender) push.Verdict { return s.Send(t.Context(), nil, time.Now()) })
			return ok
		}
		require.True(t, ask())
		require.False(t, c.closed(), "credentials that never worked open it at once")
		require.Equal(t, "check the key", opened[0].Fix)
		require.False(t, ask())

		time.Sleep(circuitTimeout + time.Second)
		s.answer = push.Verdict{Class: push.Sent}
		require.True(t, c.closed())
		require.True(t, ask())
		require.True(t, ask())

		s.answer = push.Verdict{Class: push.Config}
		require.True(t, ask())
		require.True(t, c.closed(), "one odd message does not open what has worked")
		s.answer = push.Verdict{Class: push.Prune}
		for range 100 {
			require.True(t, ask(), "dead addresses are not the provider's failure")
		}
		s.answer = push.Verdict{Class: push.Retry, Status: 503}
		for range circuitFailures {
			require.True(t, ask())
		}
		require.False(t, ask())
	})
}

// TestReload: a wrong app keeps what it had, a new one is served, and others are untouched.
func TestReload(t *testing.T) {
	t.Parallel()
	apps := map[string]App{"a": {version: "1", ReceiptSecret: []byte("one")}, "b": {version: "1"}}
	d := &Dispatch{}
	r := &routes{load: func() (map[string]App, error) { return apps, nil }, log: zerolog.Nop(), metrics: newMetrics(nil, d)}
	require.NoError(t, r.reload())
	b := r.app("b")
	apps = map[string]App{"a": {version: "2", Err: context.Canceled}, "b": {version: "1"}, "c": {version: "1"}}
	require.NoError(t, r.reload())
	require.Equal(t, "one", string(r.secret("a")))
	require.Same(t, b, r.app("b"))
	require.NotNil(t, r.app("c"))
	apps = map[string]App{"a": {version: "3", ReceiptSecret: []byte("two")}}
	require.NoError(t, r.reload())
	require.Equal(t, "two", string(r.secret("a")))
	require.Nil(t, r.app("b"))
	require.Nil(t, r.limiter("b"))
	_, why := r.circuit("a", event.Target{Channel: "apns"}, &event.Message{})
	require.Contains(t, why, "no credentials")
}
