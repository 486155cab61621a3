package dispatch

import (
	"context"
	"errors"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/fold/failpoint"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// entry is a record of the journal: that an attempt is begun, or that its answer asks for another one. How a push ended
// is in the outcomes.
type entry struct {
	Release string `json:"release_id"`
	Device  string `json:"device_id"`
	Record
}

// errRebuilt says that the records were lost or rebuilt while an attempt was being written down.
var errRebuilt = errors.New("dispatch: the send records were rebuilt")

// note publishes a record that says intent or waiting. It is in the log when note returns nil.
func (d *Dispatch) note(ctx context.Context, t *task, rec Record) error {
	value, err := event.Encode(entry{t.rel.release.ReleaseID, t.target.DeviceID, rec})
	if err != nil {
		return err
	}
	return d.tell(ctx, []stream.Record{{
		Topic: topic.Attempts.Name, Key: []byte(event.Key(t.rel.release.AppID, t.rel.release.UserID)), Value: value,
	}})
}

// begin puts an attempt into the journal before it is made: Redis may be gone by the time that its answer is known, and so
// may this process. A rebuild that began before the entry was in the log has not read it, and so the attempt must not be.
func (d *Dispatch) begin(ctx context.Context, t *task, rec Record, life int64) error {
	if !failpoint.Off(failpoint.Journal) {
		if err := d.note(ctx, t, rec); err != nil {
			return err
		}
	}
	if t.rel.part.life.Load() != life {
		return errRebuilt
	}
	return failpoint.Hit(ctx, failpoint.AfterIntent)
}

// endIn reads, from a record of the outcomes topic, how a push ended.
func endIn(r *stream.Record) (known, bool) {
	var row event.Outcome
	if r.Header(stream.HeaderSource) != source || event.Decode(r.Value, &row) != nil || row.Attempt < 0 {
		return known{}, false // nothing that dispatch has written
	}
	return endOf(&row)
}

// openIn reads, from a record of the journal, what dispatch was about to do, or to wait for.
func openIn(r *stream.Record) (known, bool) {
	var e entry
	if event.Decode(r.Value, &e) != nil || e.Release == "" || e.Device == "" || e.Attempt < 1 || e.Phase != Intent && e.Phase != Waiting {
		return known{}, false
	}
	return known{place: place{bucket: state.Bucket(string(r.Key)), release: e.Release, device: e.Device}, rec: e.Record}, true
}
