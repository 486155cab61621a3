package stream

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"github.com/kairos-push/kairos/pkg/topic"
)

// answer is what one fetch brought.
type answer struct {
	records []Record
	next    int64 // where the next fetch starts; beyond the last record if markers of transactions followed it
	high    int64 // end of what a consumer may read: the last stable offset
	batches int
}

// kafka-go takes a page of 64 KiB for each batch of an answer, however small the batch: a megabyte of batches of one record
// needs hundreds. So an answer is asked to be as small as leaves it with no more than mostBatches, beginning with firstBytes.
const (
	firstBytes  = 64 << 10
	mostBatches = 128
)

// resize is how many bytes to ask for after an answer to so many bytes, when there is more to read.
func resize(bytes, batches, most int) int {
	switch {
	case batches > mostBatches:
		return max(bytes*mostBatches/batches, min(firstBytes/8, most))
	case batches >= mostBatches/2:
		return bytes
	}
	return min(2*bytes, most)
}

// fetchOnce asks the leader of a partition for what is at pos. It goes through the protocol package and not through
// kafka.Client.Fetch because that hides the aborted transactions, which a consumer has to leave out itself.
func (c *Client) fetchOnce(ctx context.Context, t topic.Topic, partition int, pos int64, bytes int) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeouts.MaxWait+c.cfg.Timeouts.Request)
	defer cancel()
	m, err := c.transport.RoundTrip(ctx, c.admin.Addr, &fetch.Request{
		ReplicaID: -1, SessionID: -1, SessionEpoch: -1,
		MaxWaitTime: int32(c.cfg.Timeouts.MaxWait / time.Millisecond), MinBytes: 1, MaxBytes: int32(bytes),
		IsolationLevel: int8(kafka.ReadCommitted),
		Topics: []fetch.RequestTopic{{Topic: c.full(t.Name), Partitions: []fetch.RequestPartition{{
			Partition: int32(partition), CurrentLeaderEpoch: -1, FetchOffset: pos, LogStartOffset: -1, PartitionMaxBytes: int32(bytes),
		}}}},
	})
	if err != nil {
		return answer{}, err
	}
	res := m.(*fetch.Response)
	if res.ErrorCode != 0 {
		return answer{}, kafka.Error(res.ErrorCode)
	}
	if len(res.Topics) != 1 || len(res.Topics[0].Partitions) != 1 {
		return answer{}, protocol.Error("fetch answered for no partition")
	}
	part := &res.Topics[0].Partitions[0]
	if part.ErrorCode != 0 {
		return answer{}, kafka.Error(part.ErrorCode)
	}
	d := decoder{pos: pos, topic: t.Name, partition: partition, aborted: map[int64]bool{}, aborts: part.AbortedTransactions}
	if err := d.decode(part.RecordSet.Records); err != nil {
		return answer{}, err
	}
	return answer{records: d.records, next: d.pos, high: part.LastStableOffset, batches: d.batches}, nil
}

// decoder copies records out of kafka-go's pages, into slabs that many records share.
type decoder struct {
	pos       int64
	topic     string
	partition int
	aborts    []fetch.ResponseTransaction // by first offset
	aborted   map[int64]bool              // producers inside an aborted transaction
	records   []Record
	batches   int
	slab      []byte
}

func (d *decoder) decode(r kafka.RecordReader) error {
	stream, ok := r.(*protocol.RecordStream)
	if !ok || len(stream.Records) == 0 {
		return nil
	}
	d.batches = len(stream.Records)
	start := d.pos
	for _, b := range stream.Records {
		if err := d.batch(b); err != nil {
			return err
		}
	}
	if d.pos == start {
		d.pos++ // compaction left a batch without records here
	}
	return nil
}

func (d *decoder) batch(b protocol.RecordReader) error {
	switch b := b.(type) {
	case *protocol.ControlBatch:
		return d.control(b)
	case *protocol.RecordBatch:
		for len(d.aborts) > 0 && d.aborts[0].FirstOffset <= b.BaseOffset {
			d.aborted[d.aborts[0].ProducerID] = true
			d.aborts = d.aborts[1:]
		}
		return d.data(b, b.Attributes.Transactional() && d.aborted[b.ProducerID])
	default:
		return d.data(b, false)
	}
}

func (d *decoder) data(b protocol.RecordReader, aborted bool) error {
	for {
		r, err := b.ReadRecord()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !aborted && r.Offset >= d.pos {
			rec := Record{Topic: d.topic, Partition: d.partition, Offset: r.Offset, Time: r.Time}
			if rec.Key, err = d.copy(r.Key); err != nil {
				return err
			}
			if rec.Value, err = d.copy(r.Value); err != nil {
				return err
			}
			rec.Headers = make([]Header, len(r.Headers))
			for i, h := range r.Headers {
				rec.Headers[i] = Header(h)
			}
			d.records = append(d.records, rec)
		}
		d.pos = max(d.pos, r.Offset+1)
		if r.Key != nil {
			_ = r.Key.Close()
		}
		if r.Value != nil {
			_ = r.Value.Close()
		}
	}
}

// control reads a marker that ends a transaction.
func (d *decoder) control(b *protocol.ControlBatch) error {
	const abort = 0
	for {
		r, err := b.ReadControlRecord()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if r.Type == abort {
			delete(d.aborted, b.ProducerID)
		}
		d.pos = max(d.pos, r.Offset+1)
	}
}

func (d *decoder) copy(b kafka.Bytes) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	n := b.Len()
	if n > len(d.slab) {
		d.slab = make([]byte, max(n, 64<<10))
	}
	p := d.slab[:n:n]
	d.slab = d.slab[n:]
	_, err := io.ReadFull(b, p)
	return p, err
}
