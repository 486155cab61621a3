package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
	"github.com/kairos-push/kairos/services/timing/policy"
)

const (
	skewLimit = time.Second
	recent    = time.Hour
	sample    = 2000 // facts looked at, newest first
)

func (d *Doctor) config(rep *report) *service.Apps {
	apps, err := service.LoadApps(d.Apps)
	if err != nil {
		rep.fail("apps file", "correct the file; the services refuse to start with it", "%v", err)
		apps, _ = service.LoadApps("")
		return apps
	}
	rep.ok("apps file", "%d apps", len(apps.All()))
	for _, a := range apps.All() {
		if a.ReceiptSecret == "" {
			rep.warn("apps file", "set receipt_secret: without it anybody may claim that a push was opened", "app %s has no receipt secret", a.AppID)
		}
	}
	return apps
}

func (d *Doctor) policy(rep *report) {
	if d.Policy == "" {
		return
	}
	if _, err := policy.Load(d.Policy); err != nil {
		rep.fail("policy file", "correct the file; timing refuses to start with it", "%v", err)
		return
	}
	rep.ok("policy file", "%s is valid", d.Policy)
}

func (d *Doctor) redis(ctx context.Context, o *IO, rep *report) {
	ctx, cancel := context.WithTimeout(ctx, 2*reach)
	defer cancel()
	cfg, err := d.Redis.State()
	if err != nil {
		rep.fail("redis", "correct the --redis-… settings", "%v", err)
		return
	}
	db, err := state.Open(cfg)
	if err != nil {
		rep.fail("redis", "correct the --redis-… settings", "%v", err)
		return
	}
	defer db.Close()
	before := o.Clock.Now()
	there, err := db.Time(ctx).Result()
	if err != nil {
		rep.fail("redis", "start it or correct --redis-addrs; with `kairos up` use the address of its banner, or --no-redis", "%v: %v", d.Redis.Addrs, err)
		return
	}
	rep.ok("redis", "%v answers", d.Redis.Addrs)
	now := o.Clock.Now()
	skew := there.Sub(before.Add(now.Sub(before) / 2)).Round(time.Millisecond)
	if skew.Abs() > skewLimit {
		rep.warn("clock", "synchronise both machines (NTP): moments are off by as much", "Redis is %s ahead of this machine", Span(skew))
	} else {
		rep.ok("clock", "this machine and Redis agree to %s", Span(skew.Abs()))
	}
	if err := state.Check(ctx, db); err != nil {
		rep.fail("buckets", "point this version at a Redis of its own, or empty it: everything in it is rebuilt from Kafka", "%v", err)
	} else {
		rep.ok("buckets", "%d, as this version has", state.Buckets)
	}
	d.eviction(ctx, db, rep)
}

func (d *Doctor) eviction(ctx context.Context, db redis.UniversalClient, rep *report) {
	const advice = "CONFIG SET maxmemory-policy noeviction: an evicted held message has to be rebuilt from Kafka"
	got, err := db.ConfigGet(ctx, "maxmemory-policy").Result()
	switch policy := got["maxmemory-policy"]; {
	case err != nil || policy == "":
		rep.warn("eviction", advice, "Redis does not tell its policy (CONFIG GET)")
	case policy != "noeviction":
		rep.fail("eviction", advice, "maxmemory-policy is %s", policy)
	default:
		rep.ok("eviction", "noeviction")
	}
}

// topics says whether the rest can be checked.
func (d *Doctor) topics(ctx context.Context, c *stream.Client, apps *service.Apps, rep *report) bool {
	ctx, cancel := context.WithTimeout(ctx, reach)
	defer cancel()
	there, err := c.Topics(ctx)
	if err != nil {
		rep.fail("kafka", "start it or correct --kafka-brokers", "%v does not answer: %v", d.Brokers, err)
		return false
	}
	rep.ok("kafka", "%v answers", d.Brokers)
	var missing []string
	counts := map[int][]string{}
	for _, t := range AllTopics(apps) {
		n, ok := there[t.Name]
		if !ok {
			missing = append(missing, t.Name)
		} else if t.Pipeline {
			counts[n] = append(counts[n], t.Name)
		}
	}
	if len(missing) > 0 {
		rep.fail("topics", "kairos topics apply", "%d are missing: %s", len(missing), clip(strings.Join(missing, ", "), 120))
		return false
	}
	rep.ok("topics", "all %d are there", len(AllTopics(apps)))
	const advice = "stop the services, let them drain, and recreate the pipeline topics with one power of two as partition count"
	if len(counts) > 1 {
		rep.fail("partitions", advice, "the pipeline topics differ: %v", counts)
		return true
	}
	for n := range counts {
		if err := topic.CheckPartitions(n); err != nil {
			rep.fail("partitions", advice, "%v", err)
		} else {
			rep.ok("partitions", "%d in every pipeline topic", n)
		}
	}
	return true
}

// progress finds partitions that are behind and do not move.
func (d *Doctor) progress(ctx context.Context, o *IO, c *stream.Client, apps *service.Apps, rep *report) {
	look := func() (map[string]stream.LagRow, error) {
		ctx, cancel := context.WithTimeout(ctx, 4*reach)
		defer cancel()
		all := map[string]stream.LagRow{}
		for _, r := range readers(apps) {
			rows, err := c.Lag(ctx, r.group, r.topics)
			if err != nil {
				return nil, err
			}
			for _, row := range rows {
				all[fmt.Sprintf("%s at %s/%d", r.group, row.Topic, row.Partition)] = row
			}
		}
		return all, nil
	}
	before, err := look()
	if err == nil {
		err = o.Clock.Sleep(ctx, d.Watch)
	}
	var after map[string]stream.LagRow
	if err == nil {
		after, err = look()
	}
	if err != nil {
		rep.fail("progress", "check the brokers", "%v", err)
		return
	}
	var stuck []string
	var behind int64
	for name, was := range before {
		is := after[name]
		behind += is.Lag
		if was.Lag > 0 && is.Lag > 0 && is.Committed == was.Committed {
			stuck = append(stuck, name)
		}
	}
	if len(stuck) > 0 {
		slices.Sort(stuck)
		rep.fail("progress", "is the service running? its log and /readyz say what it waits for", "%d partitions are behind and did not move in %s: %s",
			len(stuck), d.Watch, clip(strings.Join(stuck, ", "), 160))
		return
	}
	rep.ok("progress", "%d records behind, none stuck", behind)
}

// input looks at what was refused of late, and at the newest facts for times and values that make no sense.
func (d *Doctor) input(ctx context.Context, o *IO, c *stream.Client, apps *service.Apps, rep *report) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	refused := int64(0)
	for _, t := range AllTopics(apps) {
		if !t.IsDLQ() {
			continue
		}
		ranges, err := c.Offsets(ctx, t)
		if err == nil {
			var since []int64
			if since, err = c.OffsetsAt(ctx, t, o.Clock.Now().Add(-recent)); err == nil {
				for p, r := range ranges {
					refused += max(0, r.High-since[p])
				}
			}
		}
		if err != nil {
			rep.fail("dead letters", "check the brokers", "%v", err)
			return
		}
	}
	if refused > 0 {
		rep.warn("dead letters", "kairos dlq list", "%d records were refused within the last hour", refused)
	} else {
		rep.ok("dead letters", "none within the last hour")
	}
	d.clamped(ctx, c, rep)
	odd, looked, err := oddFacts(ctx, c)
	switch {
	case err != nil:
		rep.fail("input", "check the brokers", "%v", err)
	case len(odd) > 0:
		rep.warn("input", "correct the sender's clock or SDK; Kairos clamps such values and goes on", "of the newest %d facts: %s", looked, strings.Join(odd, "; "))
	default:
		rep.ok("input", "the newest %d facts make sense", looked)
	}
}

// clamped looks at the people heard of last: how many of their records enrich had to bend.
func (d *Doctor) clamped(ctx context.Context, c *stream.Client, rep *report) {
	people := map[string]uint32{}
	err := latest(ctx, c, topic.Enriched, func(r *stream.Record) {
		var in struct {
			Profile struct {
				Clamped uint32 `json:"clamped"`
			} `json:"profile"`
		}
		if event.Decode(r.Value, &in) == nil { // one that cannot be read is timing's to refuse
			people[string(r.Key)] = in.Profile.Clamped
		}
	})
	bent, records, most := 0, 0, uint32(0)
	for _, n := range people {
		if n > 0 {
			bent++
		}
		records += int(n)
		most = max(most, n)
	}
	switch {
	case err != nil:
		rep.fail("clamped", "check the brokers", "%v", err)
	case bent > 0:
		rep.warn("clamped", "correct the sender's clock or SDK; kairos_enrich_clamped_total says how often it happens now",
			"%d of the %d people heard of last sent absurd times, values or rates: %d records were bent, %d of one person", bent, len(people), records, most)
	default:
		rep.ok("clamped", "nothing absurd from the %d people heard of last", len(people))
	}
}

// latest hands the newest records of a topic to fn, as many of each partition.
func latest(ctx context.Context, c *stream.Client, t topic.Topic, fn func(*stream.Record)) error {
	ranges, err := c.Offsets(ctx, t)
	if err != nil {
		return err
	}
	share := int64(sample / max(1, len(ranges)))
	for p, r := range ranges {
		err = errors.Join(err, c.Read(ctx, t, p, max(r.Low, r.High-share), r.High, func(recs []stream.Record) error {
			for i := range recs {
				fn(&recs[i])
			}
			return nil
		}))
	}
	return err
}

func oddFacts(ctx context.Context, c *stream.Client) (odd []string, looked int, err error) {
	counts := map[string]int{}
	err = latest(ctx, c, topic.Facts, func(r *stream.Record) {
		var f event.Fact
		if err := event.Decode(r.Value, &f); err != nil {
			counts["unreadable"]++
			return
		}
		looked++
		if what := oddity(&f); what != "" {
			counts[what]++
		}
	})
	for what, n := range counts {
		odd = append(odd, fmt.Sprintf("%d %s", n, what))
	}
	slices.Sort(odd)
	return odd, looked, err
}

// oddity names what is absurd about a fact that is valid all the same.
func oddity(f *event.Fact) string {
	at := f.ReceivedAt
	switch {
	case f.Event != nil:
		at = f.Event.OccurredAt
	case f.Signal != nil:
		at = f.Signal.ObservedAt
		if n, ok := f.Signal.Value.Float(); ok && f.Signal.Kind == "battery_level" && (n < 0 || n > 100) {
			return "batteries outside 0 to 100"
		}
	case f.Receipt != nil:
		at = f.Receipt.OccurredAt
	}
	switch d := at.Sub(f.ReceivedAt); {
	case d > 5*time.Minute:
		return "more than 5 minutes in the future"
	case d < -7*24*time.Hour:
		return "more than 7 days late"
	}
	return ""
}
