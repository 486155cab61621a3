package pipeline

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/event/schematest"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
	"github.com/kairos-push/kairos/services/console/ledger"
)

// schemaOf names the schema of the records of a topic.
var schemaOf = map[string]string{
	topic.InEvents.Name: "event", topic.InSignals.Name: "signal", topic.InReceipts.Name: "receipt",
	topic.InDevices.Name: "device", topic.InUsers.Name: "user",
	topic.Facts.Name: "fact", topic.Enriched.Name: "enriched", topic.Decisions.Name: "decision",
	topic.Releases.Name: "release", topic.Outcomes.Name: "outcome",
}

// Check holds the world to what must be true of any: each record on the topics is as its schema says, those that are not
// lie in a dead letter topic with the reason; every message that was accepted ended once or is held; no push reached a
// gateway that no outcome tells of. Services must have stopped, or have nothing to do.
func (w *World) Check() {
	w.TB.Helper()
	schemas := schematest.Load(w.TB)
	dead := map[string]bool{}
	for _, t := range topic.All {
		w.each(t.DLQ(), func(r stream.Record) {
			require.NotEmpty(w.TB, r.Header(topic.DeadReason), "%s: a dead letter says why", t.DLQ().Name)
			require.NotEmpty(w.TB, r.Header(topic.DeadStage))
			dead[cause(r.Header(topic.DeadTopic), r.Header(topic.DeadPartition), r.Header(topic.DeadOffset))] = true
		})
	}
	book, sent := ledger.New(), map[string]bool{}
	for _, t := range topic.All {
		w.each(t, func(r stream.Record) {
			if dead[stream.CauseOf(&r).String()] {
				return
			}
			schema := schemaOf[t.Name]
			if t.Name == topic.InMessages.Name {
				if schema = "message"; isCancel(r.Value) {
					schema = "cancel"
				}
			}
			if schema == "" {
				return // journals and models are nobody's to read
			}
			require.NoError(w.TB, schemas.Validate(schema, r.Value), "%s/%d at %d: %s", t.Name, r.Partition, r.Offset, r.Value)
			if t.Pipeline {
				w.headers(t, &r)
			}
			if t.Name == topic.Outcomes.Name {
				var o event.Outcome
				require.NoError(w.TB, event.Decode(r.Value, &o))
				book.Add(&o, time.Time{})
				if o.Type == event.OutcomeSent {
					sent[o.ProviderMessageID] = true
				}
			}
		})
	}
	total := ledger.Total(book.Rows())
	require.True(w.TB, total.Balanced(), "the ledger does not balance: %+v", total)
	seen := map[string]bool{}
	for _, a := range w.Gateways.Arrivals() {
		require.True(w.TB, sent[a.ID], "a push arrived that no outcome tells of: %+v", a)
		push := a.MessageID + "/" + a.Address + "/" + string(a.Payload)
		require.False(w.TB, seen[push], "a push arrived twice: %+v", a)
		seen[push] = true
	}
}

// headers checks what every record of the pipeline carries.
func (w *World) headers(t topic.Topic, r *stream.Record) {
	w.TB.Helper()
	require.Equal(w.TB, "1.0", r.Header("ce_specversion"), t.Name)
	for _, h := range []string{"ce_id", "ce_type", "ce_source", "ce_time", "content-type", stream.HeaderCause} {
		require.NotEmpty(w.TB, r.Header(h), "%s: header %s", t.Name, h)
	}
	app, user, _ := strings.Cut(string(r.Key), "|")
	require.Equal(w.TB, App.AppID, app)
	require.NotEmpty(w.TB, user)
}

func (w *World) each(t topic.Topic, fn func(stream.Record)) {
	w.TB.Helper()
	ctx := w.within()
	ranges, err := w.kafka.Offsets(ctx, t)
	require.NoError(w.TB, err)
	for p, r := range ranges {
		require.NoError(w.TB, w.kafka.Read(ctx, t, p, r.Low, r.High, func(recs []stream.Record) error {
			for _, rec := range recs {
				fn(rec)
			}
			return nil
		}))
	}
}

func cause(topic, partition, offset string) string { return topic + "/" + partition + "/" + offset }

func isCancel(value []byte) bool {
	var c struct {
		Type string `json:"type"`
	}
	return bytes.Contains(value, []byte("cancel")) && json.Unmarshal(value, &c) == nil && c.Type == "cancel"
}
