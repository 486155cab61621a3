package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// DLQRetry is "kairos dlq retry".
type DLQRetry struct {
	Topic  string        `arg:"" help:"Topic, without prefix: in.messages.v1."`
	At     []string      `arg:"" optional:"" help:"Which records: PARTITION/OFFSET as show prints it."`
	All    bool          `help:"All records of the topic, up to --max-age."`
	MaxAge time.Duration `help:"Older records stay: at most the dedupe_window of the policy, after which a message that was put back before is sent once more." default:"168h"`
	Kafka  `embed:""`
}

// Run republishes. The original bytes keep their ids, so a record that was applied in the meantime changes nothing: timing
// remembers a message for the dedupe window from its end, which came after the record.
func (d *DLQRetry) Run(ctx context.Context, o *IO) error {
	if d.All == (len(d.At) > 0) {
		return errors.New("say which records: PARTITION/OFFSET as `kairos dlq show` prints it, or --all")
	}
	wanted := map[string]bool{}
	for _, at := range d.At {
		wanted[at] = true
	}
	return d.within(ctx, o, 10*time.Minute, func(ctx context.Context, c *stream.Client) error {
		oldest := o.Clock.Now().Add(-d.MaxAge)
		n, tooOld := 0, 0
		var batch []stream.Record
		flush := func() error {
			err := c.Publish(ctx, batch)
			if err == nil {
				n += len(batch)
			}
			batch = batch[:0]
			return err
		}
		var stay []error
		err := readAll(ctx, c, deadLetters(d.Topic), func(r *stream.Record) error {
			if !d.All && !wanted[position(r)] {
				return nil
			}
			delete(wanted, position(r))
			if r.Time.Before(oldest) {
				if tooOld++; !d.All {
					stay = append(stay, fmt.Errorf("%s %w: it is of %s, and so older than --max-age", position(r), errStays, r.Time.UTC().Format("2006-01-02 15:04:05")))
				}
				return nil
			}
			again, err := revive(ctx, c, r)
			if errors.Is(err, errStays) {
				stay = append(stay, fmt.Errorf("%s %w", position(r), err))
				return nil
			}
			if err != nil {
				return err
			}
			if batch = append(batch, again); len(batch) >= 500 {
				return flush()
			}
			return nil
		})
		if err = errors.Join(err, flush()); err != nil {
			return err
		}
		o.Printf("%s %d records; they stay in the dead letter topic until its retention ends\n", Good.Render("put back"), n)
		if tooOld > 0 {
			o.Printf("%s %d records older than %s: who put them back before would send them once more (if nobody did: --max-age)\n",
				Warn.Render("left out"), tooOld, d.MaxAge)
		}
		if len(wanted) > 0 {
			stay = append(stay, fmt.Errorf("not there: %s", strings.Join(slices.Sorted(maps.Keys(wanted)), ", ")))
		}
		return errors.Join(stay...)
	})
}

// errStays is wrapped by the reason for which a dead letter cannot come in again.
var errStays = errors.New("cannot be put back")

// revive is what to publish so that a refused record comes in again: the record as it was, where it was read. A record of
// enriched would be dropped there, as timing has seen later facts of the same people; so its fact comes in again instead.
func revive(ctx context.Context, c *stream.Client, r *stream.Record) (stream.Record, error) {
	to := r.Header(topic.DeadTopic)
	switch {
	case to == "":
		return stream.Record{}, fmt.Errorf("%w: no %s header, it is no dead letter of ours", errStays, topic.DeadTopic)
	case to == topic.Enriched.Name:
		return fact(ctx, c, r)
	case r.Header(topic.DeadTruncated) != "":
		return stream.Record{}, fmt.Errorf("%w: its value of %s bytes was cut off", errStays, r.Header(topic.DeadTruncated))
	}
	again := stream.Record{Topic: to, Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		if !strings.HasPrefix(h.Key, "kairos-dlq-") {
			again.Headers = append(again.Headers, h)
		}
	}
	return again, nil
}

// fact is the fact that a record of enriched came of, to be published again: at its new offset nobody has seen it. What
// enrich itself remembers by id does not come through a second time.
func fact(ctx context.Context, c *stream.Client, r *stream.Record) (stream.Record, error) {
	cause, err := stream.ParseCause(r.Header(stream.HeaderCause))
	if err != nil || cause.Topic != topic.Facts.Name {
		return stream.Record{}, fmt.Errorf("%w: it names no fact that it came of", errStays)
	}
	ranges, err := c.Offsets(ctx, topic.Facts)
	if err != nil {
		return stream.Record{}, err
	}
	if cause.Partition >= len(ranges) || cause.Offset < ranges[cause.Partition].Low || cause.Offset >= ranges[cause.Partition].High {
		return stream.Record{}, fmt.Errorf("%w: its fact, %s, is gone", errStays, cause)
	}
	var again stream.Record
	err = c.Read(ctx, topic.Facts, cause.Partition, cause.Offset, cause.Offset+1, func(recs []stream.Record) error {
		again = stream.Record{Topic: topic.Facts.Name, Key: recs[0].Key, Value: recs[0].Value, Headers: recs[0].Headers}
		return nil
	})
	if err != nil {
		return stream.Record{}, err
	}
	var f event.Fact
	if err := event.Decode(again.Value, &f); err != nil {
		return stream.Record{}, fmt.Errorf("%w: its fact, %s: %w", errStays, cause, err)
	}
	if f.Event != nil || f.Signal != nil || f.Receipt != nil {
		return stream.Record{}, fmt.Errorf("%w: its fact is a %s, which enrich has seen and would drop", errStays, f.Kind)
	}
	return again, nil
}
