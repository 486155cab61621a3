package cli

import (
	"bytes"
	"context"
	"fmt"

	"github.com/kairos-push/kairos/pkg/event"
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
