package stream_test

import (
	"context"
	"crypto/rand"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// conformance is what the client has to do on any broker.
func conformance(t *testing.T, b pipetest.Backend) {
	t.Helper()
	for _, tc := range []struct {
		name string
		test func(*testing.T, pipetest.Backend)
	}{
		{"partitions keys as the Java client does", partitionsKeys},
		{"keeps the order and tells offsets", keepsOrder},
		{"keeps every byte", keepsBytes},
		{"refuses only what is too large", refusesLarge},
		{"isolates what the broker refuses", isolatesRefused},
		{"isolates what the broker names", isolatesNamed},
		{"waits for a topic made later", waitsForTopic},
		{"reads past transactions and leaves out aborted ones", readsTransactions},
		{"counts a gap and goes on", countsGap},
		{"rebalances without loss", rebalances},
		{"refuses the commit of an old generation", refusesZombie},
		{"goes on from the commit", goesOn},
		{"finishes the batch when stopped", finishesBatch},
		{"gives back a handler's error", givesBackError},
		{"tails from both ends", tails},
		{"finds offsets by time", findsTime},
		{"fetches few batches at once", fetchesFewBatches},
		{"applies topics and reports mismatches", applies},
		{"works through a slow network", worksSlowly},
	} {
		t.Run(tc.name, func(t *testing.T) { t.Parallel(); tc.test(t, b) })
	}
}

func TestEmbeddedConformance(t *testing.T) {
	t.Parallel()
	conformance(t, pipetest.Embedded)
}

func findsTime(t *testing.T, b pipetest.Backend) {
	t.Helper()
	f := start(t, b, facts)
	begin := time.Now().Add(-time.Hour).Truncate(time.Second)
	for i := range 10 {
		require.NoError(t, f.Publish(within(t), []stream.Record{{
			Topic: facts.Name, Pinned: true, Partition: 1, Time: begin.Add(time.Duration(i) * time.Minute), Value: []byte("v"),
		}}))
	}
	offsets, err := f.OffsetsAt(within(t), facts, begin.Add(3*time.Minute+time.Second))
	require.NoError(t, err)
	require.Equal(t, []int64{0, 4, 0, 0}, offsets)
	offsets, err = f.OffsetsAt(within(t), facts, begin.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, []int64{0, 10, 0, 0}, offsets, "the end where there is nothing later")
}

// fetchesFewBatches: each needs a page of memory, however small it is.
func fetchesFewBatches(t *testing.T, b pipetest.Backend) {
	t.Helper()
	f := start(t, b, facts)
	const all = 300
	for range all {
		require.NoError(t, f.Publish(within(t), []stream.Record{{Topic: facts.Name, Pinned: true, Partition: 1, Value: random(1000)}}))
	}
	read := 0
	require.NoError(t, f.Read(within(t), facts, 1, 0, all, func(recs []stream.Record) error {
		require.LessOrEqual(t, len(recs), 128, "of one batch each")
		read += len(recs)
		return nil
	}))
	require.Equal(t, all, read)
}

func applies(t *testing.T, b pipetest.Backend) {
	t.Helper()
	f := start(t, b)
	topics := append([]topic.Topic{topic.InEvents, topic.InEvents.DLQ()}, topic.Facts, topic.Holds)
	require.NoError(t, f.Apply(within(t), topics, partitions, 1))
	require.NoError(t, f.Apply(within(t), topics, partitions, 1), "again is fine")
	require.ErrorContains(t, f.Apply(within(t), topics, 3, 1), "power of two")
	n, err := f.Partitions(within(t), topic.Holds)
	require.NoError(t, err)
	require.Equal(t, partitions, n)

	changed := topic.Facts
	changed.Compact = true
	err = f.Apply(within(t), []topic.Topic{changed, topic.Holds, topic.InEvents}, 8, 1)
	var mismatch *stream.Mismatch
	require.ErrorAs(t, err, &mismatch)
	require.ErrorContains(t, err, f.cfg.Prefix+"facts.v1: has 4 partitions and not 8")
	require.ErrorContains(t, err, f.cfg.Prefix+"facts.v1: has cleanup.policy delete and not compact")
	require.ErrorContains(t, err, f.cfg.Prefix+"holds.v1: has 4 partitions and not 8")
	require.NotContains(t, err.Error(), "in.events", "the partitions of what apps write are theirs")
}

func random(n int) []byte {
	p := make([]byte, n)
	_, _ = rand.Read(p) // never fails
	return p
}

// publish writes n numbered records to a partition.
func (f *fixture) publish(t *testing.T, partition, n int) {
	t.Helper()
	recs := make([]stream.Record, n)
	for i := range recs {
		recs[i] = stream.Record{Topic: facts.Name, Pinned: true, Partition: partition, Key: []byte("k"), Value: []byte(strconv.Itoa(i))}
	}
	require.NoError(t, f.Publish(within(t), recs))
}

// each is a handler that commits after every batch.
func each(fn func(stream.Record) error) stream.Handler {
	return func(ctx context.Context, p *stream.Partition) error {
		for {
			recs, err := p.Fetch(ctx)
			if err != nil {
				return err
			}
			for _, r := range recs {
				if err := fn(r); err != nil {
					return err
				}
			}
			if err := p.Commit(recs[len(recs)-1].Offset + 1); err != nil {
				return err
			}
		}
	}
}

func (f *fixture) create(t *testing.T, of topic.Topic, configs map[string]string) {
	t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = f.cfg.Prefix+of.Name, partitions, 1
	for k, v := range configs {
		rt.Configs = append(rt.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: k, Value: &v})
	}
	req.Topics = append(req.Topics, rt)
	res, err := req.RequestWith(within(t), f.peer)
	require.NoError(t, err)
	require.NoError(t, kerr.ErrorForCode(res.Topics[0].ErrorCode))
}

func (f *fixture) deleteRecords(t *testing.T, partition int32, before int64) {
	t.Helper()
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 10_000
	req.Topics = []kmsg.DeleteRecordsRequestTopic{{
		Topic: f.cfg.Prefix + facts.Name, Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Partition: partition, Offset: before}},
	}}
	res, err := req.RequestWith(within(t), f.peer)
	require.NoError(t, err)
	require.NoError(t, kerr.ErrorForCode(res.Topics[0].Partitions[0].ErrorCode))
}
