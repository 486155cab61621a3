package ingest

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// input is one record of a request.
type input struct {
	in   topic.Topic
	data []byte
}

// accepted is the answer to records that were taken, all or in part. Its status is 202 when all were, 207 when some.
type acceptedAnswer struct {
	Accepted int          `json:"accepted"`
	Rejected int          `json:"rejected,omitzero"`
	Items    []itemAnswer `json:"items"`
}

// itemAnswer says what became of one record, in the order of the request.
type itemAnswer struct {
	ID     string  `json:"id,omitzero"`
	Status string  `json:"status"` // accepted | rejected
	Errors []fault `json:"errors,omitzero"`
}

// post takes one record or an array of them.
func (s *Ingest) post(in topic.Topic) handler {
	return s.withBody(func(w http.ResponseWriter, r *http.Request, app App, body []byte) *problem {
		key, p := idempotencyKey(r)
		if p != nil {
			return p
		}
		records, array, p := split(body)
		if p != nil {
			return p
		}
		inputs := make([]input, len(records))
		for i, data := range records {
			if key != "" {
				data = identified(data, idField[in.Name], app.ID, key, i)
			}
			inputs[i] = input{in: in, data: data}
		}
		return s.take(w, r, app, inputs, array)
	})
}

// putDevice registers a device. With ?previous_user_id= it also leaves the profile of that person: a phone that changed
// hands, or a person who logged in as another.
func (s *Ingest) putDevice(w http.ResponseWriter, r *http.Request, app App, body []byte) *problem {
	data, p := bodyOf(body, "device_id", r.PathValue("id"))
	if p != nil {
		return p
	}
	inputs := []input{{in: topic.InDevices, data: data}}
	if former := r.URL.Query().Get("previous_user_id"); former != "" {
		var d event.Device
		if err := event.DecodeStrict(data, &d); err == nil && former != d.UserID { // a bad record is refused below
			left, err := event.Encode(&event.Device{DeviceID: d.DeviceID, UserID: former, UpdatedAt: d.UpdatedAt, Deleted: true})
			if err != nil {
				return &problem{Status: http.StatusBadRequest, Detail: err.Error()}
			}
			inputs = append(inputs, input{in: topic.InDevices, data: left})
		}
	}
	return s.take(w, r, app, inputs, false)
}

// putUser merges preferences.
func (s *Ingest) putUser(w http.ResponseWriter, r *http.Request, app App, body []byte) *problem {
	data, p := bodyOf(body, "user_id", r.PathValue("id"))
	if p != nil {
		return p
	}
	return s.take(w, r, app, []input{{in: topic.InUsers, data: data}}, false)
}

// bodyOf is the one record of a PUT, with the id of the path.
func bodyOf(body []byte, field, id string) ([]byte, *problem) {
	data, given, isObject := withMember(body, field, id)
	if isObject && given != id {
		return nil, &problem{Status: http.StatusUnprocessableEntity, Detail: "the path and the body name different ids", Errors: []fault{{
			Field: field, Rule: "must be that of the path, or left out", Value: clip(given),
		}}}
	}
	return data, nil
}

// take accepts what is good, publishes it, and answers when all in-sync replicas have it. What is refused is answered with
// its faults.
func (s *Ingest) take(w http.ResponseWriter, r *http.Request, app App, inputs []input, array bool) *problem {
	ctx, now := r.Context(), s.deps.Clock.Now()
	recs := make([]stream.Record, 0, len(inputs))
	items := make([]itemAnswer, len(inputs))
	good := map[string]int{} // by kind
	bad := 0
	for i, in := range inputs {
		f, reason := Accept(in.in, in.data, app, now)
		var rec stream.Record
		var err error
		if reason == nil {
			good[f.Kind]++
			items[i] = itemAnswer{ID: idOf(f), Status: "accepted"}
			rec, err = factRecord(ctx, f, stream.Cause{})
		} else {
			bad++
			s.metrics.rejected.WithLabelValues(in.in.Name, doorHTTP).Inc()
			items[i] = itemAnswer{ID: claimedID(in), Status: "rejected", Errors: faults(reason)}
			o, named := s.refused(in.in, in.data, app, reason, now)
			if !named {
				continue
			}
			rec, err = outcomeRecord(ctx, o, stream.Cause{})
		}
		if err != nil {
			return &problem{Status: http.StatusInternalServerError, Detail: "the record could not be encoded"}
		}
		recs = append(recs, rec)
	}
	if err := s.write(ctx, recs); err != nil {
		return unavailable(err)
	}
	for kind, n := range good {
		s.metrics.accepted.WithLabelValues(kind, doorHTTP).Add(float64(n))
	}
	switch {
	case bad == 0:
		reply(w, http.StatusAccepted, "application/json", acceptedAnswer{Accepted: len(items), Items: items})
	case bad < len(items):
		reply(w, http.StatusMultiStatus, "application/json", acceptedAnswer{Accepted: len(items) - bad, Rejected: bad, Items: items})
	case !array:
		return &problem{Status: http.StatusUnprocessableEntity, Detail: "the record breaks the rules listed", Errors: items[0].Errors}
	default:
		return &problem{Status: http.StatusUnprocessableEntity, Detail: "every record breaks the rules listed with it", Items: items}
	}
	return nil
}

// write publishes within the time that a request may take.
func (s *Ingest) write(ctx context.Context, recs []stream.Record) error {
	if len(recs) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	return s.publish(ctx, recs)
}

// unavailable answers a publish that failed: records may have been written or not, and their ids make it safe to send
// them again.
func unavailable(err error) *problem {
	const again = 2 * time.Second
	detail := "the log did not acknowledge in time; send the same request again"
	if refused := stream.Refused(nil); errors.As(err, &refused) {
		detail = "the log refused a record"
	}
	return &problem{Status: http.StatusServiceUnavailable, Detail: detail, retryAfter: int(again.Seconds()), cause: err}
}

// idField is the member that identifies a record of an input topic.
var idField = map[string]string{
	topic.InMessages.Name: "message_id", topic.InEvents.Name: "event_id",
	topic.InSignals.Name: "signal_id", topic.InReceipts.Name: "receipt_id",
	topic.InDevices.Name: "device_id", topic.InUsers.Name: "user_id",
}

// claimedID is the id that a refused record gives itself.
func claimedID(in input) string {
	_, id, _ := withMember(in.data, idField[in.in.Name], "")
	return clip(id)
}

func idempotencyKey(r *http.Request) (string, *problem) {
	key := r.Header.Get("Idempotency-Key")
	if len(key) > 255 || slices.ContainsFunc([]byte(key), func(c byte) bool { return c < ' ' || c > '~' }) {
		return "", &problem{Status: http.StatusBadRequest, Detail: "Idempotency-Key: want 1 to 255 printable ASCII characters"}
	}
	return key, nil
}
