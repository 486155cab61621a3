package fold

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
)

// Headers beside those of package stream.
const (
	// headerFence is "bucket/seq" on a decision and on a journal record: the write of Redis that it was part of.
	headerFence = "kairos-fence"
	// headerOwner is the owner that wrote a journal record.
	headerOwner = "kairos-owner"
)

func encode(e Effect) ([]byte, error) { return event.Encode(e.Value) }

func sourceName(stage string) string { return "/kairos/" + stage }

// record makes the Kafka record of an effect. seq is not 0 for a decision.
func (p *partition[S, I]) record(key string, e state.Pending, seq int64) stream.Record {
	ev := stream.Event{ID: e.ID, Type: e.Type, Source: sourceName(p.stage.Name), Time: time.UnixMilli(e.TimeMS)}
	headers := ev.Headers(context.Background())
	if e.Cause != "" {
		headers = append(headers, stream.Header{Key: stream.HeaderCause, Value: []byte(e.Cause)})
	}
	if e.Traceparent != "" {
		headers = append(headers, stream.Header{Key: stream.HeaderTrace, Value: []byte(e.Traceparent)})
	}
	if seq != 0 {
		headers = append(headers, fenceHeader(state.Bucket(key), seq))
	}
	return stream.Record{Topic: e.Topic, Key: []byte(key), Value: e.Value, Headers: headers, Time: time.UnixMilli(e.TimeMS)}
}

func fenceHeader(bucket int, seq int64) stream.Header {
	return stream.Header{Key: headerFence, Value: []byte(strconv.Itoa(bucket) + "/" + strconv.FormatInt(seq, 10))}
}

// parseFence reads the header of fenceHeader; ok is false for a record that has none.
func parseFence(r *stream.Record) (bucket int, seq int64, ok bool, err error) {
	text := r.Header(headerFence)
	if text == "" {
		return 0, 0, false, nil
	}
	b, s, _ := strings.Cut(text, "/")
	bucket, err1 := strconv.Atoi(b)
	seq, err2 := strconv.ParseInt(s, 10, 64)
	if err1 != nil || err2 != nil || bucket < 0 || bucket >= state.Buckets || seq < 0 {
		return 0, 0, false, fmt.Errorf("fold: %s/%d at %d: header %s: want bucket/seq, got %.60q", r.Topic, r.Partition, r.Offset, headerFence, text)
	}
	return bucket, seq, true, nil
}

// traceOf is the traceparent of ctx, "" without a trace.
func traceOf(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier.Get(stream.HeaderTrace)
}
