package ingest

import (
	"errors"
	"strconv"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/precondition"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/topic"
)

// Bounds of times, relative to now. What happened may seem to lie ahead by up to a day: phones that write local time as
// UTC are 14 hours off; enrich takes such a time as that of the receipt. What is planned may lie ahead by a year.
const (
	maxAhead   = 24 * time.Hour
	maxPlanned = 366 * 24 * time.Hour
)

// App is whose record it is; the record itself does not say. Without a secret, receipts are believed without a token.
type App struct {
	ID            string
	ReceiptSecret []byte
}

// Accept makes a fact of a public record of one of topic.Inputs, or says what is wrong with it: event.Faults lists field,
// rule and value. It is a pure function: the same input gives the same verdict in the services and in replay.
func Accept(in topic.Topic, data []byte, app App, now time.Time) (*event.Fact, error) {
	f := &event.Fact{AppID: app.ID, ReceivedAt: now}
	var err error
	switch in.Name {
	case topic.InMessages.Name:
		if f.Message, f.Cancel, err = event.ParseMessages(data); err != nil {
			return nil, err
		}
		if f.Cancel != nil {
			f.Kind, f.UserID = event.KindCancel, f.Cancel.UserID
			break
		}
		f.Kind, f.UserID, err = event.KindMessage, f.Message.UserID, message(f.Message, now)
	case topic.InEvents.Name:
		f.Event, err = parse[event.Event](data)
		if err == nil {
			f.Kind, f.UserID, err = event.KindEvent, f.Event.UserID, notAhead("occurred_at", f.Event.OccurredAt, now)
		}
	case topic.InSignals.Name:
		f.Signal, err = parse[event.Signal](data)
		if err == nil {
			f.Kind, f.UserID, err = event.KindSignal, f.Signal.UserID, notAhead("observed_at", f.Signal.ObservedAt, now)
		}
	case topic.InReceipts.Name:
		f.Receipt, err = parse[event.Receipt](data)
		if err == nil {
			f.Kind, f.UserID, err = event.KindReceipt, f.Receipt.UserID, receipt(f.Receipt, app, now)
		}
	case topic.InDevices.Name:
		f.Device, err = parse[event.Device](data)
		if err == nil {
			f.Kind, f.UserID, err = event.KindDevice, f.Device.UserID, notAhead("updated_at", f.Device.UpdatedAt, now)
		}
	case topic.InUsers.Name:
		f.User, err = parse[event.User](data)
		if err == nil {
			f.Kind, f.UserID, err = event.KindUser, f.User.UserID, attributes(f.User)
		}
	default:
		err = &event.Invalid{Rule: "must come by an input topic", Value: in.Name}
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

func parse[T any, P interface {
	*T
	event.Validator
}](data []byte) (P, error) {
	v := P(new(T))
	if err := event.DecodeStrict(data, v); err != nil {
		return nil, err
	}
	return v, nil
}

func message(m *event.Message, now time.Time) error {
	var errs []error
	for _, t := range []struct {
		field string
		at    time.Time
	}{{"send_at", m.SendAt}, {"not_before", m.NotBefore}, {"deadline", m.Deadline}} {
		if t.at.After(now.Add(maxPlanned)) {
			errs = append(errs, &event.Invalid{Field: t.field, Rule: "must not be more than 366 days ahead", Value: t.at.Format(time.RFC3339)})
		}
	}
	if m.Precondition != "" {
		if err := precondition.Check(m.Precondition); err != nil {
			errs = append(errs, &event.Invalid{Field: "precondition", Rule: "must be an expression that is true or false: " + firstLine(err), Value: clip(m.Precondition)})
		}
	}
	return errors.Join(errs...)
}

func receipt(r *event.Receipt, app App, now time.Time) error {
	if err := notAhead("occurred_at", r.OccurredAt, now); err != nil || len(app.ReceiptSecret) == 0 {
		return err
	}
	return event.VerifyReceipt(app.ReceiptSecret, r.Token, app.ID, r.UserID, r.MessageID, r.DeviceID, now)
}

func attributes(u *event.User) error {
	if len(u.Attributes) > profile.MaxAttributes {
		return &event.Invalid{Field: "attributes", Rule: "must have at most 8192 bytes", Value: strconv.Itoa(len(u.Attributes)) + " bytes"}
	}
	return nil
}

func notAhead(field string, at, now time.Time) error {
	if at.After(now.Add(maxAhead)) {
		return &event.Invalid{Field: field, Rule: "must not be more than 24 hours ahead", Value: at.Format(time.RFC3339)}
	}
	return nil
}
