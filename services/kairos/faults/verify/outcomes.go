package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// logAppendTime is the message.timestamp.type that the topic must have.
const logAppendTime = 1

// Outcomes reads the whole of an outcomes topic as it is now.
func Outcomes(ctx context.Context, brokers []string, topic string) ([]Row, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	left, err := ends(ctx, cl, topic)
	if err != nil {
		return nil, err
	}
	var out []Row
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("read %s: %w", topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			var row Row
			if e := json.Unmarshal(r.Value, &row); e != nil && err == nil {
				err = fmt.Errorf("%s/%d/%d: %w", topic, r.Partition, r.Offset, e)
			}
			if r.Attrs.TimestampType() != logAppendTime && err == nil {
				err = fmt.Errorf("%s: times must be those of the broker", topic)
			}
			row.Appended = r.Timestamp
			out = append(out, row)
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

const timestampType, appendTime = "message.timestamp.type", "LogAppendTime"

// BrokersTime makes the brokers say when a row of the topic was written: the services' clocks may be wrong.
func BrokersTime(ctx context.Context, brokers []string, topic string) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		return err
	}
	defer cl.Close()
	set := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	set.Name, set.Value = timestampType, new(appendTime)
	of := kmsg.NewIncrementalAlterConfigsRequestResource()
	of.ResourceType, of.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	of.Configs = append(of.Configs, set)
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Resources = append(req.Resources, of)
	res, err := req.RequestWith(ctx, cl)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(res.Resources[0].ErrorCode)
}

// HasBrokersTime says whether every broker knows: the answer to BrokersTime is the controller's.
func HasBrokersTime(ctx context.Context, brokers []string, topic string) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		return err
	}
	defer cl.Close()
	of := kmsg.NewDescribeConfigsRequestResource()
	of.ResourceType, of.ResourceName, of.ConfigNames = kmsg.ConfigResourceTypeTopic, topic, []string{timestampType}
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.Resources = append(req.Resources, of)
	for _, seed := range cl.SeedBrokers() {
		res, err := seed.RetriableRequest(ctx, req)
		if err != nil {
			return err
		}
		for _, r := range res.(*kmsg.DescribeConfigsResponse).Resources { //nolint:forcetypeassert // what answers that request
			if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
				return err
			}
			for _, c := range r.Configs {
				if c.Value == nil || *c.Value != appendTime {
					return fmt.Errorf("%s: %s is not yet %s", topic, timestampType, appendTime)
				}
			}
		}
	}
	return nil
}

// ends are the ends of the partitions that hold something.
func ends(ctx context.Context, cl *kgo.Client, topic string) (map[int32]int64, error) {
	meta := kmsg.NewPtrMetadataRequest()
	of := kmsg.NewMetadataRequestTopic()
	of.Topic = new(topic)
	meta.Topics = append(meta.Topics, of)
	layout, err := meta.RequestWith(ctx, cl)
	if err != nil {
		return nil, err
	}
	ask := kmsg.NewListOffsetsRequestTopic()
	ask.Topic = topic
	for _, t := range layout.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			return nil, fmt.Errorf("layout of %s: %w", topic, err)
		}
		for _, p := range t.Partitions {
			part := kmsg.NewListOffsetsRequestTopicPartition()
			part.Partition, part.Timestamp = p.Partition, -1 // the end
			ask.Partitions = append(ask.Partitions, part)
		}
	}
	req := kmsg.NewPtrListOffsetsRequest()
	req.Topics = append(req.Topics, ask)
	out := map[int32]int64{}
	for _, shard := range cl.RequestSharded(ctx, req) {
		if shard.Err != nil {
			return nil, shard.Err
		}
		for _, t := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return nil, fmt.Errorf("end of %s/%d: %w", topic, p.Partition, err)
				}
				if p.Offset > 0 {
					out[p.Partition] = p.Offset
				}
			}
		}
	}
	return out, nil
}

// Ends says whether a row of this type ends a message.
func Ends(typ string) bool {
	return slices.Contains([]string{
		"sent", "expired", "cancelled", "suppressed", "superseded", "failed", "unknown", "control",
	}, typ)
}
