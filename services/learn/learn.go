package learn

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// Config of learn; a zero field takes its default.
type Config struct {
	// Every is the length of a round: at its end the models are judged and published. 10 min.
	Every time.Duration
	// Grace is how long after the end of a round its records may still come; 30 s.
	Grace  time.Duration
	Limits Limits
}

func (c Config) withDefaults() (Config, error) {
	c.Every = cmp.Or(c.Every, 10*time.Minute)
	c.Grace = cmp.Or(c.Grace, 30*time.Second)
	c.Limits = cmp.Or(c.Limits, DefaultLimits())
	if c.Every < time.Second || c.Grace < 0 || min(c.Limits.People, c.Limits.Hashed, c.Limits.Held) < 1 {
		return c, fmt.Errorf("learn: every: at least 1 s, grace: not negative, limits: at least 1; got %+v", c)
	}
	return c, nil
}

// Learn is the Learner with its shell.
type Learn struct {
	cfg     Config
	deps    service.Deps
	metrics *metrics
}

// New makes a learn; nothing is read before Run.
func New(cfg Config, deps service.Deps) (*Learn, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(deps.Metrics)
	if err != nil {
		return nil, err
	}
	return &Learn{cfg: cfg, deps: deps, metrics: m}, nil
}

// Run learns while it leads, until ctx ends.
func (l *Learn) Run(ctx context.Context) error {
	return l.deps.Kafka.Consume(ctx, "learn", []topic.Topic{topic.Models}, func(ctx context.Context, p *stream.Partition) error {
		if p.ID != 0 {
			return nil
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() { // a round that is cut off is learned again
			select {
			case <-p.Stopping():
				cancel()
			case <-ctx.Done():
			}
		}()
		l.metrics.leading.Set(1)
		defer l.metrics.leading.Set(0)
		err := l.lead(ctx)
		if ctx.Err() != nil {
			return stream.ErrStopping
		}
		return err
	})
}

// inputs of learn.
var inputs = []topic.Topic{topic.Enriched, topic.Outcomes}

// lead goes on from the snapshots, round by round.
func (l *Learn) lead(ctx context.Context) error {
	records, err := l.snapshots(ctx)
	if err != nil {
		return err
	}
	learner, next, err := Load(l.cfg.Limits, records)
	if err != nil {
		return err
	}
	for _, app := range slices.Sorted(maps.Keys(learner.LeftOut)) {
		features := learner.LeftOut[app]
		l.metrics.leftOut.WithLabelValues(app).Add(float64(len(features)))
		l.deps.Log.Warn().Str("app_id", app).Strs("features", features).Msg("model_features_left_out")
	}
	if next == nil {
		next = Offsets{}
		first, err := l.first(ctx)
		if err != nil {
			return err
		}
		learner.Skip(first.Truncate(l.cfg.Every))
	}
	if err := l.warmUp(ctx, learner, next); err != nil {
		return err
	}
	l.deps.Log.Info().Time("through", learner.Through()).Int("people", len(learner.people)).Msg("learning")
	for {
		end := learner.Through().Truncate(l.cfg.Every).Add(l.cfg.Every)
		if wait := end.Add(l.cfg.Grace).Sub(l.deps.Clock.Now()); wait > 0 {
			if err := l.deps.Clock.Sleep(ctx, wait); err != nil {
				return err
			}
		}
		if next, err = l.round(ctx, learner, next, end); err != nil {
			return err
		}
		l.metrics.behind.Set(l.deps.Clock.Since(end).Seconds())
	}
}

// first is the time of the oldest record of the log, or now.
func (l *Learn) first(ctx context.Context) (time.Time, error) {
	oldest := l.deps.Clock.Now()
	for _, t := range inputs {
		ranges, err := l.deps.Kafka.Offsets(ctx, t)
		if err != nil {
			return oldest, err
		}
		for p, r := range ranges {
			if r.Low == r.High {
				continue
			}
			err := l.deps.Kafka.Read(ctx, t, p, r.Low, r.Low+1, func(recs []stream.Record) error {
				if recs[0].Time.Before(oldest) {
					oldest = recs[0].Time
				}
				return nil
			})
			if err != nil {
				return oldest, err
			}
		}
	}
	return oldest, nil
}

// snapshots are the newest records of the models topic, by key.
func (l *Learn) snapshots(ctx context.Context) (map[string][]byte, error) {
	ranges, err := l.deps.Kafka.Offsets(ctx, topic.Models)
	if err != nil {
		return nil, err
	}
	newest := map[string][]byte{}
	for p, r := range ranges {
		if r.Low == r.High {
			continue
		}
		err := l.deps.Kafka.Read(ctx, topic.Models, p, r.Low, r.High, func(recs []stream.Record) error {
			for _, rec := range recs {
				if newest[string(rec.Key)] = rec.Value; rec.Value == nil {
					delete(newest, string(rec.Key))
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return newest, nil
}

// warmUp rebuilds what is known of people at the last snapshot, and what was held back in the day before it. People are
// forgotten at the same instants as in the rounds.
func (l *Learn) warmUp(ctx context.Context, learner *Learner, until Offsets) error {
	if len(until) == 0 {
		return nil
	}
	from := Offsets{}
	for _, t := range inputs {
		offsets, err := l.deps.Kafka.OffsetsAt(ctx, t, learner.Through().Add(-memory-testimony))
		if err != nil {
			return err
		}
		from[t.Name] = offsets
	}
	spans, err := l.spans(ctx, from, until)
	if err != nil {
		return err
	}
	learner.warming = true
	var end time.Time
	err = merge(ctx, spans, l.read, wanted(learner), func(r *stream.Record) error {
		if !r.Time.Before(end) {
			learner.sweep()
			end = r.Time.Truncate(l.cfg.Every).Add(l.cfg.Every)
		}
		_ = l.row(learner, r) // it was said when it was learned from
		return nil
	})
	learner.warming = false
	return err
}

// round learns from what the log got up to an instant, and publishes. It returns where the next one begins.
func (l *Learn) round(ctx context.Context, learner *Learner, from Offsets, end time.Time) (Offsets, error) {
	next := Offsets{}
	for _, t := range inputs {
		offsets, err := l.deps.Kafka.OffsetsAt(ctx, t, end)
		if err != nil {
			return nil, err
		}
		next[t.Name] = offsets
	}
	spans, err := l.spans(ctx, from, next)
	if err != nil {
		return nil, err
	}
	if len(spans) == 0 {
		learner.Skip(end)
		return next, nil
	}
	before := learner.Counts
	var dead []stream.Record
	err = merge(ctx, spans, l.read, wanted(learner), func(r *stream.Record) error {
		l.metrics.rows.WithLabelValues(r.Topic).Inc()
		if err := l.row(learner, r); err != nil {
			l.metrics.bad.WithLabelValues(r.Topic).Inc()
			if r.Topic == topic.Outcomes.Name { // timing keeps those of enriched
				dead = append(dead, stream.DeadLetter(r, "learn", err.Error()))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := l.deps.Kafka.Publish(ctx, dead); err != nil {
		return nil, err
	}
	out, err := learner.Round(end, next)
	if err != nil {
		return nil, err
	}
	for i := range out {
		if err := l.publish(ctx, &out[i], end); err != nil {
			return nil, err
		}
	}
	l.metrics.round(learner, before, out)
	return next, nil
}

// wanted says which records are learned from, by the sample as it is now.
func wanted(l *Learner) func(*stream.Record) bool {
	sample := Learner{level: l.level}
	return func(r *stream.Record) bool { return sample.Wants(string(r.Key)) }
}

// spans are what lies between two sets of offsets. Where retention was faster, they begin with what is left.
func (l *Learn) spans(ctx context.Context, from, to Offsets) ([]span, error) {
	var out []span
	for _, t := range inputs {
		ranges, err := l.deps.Kafka.Offsets(ctx, t)
		if err != nil {
			return nil, err
		}
		for p, end := range to[t.Name] {
			begin := int64(0)
			if p < len(from[t.Name]) {
				begin = from[t.Name][p]
			}
			if low := ranges[p].Low; begin < low {
				if begin > 0 {
					l.metrics.lost.WithLabelValues(t.Name).Add(float64(low - begin))
				}
				begin = low
			}
			if begin < end {
				out = append(out, span{t, p, begin, end})
			}
		}
	}
	return out, nil
}

func (l *Learn) read(ctx context.Context, s span, fn func([]stream.Record) error) error {
	return l.deps.Kafka.Read(ctx, s.topic, s.partition, s.from, s.to, fn)
}

// row takes in a record.
func (l *Learn) row(learner *Learner, r *stream.Record) error {
	if r.Topic == topic.Outcomes.Name {
		var o event.Outcome
		if err := event.Decode(r.Value, &o); err != nil {
			return err
		}
		learner.Outcome(&o)
		return nil
	}
	var in profile.Enriched
	if err := event.Decode(r.Value, &in); err != nil {
		return err
	}
	cause, err := stream.ParseCause(r.Header(stream.HeaderCause))
	if err != nil {
		return err
	}
	learner.Enriched(&in, cause.Offset)
	return nil
}

// headerRefused is on a snapshot whose model is the one before, and says why.
const headerRefused = "kairos-refused"

func (l *Learn) publish(ctx context.Context, s *Snapshot, end time.Time) error {
	e := stream.Event{
		ID: s.App + "-" + strconv.FormatInt(end.UnixMilli(), 10), Type: "kairos.model", Source: "/kairos/learn", Time: end,
	}
	r := stream.Record{Topic: topic.Models.Name, Key: []byte(s.App), Value: s.Value, Headers: e.Headers(ctx)}
	if s.Refused != "" {
		r.Headers = append(r.Headers, stream.Header{Key: headerRefused, Value: []byte(s.Refused)})
	}
	if err := l.deps.Kafka.Publish(ctx, []stream.Record{r}); err != nil {
		return err
	}
	level, msg := zerolog.InfoLevel, "model_published"
	if s.Refused != "" {
		level, msg = zerolog.ErrorLevel, "model_refused"
	}
	l.deps.Log.WithLevel(level).Str("reason", s.Refused).Str("app_id", s.App).Str("model_version", s.Version).Object("held_back", s.verdict).Msg(msg)
	return nil
}

// MarshalZerologObject implements zerolog.LogObjectMarshaler.
func (v verdict) MarshalZerologObject(e *zerolog.Event) {
	for t := range numTasks {
		e.Int(t.String()+"_examples", v.n[t])
		if v.n[t] > 0 {
			e.Float64(t.String()+"_loss_before", v.before[t]).Float64(t.String()+"_loss", v.after[t])
		}
	}
}
