package dispatch_test

import (
	"context"
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
