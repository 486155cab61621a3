package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/kairos-push/kairos/pkg/topic"
)

// Range is what the log of a partition holds for consumers: offsets from Low up to, not including, High.
type Range struct{ Low, High int64 }

// Partitions is the number of partitions of a topic. It waits for a topic that does not exist yet.
func (c *Client) Partitions(ctx context.Context, t topic.Topic) (int, error) {
	return c.count(ctx, t.Name)
}

// Offsets are the ranges of all partitions of a topic.
func (c *Client) Offsets(ctx context.Context, t topic.Topic) ([]Range, error) {
	n, err := c.Partitions(ctx, t)
	if err != nil {
		return nil, err
	}
	asked := make([]kafka.OffsetRequest, 0, 2*n)
	for i := range n {
		asked = append(asked, kafka.FirstOffsetOf(i), kafka.LastOffsetOf(i))
	}
	ranges := make([]Range, n)
	err = c.listOffsets(ctx, t, asked, func(p kafka.PartitionOffsets) {
		ranges[p.Partition] = Range{Low: p.FirstOffset, High: p.LastOffset}
	})
	return ranges, err
}

// OffsetsAt are, by partition, the offsets of the first records at or after a time; the end of the log if there is none.
func (c *Client) OffsetsAt(ctx context.Context, t topic.Topic, at time.Time) ([]int64, error) {
	ranges, err := c.Offsets(ctx, t)
	if err != nil {
		return nil, err
	}
	asked := make([]kafka.OffsetRequest, len(ranges))
	offsets := make([]int64, len(ranges))
	for i := range ranges {
		asked[i] = kafka.TimeOffsetOf(i, at)
		offsets[i] = ranges[i].High
	}
	err = c.listOffsets(ctx, t, asked, func(p kafka.PartitionOffsets) {
		for offset := range p.Offsets {
			if offset >= 0 {
				offsets[p.Partition] = offset
			}
		}
	})
	return offsets, err
}

func (c *Client) span(ctx context.Context, t topic.Topic, partition int) (r Range, err error) {
	asked := []kafka.OffsetRequest{kafka.FirstOffsetOf(partition), kafka.LastOffsetOf(partition)}
	err = c.listOffsets(ctx, t, asked, func(p kafka.PartitionOffsets) { r = Range{Low: p.FirstOffset, High: p.LastOffset} })
	return r, err
}

func (c *Client) listOffsets(ctx context.Context, t topic.Topic, asked []kafka.OffsetRequest, each func(kafka.PartitionOffsets)) error {
	full := c.full(t.Name)
	return c.retry(ctx, "list offsets of "+full, func(ctx context.Context) error {
		res, err := c.admin.ListOffsets(ctx, &kafka.ListOffsetsRequest{
			Topics: map[string][]kafka.OffsetRequest{full: asked}, IsolationLevel: kafka.ReadCommitted,
		})
		if err != nil {
			return err
		}
		for _, p := range res.Topics[full] {
			if p.Error != nil {
				return p.Error
			}
			each(p)
		}
		return nil
	})
}

// LagRow is how far a group is behind in one partition.
type LagRow struct {
	Topic     string
	Partition int
	Committed int64 // -1: nothing yet
	Range
	Lag int64 // records between the commit, or the start of the log, and the end
}

// Lag of a group, by topic in the order given and partition.
func (c *Client) Lag(ctx context.Context, group string, topics []topic.Topic) ([]LagRow, error) {
	var rows []LagRow
	for _, t := range topics {
		ranges, err := c.Offsets(ctx, t)
		if err != nil {
			return nil, err
		}
		committed, err := c.committed(ctx, group, t, len(ranges))
		if err != nil {
			return nil, err
		}
		for i, r := range ranges {
			rows = append(rows, LagRow{
				Topic: t.Name, Partition: i, Committed: committed[i], Range: r, Lag: max(0, r.High-max(committed[i], r.Low)),
			})
		}
	}
	return rows, nil
}

func (c *Client) committed(ctx context.Context, group string, t topic.Topic, n int) ([]int64, error) {
	full := c.full(t.Name)
	offsets := make([]int64, n)
	for i := range offsets {
		offsets[i] = -1
	}
	err := c.retry(ctx, fmt.Sprintf("fetch offsets of group %s", group), func(ctx context.Context) error {
		res, err := c.admin.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: c.full(group), Topics: map[string][]int{full: numbers(n)}})
		if err != nil {
			return err
		}
		if errors.Is(res.Error, kafka.GroupIdNotFound) {
			return nil // nobody of it has been here yet
		}
		if res.Error != nil {
			return res.Error
		}
		for _, p := range res.Topics[full] {
			if p.Error != nil {
				return p.Error
			}
			offsets[p.Partition] = p.CommittedOffset
		}
		return nil
	})
	return offsets, err
}
