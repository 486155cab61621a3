package ingest

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

const source = "/kairos/ingest"

// Headers of a dead letter beside those of package topic: the first fault in parts.
const (
	deadField = "kairos-dlq-field"
	deadRule  = "kairos-dlq-rule"
)

// factRecord is a fact on its topic.
func factRecord(ctx context.Context, f *event.Fact, cause stream.Cause) (stream.Record, error) {
	value, err := event.Encode(f)
	if err != nil {
		return stream.Record{}, err
	}
	ev := stream.Event{ID: factID(f, cause), Type: "kairos.fact." + f.Kind, Source: source, Time: f.ReceivedAt, Cause: cause}
	return stream.Record{Topic: topic.Facts.Name, Key: []byte(f.Key()), Value: value, Headers: ev.Headers(ctx), Time: f.ReceivedAt}, nil
}

// factID is the same for the same input: by its place in the log, or by the ids in it.
func factID(f *event.Fact, cause stream.Cause) string {
	if cause != (stream.Cause{}) {
		return cause.String()
	}
	var version string
	switch f.Kind {
	case event.KindMessage:
		version = strconv.Itoa(f.Message.Revision)
	case event.KindDevice:
		version = f.Device.UpdatedAt.UTC().Format(time.RFC3339Nano)
	case event.KindUser:
		version = f.ReceivedAt.Format(time.RFC3339Nano)
	}
	return strings.Join([]string{f.AppID, f.UserID, f.Kind, idOf(f), version}, "/")
}

// idOf is the id that a record gives itself.
func idOf(f *event.Fact) string {
	switch f.Kind {
	case event.KindMessage:
		return f.Message.MessageID
	case event.KindCancel:
		return f.Cancel.MessageID + f.Cancel.CancelKey // one of the two
	case event.KindEvent:
		return f.Event.EventID
	case event.KindSignal:
		return f.Signal.SignalID
	case event.KindReceipt:
		return f.Receipt.ReceiptID
	case event.KindDevice:
		return f.Device.DeviceID
	default:
		return f.UserID
	}
}

func outcomeRecord(ctx context.Context, o *event.Outcome, cause stream.Cause) (stream.Record, error) {
	value, err := event.Encode(o)
	if err != nil {
		return stream.Record{}, err
	}
	ev := stream.Event{ID: o.OutcomeID, Type: "kairos.outcome." + o.Type, Source: source, Time: o.OccurredAt, Cause: cause}
	key := event.Key(o.AppID, o.UserID)
	return stream.Record{Topic: topic.Outcomes.Name, Key: []byte(key), Value: value, Headers: ev.Headers(ctx), Time: o.OccurredAt}, nil
}

// deadLetter keeps a refused record, and what was wrong with it.
func deadLetter(r *stream.Record, reason error) stream.Record {
	faults := event.Faults(reason)
	lines := make([]string, len(faults))
	for i := range faults {
		lines[i] = faults[i].Error()
	}
	out := stream.DeadLetter(r, "ingest", strings.Join(lines, "\n"))
	if len(faults) > 0 {
		out.Headers = append(out.Headers,
			stream.Header{Key: deadField, Value: []byte(faults[0].Field)},
			stream.Header{Key: deadRule, Value: []byte(faults[0].Rule)})
	}
	return out
}
