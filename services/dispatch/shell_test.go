package dispatch_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
	"github.com/kairos-push/kairos/services/dispatch/sandbox"
)

func TestEveryReleaseEndsOnce(t *testing.T) {
	t.Parallel()
	for _, backend := range backends {
		t.Run(string(backend), func(t *testing.T) {
			t.Parallel()
			everyReleaseEndsOnce(t, newRig(t, backend))
		})
	}
}

func everyReleaseEndsOnce(t *testing.T, r *rig) {
	t.Helper()
	var rels []*event.Release
	for i := range 300 {
		rels = append(rels, r.release(gateways[i%3], nil))
	}
	stop := r.start()
	r.publish(rels...)
	r.until("finals", func() bool { return len(r.finals()) == 300 && len(r.ids(event.OutcomeSent)) == 300 })
	require.Equal(t, 300, r.b.Accepted(""))
	row := r.outcomes()[0]
	require.Equal(t, int64(60_000), row.HoldMS)
	require.Equal(t, "d1", row.DeviceID)
	require.NotEmpty(t, row.ProviderMessageID)
	require.NotEmpty(t, row.LocalTime)
	stop()

	// Everything was committed, and a repeat of it all sends nothing.
	lag, err := r.kafka.Lag(t.Context(), "dispatch", []topic.Topic{topic.Releases})
	require.NoError(t, err)
	for _, l := range lag {
		require.Zero(t, l.Lag, "%+v", l)
	}
	said := len(r.facts())
	r.start()
	r.publish(rels...)
	r.until("the same said again", func() bool { return len(r.facts()) == said+300 })
	require.Equal(t, 300, r.b.Accepted(""))
	r.until("the same rows", func() bool { return len(r.ids(event.OutcomeSent)) == 300 })
}

func TestRedisLost(t *testing.T) {
	t.Parallel()
	for _, backend := range backends {
		t.Run(string(backend), func(t *testing.T) {
			t.Parallel()
			redisLost(t, newRig(t, backend))
		})
	}
}

func redisLost(t *testing.T, r *rig) {
	t.Helper()
	var rels []*event.Release
	for range 50 {
		rels = append(rels, r.release(sandbox.APNs, nil))
	}
	stop := r.start()
	r.publish(rels...)
	r.until("finals", func() bool { return len(r.finals()) == 50 && len(r.ids(event.OutcomeSent)) == 50 })

	// While dispatch runs.
	r.done()
	require.NoError(t, r.srv.Store(t).FlushAll(t.Context()).Err())
	said := len(r.facts())
	r.publish(rels...)
	r.until("said again", func() bool { return len(r.facts()) >= said+50 })
	require.Equal(t, 50, r.b.Accepted(""))

	// While it is away.
	stop()
	require.NoError(t, r.srv.Store(t).FlushAll(t.Context()).Err())
	r.start()
	r.publish(rels...)
	r.until("said again", func() bool { return len(r.facts()) >= said+100 })
	require.Equal(t, 50, r.b.Accepted(""))
}

func TestOutcomesOfTheProviders(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipetest.Embedded)
	r.cfg.SendTimeout = 2 * time.Second
	gone := r.release(sandbox.APNs, nil)
	r.b.Unregister(sandbox.APNs, gone.Targets[0].Address)
	silent := r.release(sandbox.APNs, nil)
	r.b.Add(sandbox.Rule{Gateway: sandbox.APNs, Address: silent.Targets[0].Address, Fault: sandbox.Silence})
	late := r.release(sandbox.FCM, func(rel *event.Release) { rel.Deadline = time.Now().Add(5 * time.Second) })
	r.b.Add(sandbox.Rule{Gateway: sandbox.FCM, Address: late.Targets[0].Address, Status: 500, Reason: "INTERNAL"})
	twice := r.release(sandbox.FCM, nil)
	r.b.Add(sandbox.Rule{Gateway: sandbox.FCM, Address: twice.Targets[0].Address, Status: 503, Reason: "UNAVAILABLE", Times: 1})
	over := r.release(sandbox.APNs, func(rel *event.Release) { rel.Deadline = time.Now().Add(-time.Second) })
	none := r.release(sandbox.APNs, func(rel *event.Release) { rel.Targets = nil })
	r.start()
	r.publish(gone, silent, late, twice, over, none)
	r.until("finals", func() bool { return len(r.finals()) == 6 })
	f := r.finals()
	require.Equal(t, event.ResultFailed, f[gone.Message.MessageID].Status)
	require.Equal(t, gone.Targets[0].Address, f[gone.Message.MessageID].PruneAddress)
	require.Equal(t, event.ResultUnknown, f[silent.Message.MessageID].Status)
	require.Contains(t, f[late.Message.MessageID].Reason, "deadline: INTERNAL")
	require.Equal(t, event.ResultSent, f[twice.Message.MessageID].Status)
	require.Equal(t, 2, f[twice.Message.MessageID].Attempt)
	require.Equal(t, "no_device", f[none.Message.MessageID].Reason)
	r.until("rows", func() bool { return len(r.outcomes()) == 7 })
	types := map[string][]string{}
	for _, o := range r.outcomes() {
		types[o.MessageID] = append(types[o.MessageID], o.Type)
	}
	require.Equal(t, []string{event.OutcomeProviderRejected, event.OutcomeFailed}, types[gone.Message.MessageID])
	require.Equal(t, []string{event.OutcomeUnknown}, types[silent.Message.MessageID])
	require.Equal(t, []string{event.OutcomeExpired}, types[late.Message.MessageID])
	require.Equal(t, []string{event.OutcomeExpired}, types[over.Message.MessageID])
	require.Equal(t, []string{event.OutcomeFailed}, types[none.Message.MessageID])
}

func TestALostAnswerIsResentAsTheSamePush(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipetest.Embedded)
	rel := r.release(sandbox.APNs, func(rel *event.Release) { rel.Message.OnAmbiguous = "resend" })
	r.b.Add(sandbox.Rule{Gateway: sandbox.APNs, Fault: sandbox.DropAfter, Times: 1})
	r.start()
	r.publish(rel)
	r.until("the final", func() bool { return len(r.finals()) == 1 })
	require.Equal(t, event.ResultSent, r.finals()[rel.Message.MessageID].Status)
	got := r.b.Arrivals()
	require.Len(t, got, 2)
	require.Equal(t, got[0].ID, got[1].ID)
	require.Equal(t, got[0].Collapse, got[1].Collapse)
}

// TestTheDeadlineAfterALostAnswerIsNoFailure: the provider took the push, its answer was lost, and then it refused until the
// deadline. To call that a failure would have timing give the person the next push at once.
func TestTheDeadlineAfterALostAnswerIsNoFailure(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipetest.Embedded)
	rel := r.release(sandbox.APNs, func(rel *event.Release) {
		rel.Message.OnAmbiguous, rel.Deadline = "resend", time.Now().Add(6*time.Second)
	})
	r.b.Add(sandbox.Rule{Gateway: sandbox.APNs, Fault: sandbox.DropAfter, Times: 1})
	r.b.Add(sandbox.Rule{Gateway: sandbox.APNs, Status: 503, Reason: "ServiceUnavailable"})
	r.start()
	r.publish(rel)
	r.until("the final", func() bool { return len(r.finals()) == 1 && len(r.outcomes()) == 1 })
	final := r.finals()[rel.Message.MessageID]
	require.Equal(t, event.ResultUnknown, final.Status)
	require.Equal(t, "deadline: ServiceUnavailable", final.Reason)
	require.Greater(t, final.Attempt, 1)
	require.Equal(t, event.OutcomeUnknown, r.outcomes()[0].Type)
	require.Equal(t, 1, r.b.Accepted(""))
}

func TestSeveralDevicesCountOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipetest.Embedded)
	rel := r.release(sandbox.APNs, nil)
	for i, gw := range gateways {
		other := r.release(gw, nil).Targets[0]
		other.DeviceID = fmt.Sprintf("x%d", i)
		rel.Targets = append(rel.Targets, other)
	}
	r.b.Unregister(sandbox.APNs, rel.Targets[0].Address)
	r.start()
	r.publish(rel)
	r.until("all", func() bool { return len(r.facts()) == 4 && len(r.outcomes()) == 4 })
	finals := 0
	for _, f := range r.facts() {
		if f.Result.Final {
			finals++
		}
	}
	require.Equal(t, 1, finals)
	require.Len(t, r.ids(event.OutcomeSent), 3)
	require.Empty(t, r.ids(event.OutcomeFailed), "it reached somebody")
}

// TestUrgentOvertakesACampaign: far more bulk than there is memory for, and a slow provider; an urgent release behind it
// all in the log is sent first, and nothing of the campaign is lost.
func TestUrgentOvertakesACampaign(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipetest.Embedded)
	r.cfg.Concurrency, r.cfg.UrgentWorkers, r.cfg.InMemory = 2, 1, 20
	r.b.Add(sandbox.Rule{Gateway: sandbox.APNs, Latency: 10 * time.Millisecond})
	var rels []*event.Release
	for range 400 {
		rels = append(rels, r.release(sandbox.APNs, nil))
	}
	urgent := r.release(sandbox.APNs, func(rel *event.Release) { rel.Message.Priority = event.Transactional })
	other := r.release(sandbox.APNs, func(rel *event.Release) { rel.AppID = "other" })
	r.publish(append(rels, other, urgent)...)
	r.start()
	r.until("finals", func() bool { return len(r.finals()) == 402 })
	require.Equal(t, 402, r.b.Accepted(""))
	seq := map[string]int{}
	for _, a := range r.b.Arrivals() {
		seq[a.MessageID] = a.Seq
	}
	require.Less(t, seq[urgent.Message.MessageID], 150)
	require.Less(t, seq[other.Message.MessageID], 300, "another app has its share")
}

func TestPoisonIsKept(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipetest.Embedded)
	good := r.release(sandbox.APNs, nil)
	wrongKey := r.release(sandbox.APNs, nil)
	v, err := event.Encode(wrongKey)
	require.NoError(t, err)
	r.start()
	require.NoError(t, r.kafka.Publish(t.Context(), []stream.Record{
		{Topic: topic.Releases.Name, Key: []byte("demo|u"), Value: []byte("{not json")},
		{Topic: topic.Releases.Name, Key: []byte("demo|u"), Value: []byte(`{"release_id":""}`)},
		{Topic: topic.Releases.Name, Key: []byte("demo|u"), Value: v},
	}))
	require.NoError(t, r.srv.Outsider(t).Publish(t.Context(), []stream.Record{
		{Topic: topic.Releases.Name, Key: []byte("demo|u"), Value: bytes.Repeat([]byte("{"), 2_000_000)},
	}))
	r.publish(good)
	r.until("four dead and one sent", func() bool { return len(r.letters()) == 4 && len(r.finals()) == 1 })
	require.Equal(t, "dispatch", r.letters()[0].Header(topic.DeadStage))
	require.NotEmpty(t, r.letters()[0].Header(topic.DeadReason))
	require.Equal(t, "{not json", string(r.letters()[0].Value))
	require.Equal(t, "2000000", r.letters()[3].Header(topic.DeadTruncated))
}
