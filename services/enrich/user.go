package enrich

import (
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
)

// user merges preferences: what is absent stays, an empty list clears, a null attribute is removed. Erase leaves nothing,
// and the fact passes on, so that the person's held messages end too.
func (s *step) user(u *event.User) {
	if u.Erase {
		s.p = &profile.Profile{}
		return
	}
	if u.TimeZone != "" {
		s.p.TimeZone, s.p.ZoneSet = u.TimeZone, true
	}
	if u.QuietHours != nil {
		w := *u.QuietHours
		s.p.QuietHours = &w
	}
	if u.OptedOutCategories != nil {
		s.p.OptedOut = nil
		if len(u.OptedOutCategories) > 0 {
			s.p.OptedOut = slices.Clone(u.OptedOutCategories)
		}
	}
	if u.Consent != nil {
		s.consent(u.Consent)
	}
	if len(u.Attributes) > 0 {
		merged, err := merge(s.p.Attributes, u.Attributes)
		if err != nil || len(merged) > profile.MaxAttributes {
			s.p.Clamped++
		} else {
			s.p.Attributes = merged
		}
	}
	if u.Cohort != "" {
		s.p.Cohort = u.Cohort
	}
}

// consent takes in what the person allows. What is withdrawn is forgotten at once, and with it what was mixed from both
// kinds of data.
func (s *step) consent(c *event.Consent) {
	user, device := s.p.AllowsUserData(), s.p.AllowsDeviceData()
	if c.UserData != nil {
		v := *c.UserData
		s.p.Consent.UserData = &v
	}
	if c.DeviceData != nil {
		v := *c.DeviceData
		s.p.Consent.DeviceData = &v
	}
	if user && !s.p.AllowsUserData() {
		r := &s.p.Recency
		r.AppEventAt, r.AppStartAt, r.PrevAppStartAt, r.AppEndAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}
		s.p.Response.Opens, s.p.Response.Dismissed = nil, nil
		s.forgetPresence()
	}
	if device && !s.p.AllowsDeviceData() {
		r := s.p.Recency
		s.p.Recency = profile.Recency{AppEventAt: r.AppEventAt, AppStartAt: r.AppStartAt, PrevAppStartAt: r.PrevAppStartAt, AppEndAt: r.AppEndAt}
		s.forgetPresence()
		for i := range s.p.Devices { // forgetPresence made the list ours
			s.p.Devices[i].Live = profile.Live{}
		}
	}
}

// forgetPresence drops what was learned from signs of presence of either kind.
func (s *step) forgetPresence() {
	s.p.Presence, s.p.Recent, s.p.Recency.Late = profile.Presence{}, nil, 0
	s.p.Recency.SeenAt = time.Time{}
	s.p.Recency.Sitting()
	s.p.Devices, s.copied = slices.Clone(s.p.Devices), true
	for i := range s.p.Devices {
		s.p.Devices[i].LastSeenAt, s.p.Devices[i].Lags = time.Time{}, profile.Lags{}
	}
}

// merge lays the members of b over those of a; null removes one. The result is canonical: sorted names.
func merge(a, b event.Object) (event.Object, error) {
	all := map[string]jsontext.Value{}
	if len(a) > 0 {
		if err := json.Unmarshal(a, &all); err != nil {
			return nil, err
		}
	}
	var changes map[string]jsontext.Value
	if err := json.Unmarshal(b, &changes); err != nil {
		return nil, err
	}
	for name, v := range changes {
		if v.Kind() == jsontext.KindNull {
			delete(all, name)
			continue
		}
		all[name] = v
	}
	if len(all) == 0 {
		return nil, nil
	}
	return json.Marshal(all, json.Deterministic(true))
}
