package dispatch_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
	"github.com/kairos-push/kairos/services/dispatch"
	"github.com/kairos-push/kairos/services/dispatch/sandbox"
)

// backends are the kinds of Kafka and Redis that the tests run against; the build tag real makes them real ones.
var backends = []pipetest.Backend{pipetest.Embedded}

func TestMain(m *testing.M) { pipetest.Main(m) }

// rig is a dispatch between real wire protocols: Kafka and Redis in front, the sandbox gateways behind.
type rig struct {
	tb    testing.TB
	srv   *pipetest.Servers
	kafka *stream.Client
	b     *bench
	cfg   dispatch.Config
	hook  redis.Hook // between dispatch and Redis

	mu      sync.Mutex
	results []event.Fact
	rows    []event.Outcome
	dead    []stream.Record
	changed chan struct{}
}

func newRig(tb testing.TB, backend pipetest.Backend) *rig {
	tb.Helper()
	r := &rig{tb: tb, srv: pipetest.Start(tb, backend), b: newBench(tb), changed: make(chan struct{}, 1)}
	r.kafka = r.srv.Stream(tb)
	topics := []topic.Topic{topic.Releases, topic.Outcomes, topic.Attempts, topic.Facts, topic.Releases.DLQ()}
	require.NoError(tb, r.kafka.Apply(tb.Context(), topics, 4, 1))
	r.cfg = dispatch.Config{Apps: dispatch.Fixed(map[string]dispatch.App{"demo": r.app(), "other": r.app()}), CommitEvery: 20 * time.Millisecond}
	follow := func(t topic.Topic, fn func(stream.Record)) {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = r.kafka.Tail(ctx, t, stream.Start, func(rec stream.Record) error {
				r.mu.Lock()
				fn(rec)
				r.mu.Unlock()
				select {
				case r.changed <- struct{}{}:
				default:
				}
				return nil
			})
		}()
		tb.Cleanup(func() { cancel(); <-done })
	}
	follow(topic.Facts, func(rec stream.Record) {
		var f event.Fact
		if event.Decode(rec.Value, &f) == nil {
			r.results = append(r.results, f)
		}
	})
	follow(topic.Outcomes, func(rec stream.Record) {
		var o event.Outcome
		if event.Decode(rec.Value, &o) == nil {
			r.rows = append(r.rows, o)
		}
	})
	follow(topic.Releases.DLQ(), func(rec stream.Record) { r.dead = append(r.dead, rec) })
	return r
}

func (r *rig) app() dispatch.App {
	a, f, w := r.b.APNsCredentials(), r.b.FCMCredentials(), r.b.WebPushCredentials()
	return dispatch.App{APNs: &a, FCM: &f, WebPush: &w, ReceiptSecret: []byte("secret")}
}

// start runs a dispatch; stop ends it and waits.
func (r *rig) start() (stop func()) {
	r.tb.Helper()
	store := r.srv.Store(r.tb)
	if r.hook != nil {
		store.AddHook(r.hook)
	}
	d, err := dispatch.New(r.cfg, service.Deps{
		Kafka: r.srv.Stream(r.tb), Redis: store, Clock: clock.Clock{}, Log: zerolog.New(zerolog.NewTestWriter(r.tb)).Level(zerolog.WarnLevel),
	})
	require.NoError(r.tb, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			require.NoError(r.tb, <-done)
		})
	}
	r.tb.Cleanup(stop)
	return stop
}

// release makes a release of one message to n's device on a gateway.
func (r *rig) release(gateway string, change func(*event.Release)) *event.Release {
	r.tb.Helper()
	p, _ := r.b.push(r.tb, gateway)
	user := "user-" + p.Message.MessageID
	now := time.Now().UTC()
	rel := &event.Release{
		AppID: "demo", UserID: user, DecisionID: "d", Message: *p.Message, AcceptedAt: now.Add(-time.Minute), PlannedAt: now, ReleasedAt: now,
		Deadline: now.Add(time.Hour), TimeZone: "Europe/Berlin",
		Targets: []event.Target{{DeviceID: "d1", Platform: p.Platform, Channel: gateway, AddressType: p.AddressType, Address: p.Address}},
	}
	rel.Message.UserID, rel.Message.Priority = user, event.Promotional
	if change != nil {
		change(rel)
	}
	rel.ReleaseID = event.ReleaseID(rel.AppID, rel.UserID, rel.Message.MessageID, rel.Message.Revision)
	return rel
}

func (r *rig) publish(rels ...*event.Release) {
	r.tb.Helper()
	recs := make([]stream.Record, len(rels))
	for i, rel := range rels {
		v, err := event.Encode(rel)
		require.NoError(r.tb, err)
		recs[i] = stream.Record{Topic: topic.Releases.Name, Key: []byte(event.Key(rel.AppID, rel.UserID)), Value: v}
	}
	require.NoError(r.tb, r.kafka.Publish(r.tb.Context(), recs))
}

// until waits for a condition on what was published.
func (r *rig) until(what string, ok func() bool) {
	r.tb.Helper()
	late := time.After(90 * time.Second)
	for {
		if ok() {
			return
		}
		select {
		case <-r.changed:
		case <-late:
			require.Fail(r.tb, "timed out waiting for "+what, "%d results, %d rows, %d dead, %d accepted", len(r.facts()), len(r.outcomes()), len(r.letters()), r.b.Accepted(""))
		}
	}
}

// done waits until dispatch has done with every release. One that is repeated before would be passed over.
func (r *rig) done() {
	r.tb.Helper()
	require.Eventually(r.tb, func() bool {
		lag, err := r.kafka.Lag(r.tb.Context(), "dispatch", []topic.Topic{topic.Releases})
		require.NoError(r.tb, err)
		return !slices.ContainsFunc(lag, func(l stream.LagRow) bool { return l.Lag != 0 })
	}, time.Minute, 5*time.Millisecond)
}

// facts, outcomes and letters are what has been read so far.
func (r *rig) facts() []event.Fact       { return copied(r, &r.results) }
func (r *rig) outcomes() []event.Outcome { return copied(r, &r.rows) }
func (r *rig) letters() []stream.Record  { return copied(r, &r.dead) }

func copied[T any](r *rig, list *[]T) []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(*list)
}

// finals are the messages whose release is over, once each.
func (r *rig) finals() map[string]event.Result {
	out := map[string]event.Result{}
	for _, f := range r.facts() {
		if f.Result.Final {
			out[f.Result.MessageID] = *f.Result
		}
	}
	return out
}

// terminal counts the different rows of a type by message.
func (r *rig) ids(typ string) map[string]string {
	out := map[string]string{}
	for _, o := range r.outcomes() {
		if o.Type == typ {
			out[o.OutcomeID] = o.MessageID
		}
	}
	return out
}

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
	r.publish(good)
	r.until("three dead and one sent", func() bool { return len(r.letters()) == 3 && len(r.finals()) == 1 })
	require.Equal(t, "dispatch", r.letters()[0].Header(topic.DeadStage))
	require.NotEmpty(t, r.letters()[0].Header(topic.DeadReason))
	require.Equal(t, "{not json", string(r.letters()[0].Value))
}
