package learn

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/raced"
	"github.com/kairos-push/kairos/pkg/score"
	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

func TestMain(m *testing.M) { pipetest.Main(m) }

// bench is a Kafka with the log of some people, and what a learn wrote there.
type bench struct {
	*testing.T
	kafka *stream.Client
	rows  []row
	said  int // rows on the topics

	mu     sync.Mutex
	models map[string][]stream.Record
}

func newBench(t *testing.T) *bench {
	t.Helper()
	time.Sleep(time.Until(monday)) // bubbles begin with the year 2000
	b := &bench{T: t, kafka: pipetest.Start(t, pipetest.Virtual).Stream(t), models: map[string][]stream.Record{}}
	b.rows = crowd("demo", raced.Size(12, 4), 2, 7)
	require.NoError(t, b.kafka.Apply(t.Context(), topic.WithDLQs(), 2, 1))
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = b.kafka.Tail(ctx, topic.Models, stream.Start, func(r stream.Record) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.models[string(r.Key)] = append(b.models[string(r.Key)], r)
			return nil
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	return b
}

// until lets time pass, and says what happens meanwhile.
func (b *bench) until(at time.Time) {
	b.Helper()
	for b.said < len(b.rows) && b.rows[b.said].at.Before(at) {
		next := b.rows[b.said].at.Truncate(time.Minute).Add(time.Minute)
		time.Sleep(time.Until(next))
		var recs []stream.Record
		for ; b.said < len(b.rows) && b.rows[b.said].at.Before(next); b.said++ {
			recs = append(recs, b.record(&b.rows[b.said]))
		}
		require.NoError(b, b.kafka.Publish(b.Context(), recs))
	}
	time.Sleep(time.Until(at))
}

func (b *bench) record(r *row) stream.Record {
	b.Helper()
	out := stream.Record{Topic: topic.Enriched.Name, Time: r.at}
	var v any = r.enriched
	if r.outcome != nil {
		v, out.Topic = r.outcome, topic.Outcomes.Name
		out.Key = []byte(event.Key(r.outcome.AppID, r.outcome.UserID))
	} else {
		out.Key = []byte(r.enriched.Fact.Key())
		e := stream.Event{Cause: stream.Cause{Topic: topic.Facts.Name, Offset: r.cause}}
		out.Headers = e.Headers(b.Context())
	}
	var err error
	out.Value, err = event.Encode(v)
	require.NoError(b, err)
	return out
}

// start runs a learn; stop ends it.
func (b *bench) start() (stop func(), reg *prometheus.Registry) {
	b.Helper()
	reg = prometheus.NewRegistry()
	l, err := New(Config{Every: time.Hour}, service.Deps{
		Kafka: b.kafka, Log: zerolog.New(zerolog.NewTestWriter(b)).Level(zerolog.WarnLevel), Metrics: reg,
	})
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.Context()))
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(b, <-ended)
	})
	b.Cleanup(stop)
	return stop, reg
}

func (b *bench) of(app string) []stream.Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.models[app])
}

// A learn that is stopped and started again, twice in the middle of a round, writes the same models as one that reads the
// whole log when it is over.
func TestTheLogDecidesWhateverHappensToTheReader(t *testing.T) {
	t.Parallel()
	var live, late []stream.Record
	for _, c := range []struct {
		out  *[]stream.Record
		stop []time.Duration
		end  time.Duration
	}{
		{&live, []time.Duration{20*time.Hour + 20*time.Minute, 31*time.Hour + 50*time.Minute}, 49 * time.Hour},
		{&late, nil, 49 * time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			if c.stop != nil {
				for _, at := range c.stop {
					stop, _ := b.start()
					b.until(monday.Add(at))
					stop()
				}
				b.start()
			}
			b.until(monday.Add(c.end - time.Minute))
			if c.stop == nil {
				b.start()
			}
			b.until(monday.Add(c.end + 30*time.Minute))
			for _, app := range []string{"demo", ""} {
				all := b.of(app)
				require.NotEmpty(t, all)
				*c.out = append(*c.out, all[len(all)-1])
				m, err := score.Parse(all[len(all)-1].Value)
				require.NoError(t, err)
				require.NotEqual(t, score.Default().Seen, m.Seen)
			}
		})
	}
	for i := range live {
		require.Equal(t, string(late[i].Value), string(live[i].Value))
	}
}

func TestRowsThatCannotBeReadAreKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		_, reg := b.start()
		key := []byte("demo|u001")
		require.NoError(t, b.kafka.Publish(t.Context(), []stream.Record{
			{Topic: topic.Outcomes.Name, Key: key, Value: []byte(`{"outcome_id":7}`)},
			{Topic: topic.Enriched.Name, Key: key, Value: []byte(`{}`)},
		}))
		b.until(monday.Add(3 * time.Hour))
		ranges, err := b.kafka.Offsets(t.Context(), topic.Outcomes.DLQ())
		require.NoError(t, err)
		kept := int64(0)
		for _, r := range ranges {
			kept += r.High - r.Low
		}
		require.Equal(t, int64(1), kept)
		require.Equal(t, 2, testutil.CollectAndCount(reg, "kairos_learn_bad_rows_total"))
		require.NotEmpty(t, b.of("demo"), "the others are learned from")
	})
}

// What an older learn wrote does not stop this one: it says what it left out, and replaces the record.
func TestAnUpgradeGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		l := NewLearner(DefaultLimits())
		first := round(t, l, monday)
		require.NoError(t, b.kafka.Publish(t.Context(), []stream.Record{{Topic: topic.Models.Name, Key: []byte{}, Value: older(t, first[0].Value)}}))
		_, reg := b.start()
		b.until(monday.Add(3 * time.Hour))
		all := b.of("")
		require.Greater(t, len(all), 1)
		_, err := score.Parse(all[0].Value)
		require.Error(t, err)
		_, err = score.Parse(all[len(all)-1].Value)
		require.NoError(t, err)
		require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP kairos_learn_features_left_out_total Features of snapshots gone on from that this program does not know.
# TYPE kairos_learn_features_left_out_total counter
kairos_learn_features_left_out_total{app_id=""} 3
`), "kairos_learn_features_left_out_total"))
	})
}
