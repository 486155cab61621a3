package replay

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
	"github.com/kairos-push/kairos/services/kairos/cli"
)

// ExportCmd is "kairos export".
type ExportCmd struct {
	App       string        `help:"Whose records." default:"demo"`
	Since     time.Duration `help:"Only what came within so long before now; default: all that is kept (7 days)." placeholder:"DURATION"`
	cli.Kafka `embed:""`
}

// Help is the long form of --help.
func (*ExportCmd) Help() string {
	return `What would another policy have done with what came in this week?

  kairos export > week.jsonl
  kairos replay --in week.jsonl --out now.jsonl
  kairos replay --in week.jsonl --out then.jsonl --policy candidate.yaml

Lines are the validated records of the facts topic, whichever way they came, by the time at which they came, and end with
a clock line of now. They open with the devices and preferences of before, as far as no record tells of them. Habits learned
before are not in the file: people begin without, so let the first days be a run-up. Nor is what providers answered: in a
replay every push is taken.

The file holds what people did and what they prefer, by user id: keep it as the topics are kept. It has no contents of
messages, no event properties, no tokens, and hashes for push addresses. Of people who asked to be erased there is only what
came after.`
}

// Run exports.
func (c *ExportCmd) Run(ctx context.Context, o *cli.IO) error {
	if c.Since < 0 {
		return fmt.Errorf("--since: want a duration above zero, got %s", c.Since)
	}
	return c.With(ctx, o, func(ctx context.Context, kafka *stream.Client) error {
		sum, err := Export(ctx, kafka, c.App, c.Since, o.Clock.Now(), o.Out)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(o.Err, "%d records since %s, after %d of what was known then; people who were erased: %d\n",
			sum.Records, stamp(sum.From), sum.Opening, sum.Erased)
		return err
	})
}

// Exported is what an export came to.
type Exported struct {
	Records, Opening int // lines
	Erased           int // people
	From             time.Time
}

// Export writes what came to an app as input for Run, up to the end of the topics now. since is how far it goes back; 0 is
// all that is kept.
func Export(ctx context.Context, kafka *stream.Client, app string, since time.Duration, now time.Time, w io.Writer) (Exported, error) {
	x := export{
		kafka: kafka, app: app, prefix: []byte(event.Key(app, "")), erased: map[string]int64{},
		said: said{maphash.MakeSeed(), map[uint64]struct{}{}}, out: bufio.NewWriterSize(w, 1<<16),
	}
	err := x.span(ctx, since, now)
	if err == nil {
		err = x.survey(ctx)
	}
	if err == nil {
		err = x.write(ctx, now)
	}
	x.sum.Erased = len(x.erased)
	return x.sum, errors.Join(err, x.out.Flush())
}

// export is one under way.
type export struct {
	kafka  *stream.Client
	app    string
	prefix []byte // of the keys of the app
	parts  []stream.Range
	erased map[string]int64 // key → offset of the last request
	said   said
	out    *bufio.Writer
	sum    Exported
}

// span fixes which facts are read.
func (x *export) span(ctx context.Context, since time.Duration, now time.Time) (err error) {
	if x.parts, err = x.kafka.Offsets(ctx, topic.Facts); err != nil || since == 0 {
		return err
	}
	from, err := x.kafka.OffsetsAt(ctx, topic.Facts, now.Add(-since))
	for p := range x.parts {
		x.parts[p].Low = max(x.parts[p].Low, from[p])
	}
	return err
}

// survey finds who asked to be erased, and what the facts say of people.
func (x *export) survey(ctx context.Context) error {
	for p, r := range x.parts {
		err := x.read(ctx, topic.Facts, p, r, func(r *stream.Record) error {
			if !bytes.Contains(r.Value, []byte(`"kind":"user"`)) && !bytes.Contains(r.Value, []byte(`"kind":"device"`)) {
				return nil
			}
			f, err := factOf(r)
			if err != nil {
				return err
			}
			if f.User != nil && f.User.Erase {
				x.erased[string(r.Key)] = r.Offset
			}
			return x.said.fact(f)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// read hands the app's records of a partition to fn.
func (x *export) read(ctx context.Context, t topic.Topic, partition int, r stream.Range, fn func(*stream.Record) error) error {
	return x.kafka.Read(ctx, t, partition, r.Low, r.High, func(recs []stream.Record) error {
		for i := range recs {
			if !bytes.HasPrefix(recs[i].Key, x.prefix) {
				continue
			}
			if err := fn(&recs[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func factOf(r *stream.Record) (*event.Fact, error) {
	f := new(event.Fact)
	if err := event.Decode(r.Value, f); err != nil {
		return nil, fmt.Errorf("%s/%d/%d: %w", r.Topic, r.Partition, r.Offset, err)
	}
	return f, nil
}

// came is a fact and when it came, which is no earlier than what is before it in its partition.
type came struct {
	fact *event.Fact
	at   time.Time
}

// write merges the partitions by time.
func (x *export) write(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	type source struct {
		facts chan came
		next  came
	}
	var all []*source
	for p, r := range x.parts {
		s := &source{facts: make(chan came, 64)}
		all = append(all, s)
		g.Go(func() error {
			defer close(s.facts)
			return x.facts(ctx, p, r, s.facts)
		})
	}
	err := func() error {
		step := func(s *source) (over bool) {
			next, ok := <-s.facts
			s.next = next
			return !ok
		}
		if all = slices.DeleteFunc(all, step); len(all) == 0 {
			return fmt.Errorf("nothing of app %s came in within that time", x.app)
		}
		byTime := func(a, b *source) int { return a.next.at.Compare(b.next.at) }
		x.sum.From = slices.MinFunc(all, byTime).next.at
		if err := x.openings(ctx); err != nil {
			return err
		}
		last := x.sum.From
		for len(all) > 0 {
			s := slices.MinFunc(all, byTime)
			last = s.next.at
			l, err := factLine(s.next.fact, last)
			if err != nil {
				return err
			}
			if err := x.line(l, &x.sum.Records); err != nil {
				return err
			}
			if step(s) {
				all = slices.DeleteFunc(all, func(o *source) bool { return o == s })
			}
		}
		_, err := fmt.Fprintf(x.out, `{"topic":"clock","at":"%s"}`+"\n", stamp(slices.MaxFunc([]time.Time{last, now}, time.Time.Compare)))
		return err
	}()
	if err != nil {
		cancel()
	}
	return cmp.Or(err, g.Wait())
}

// facts sends those of a partition that are to be exported.
func (x *export) facts(ctx context.Context, partition int, r stream.Range, out chan<- came) error {
	var at time.Time
	return x.read(ctx, topic.Facts, partition, r, func(r *stream.Record) error {
		if end, ok := x.erased[string(r.Key)]; ok && r.Offset <= end {
			return nil
		}
		f, err := factOf(r)
		if err != nil {
			return err
		}
		if f.ReceivedAt.After(at) { // clocks of several ingests differ; the order of the log is what counts
			at = f.ReceivedAt
		}
		select {
		case out <- came{f, at}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

func (x *export) line(l []byte, n *int) error {
	if l == nil {
		return nil
	}
	*n++
	_, err := x.out.Write(append(l, '\n'))
	return err
}

// openings writes what the journal of profiles knows. Of each person the last record counts.
func (x *export) openings(ctx context.Context) error {
	ranges, err := x.kafka.Offsets(ctx, topic.Profiles)
	if err != nil {
		return err
	}
	for p, r := range ranges {
		last := map[uint64]int64{}
		id := func(r *stream.Record) uint64 { return maphash.Bytes(x.said.seed, r.Key) }
		err := x.read(ctx, topic.Profiles, p, r, func(r *stream.Record) error {
			last[id(r)] = r.Offset
			return nil
		})
		if err != nil {
			return err
		}
		err = x.read(ctx, topic.Profiles, p, r, func(r *stream.Record) error {
			if _, gone := x.erased[string(r.Key)]; gone || r.Value == nil || last[id(r)] != r.Offset {
				return nil
			}
			return x.opening(r)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (x *export) opening(r *stream.Record) error {
	wrong := func(err error) error { return fmt.Errorf("%s/%d/%d: %w", r.Topic, r.Partition, r.Offset, err) }
	blob, err := state.DecodeBlob(r.Value)
	if err != nil {
		return wrong(err)
	}
	p, err := profile.Decode(blob.State)
	if err != nil {
		return wrong(err)
	}
	lines, err := opening(x.app, string(r.Key[len(x.prefix):]), p, x.said, x.sum.From)
	if err != nil {
		return wrong(err)
	}
	for _, l := range lines {
		if err := x.line(l, &x.sum.Opening); err != nil {
			return err
		}
	}
	return nil
}
