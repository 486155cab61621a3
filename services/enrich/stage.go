package enrich

import (
	"fmt"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/fold"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/topic"
)

// Stage is the fold of profiles. It has no wake-ups: time alone changes nothing that is known of a person.
func Stage() fold.Stage[*profile.Profile, *event.Fact] {
	return fold.Stage[*profile.Profile, *event.Fact]{
		Name:        "enrich",
		Input:       topic.Facts,
		Journal:     topic.Profiles,
		New:         func(string) *profile.Profile { return &profile.Profile{} },
		Decode:      decode,
		EncodeState: profile.Encode,
		DecodeState: profile.Decode,
		Step:        Step,
	}
}

// decode reads a fact and wants what its kind says to be there, and nothing else.
func decode(value []byte) (*event.Fact, error) {
	f := &event.Fact{}
	if err := event.Decode(value, f); err != nil {
		return nil, err
	}
	bodies := map[string]bool{
		event.KindMessage: f.Message != nil, event.KindCancel: f.Cancel != nil, event.KindEvent: f.Event != nil,
		event.KindSignal: f.Signal != nil, event.KindReceipt: f.Receipt != nil, event.KindDevice: f.Device != nil,
		event.KindUser: f.User != nil, event.KindResult: f.Result != nil,
	}
	n := 0
	for _, there := range bodies {
		if there {
			n++
		}
	}
	switch there, known := bodies[f.Kind]; {
	case !known:
		return nil, &event.Invalid{Field: "kind", Rule: "must be a known kind of fact", Value: fmt.Sprintf("%.200q", f.Kind)}
	case !there || n != 1:
		return nil, &event.Invalid{Field: f.Kind, Rule: "must be there, and no other body"}
	case f.AppID == "" || f.UserID == "":
		return nil, &event.Invalid{Field: "user_id", Rule: "and app_id must not be empty"}
	}
	return f, nil
}
