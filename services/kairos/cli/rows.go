package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/score"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// readAll hands every record that a topic holds now to fn, partition by partition.
func readAll(ctx context.Context, c *stream.Client, t topic.Topic, fn func(*stream.Record) error) error {
	n, err := c.Partitions(ctx, t)
	if err != nil {
		return err
	}
	for p := range n {
		if err := readPartition(ctx, c, t, p, fn); err != nil {
			return err
		}
	}
	return nil
}

func readPartition(ctx context.Context, c *stream.Client, t topic.Topic, p int, fn func(*stream.Record) error) error {
	return c.Read(ctx, t, p, -1, -1, func(recs []stream.Record) error {
		for i := range recs {
			if err := fn(&recs[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// find decodes the rows of a topic that name a message. With a user only that person's partition is read.
func find[T any](ctx context.Context, c *stream.Client, t topic.Topic, app, user, message string, take func(T)) error {
	quoted, err := event.Encode(message)
	if err != nil {
		return err
	}
	look := func(r *stream.Record) error {
		if !bytes.Contains(r.Value, quoted) {
			return nil
		}
		var row T
		if err := event.Decode(r.Value, &row); err != nil {
			return fmt.Errorf("%s/%d/%d: %w", r.Topic, r.Partition, r.Offset, err)
		}
		take(row)
		return nil
	}
	if user == "" {
		return readAll(ctx, c, t, look)
	}
	n, err := c.Partitions(ctx, t)
	if err != nil {
		return err
	}
	return readPartition(ctx, c, t, state.Partition(event.Key(app, user), n), look)
}

// ReadRows hands the rows of a file of JSON lines, outcomes and decisions in any mix, to whoever wants them. Clock lines
// of kairos replay are passed over.
func ReadRows(file string, outcome func(*event.Outcome), decision func(*event.Decision)) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	if err := errors.Join(scanRows(f, outcome, decision), f.Close()); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// ReadModel reads a file with a record as on the models topic.
func ReadModel(file string) (*score.Model, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	m, err := score.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return m, nil
}

func scanRows(r io.Reader, outcome func(*event.Outcome), decision func(*event.Decision)) error {
	scan := bufio.NewScanner(r)
	scan.Buffer(make([]byte, 1<<16), 1<<20)
	for n := 1; scan.Scan(); n++ {
		if err := rowOf(bytes.TrimSpace(scan.Bytes()), outcome, decision); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return scan.Err()
}

func rowOf(raw []byte, outcome func(*event.Outcome), decision func(*event.Decision)) error {
	if len(raw) == 0 {
		return nil
	}
	var kind struct {
		Topic    string `json:"topic"`
		Outcome  string `json:"outcome_id"`
		Decision string `json:"decision_id"`
	}
	if err := event.Decode(raw, &kind); err != nil {
		return err
	}
	switch {
	case kind.Outcome != "": // it names the decision too
		var o event.Outcome
		if err := event.Decode(raw, &o); err != nil {
			return err
		}
		outcome(&o)
	case kind.Decision != "":
		var d event.Decision
		if err := event.Decode(raw, &d); err != nil {
			return err
		}
		decision(&d)
	case kind.Topic != "clock":
		return fmt.Errorf("neither an outcome nor a decision: %.200s", raw)
	}
	return nil
}
