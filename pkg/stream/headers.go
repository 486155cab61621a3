package stream

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"
)

// The names of the headers of a pipeline record: CloudEvents in binary mode, W3C trace context, and the cause.
const (
	HeaderID          = "ce_id"
	HeaderType        = "ce_type"
	HeaderSource      = "ce_source"
	HeaderTime        = "ce_time"
	HeaderSpec        = "ce_specversion"
	HeaderContentType = "content-type"
	HeaderTrace       = "traceparent"
	HeaderCause       = "kairos-cause"
)

// Event is what the headers of a pipeline record say.
type Event struct {
	ID     string // deterministic: the same event published again has the same
	Type   string // "kairos.outcome.accepted"
	Source string // "/kairos/timing"
	Time   time.Time
	Cause  Cause // zero: none
}

// Headers of a record that carries the event, with the trace of ctx if there is one.
func (e Event) Headers(ctx context.Context) []Header {
	hs := make([]Header, 0, 9)
	add := func(key, value string) { hs = append(hs, Header{Key: key, Value: []byte(value)}) }
	add(HeaderID, e.ID)
	add(HeaderType, e.Type)
	add(HeaderSource, e.Source)
	add(HeaderTime, e.Time.UTC().Format(time.RFC3339Nano))
	add(HeaderSpec, "1.0")
	add(HeaderContentType, "application/json")
	if e.Cause != (Cause{}) {
		add(HeaderCause, e.Cause.String())
	}
	carrier := headerCarrier{&hs}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return hs
}

// Extract returns ctx with the trace that a record carries.
func Extract(ctx context.Context, r *Record) context.Context {
	return propagation.TraceContext{}.Extract(ctx, headerCarrier{&r.Headers})
}

// headerCarrier lets OpenTelemetry read and write headers.
type headerCarrier struct{ hs *[]Header }

// Get implements propagation.TextMapCarrier.
func (c headerCarrier) Get(key string) string {
	for _, h := range *c.hs {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// Set implements propagation.TextMapCarrier.
func (c headerCarrier) Set(key, value string) {
	for i := range *c.hs {
		if (*c.hs)[i].Key == key {
			(*c.hs)[i].Value = []byte(value)
			return
		}
	}
	*c.hs = append(*c.hs, Header{Key: key, Value: []byte(value)})
}

// Keys implements propagation.TextMapCarrier.
func (c headerCarrier) Keys() []string {
	keys := make([]string, len(*c.hs))
	for i, h := range *c.hs {
		keys[i] = h.Key
	}
	return keys
}

// Cause names the record that made another one come about.
type Cause struct {
	Topic     string // without the prefix
	Partition int
	Offset    int64
}

// CauseOf is the cause that a record is for what it brings about.
func CauseOf(r *Record) Cause {
	return Cause{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}
}

// String is the form in the header: "facts.v1/3/1042".
func (c Cause) String() string {
	return c.Topic + "/" + strconv.Itoa(c.Partition) + "/" + strconv.FormatInt(c.Offset, 10)
}

// ParseCause reads the form of String.
func ParseCause(s string) (Cause, error) {
	t, rest, ok1 := strings.Cut(s, "/")
	p, o, ok2 := strings.Cut(rest, "/")
	partition, err1 := strconv.ParseUint(p, 10, 31)
	offset, err2 := strconv.ParseUint(o, 10, 63)
	if !ok1 || !ok2 || t == "" || err1 != nil || err2 != nil {
		return Cause{}, fmt.Errorf("stream: header %s: %.200q: must be topic/partition/offset", HeaderCause, s)
	}
	return Cause{Topic: t, Partition: int(partition), Offset: int64(offset)}, nil
}
