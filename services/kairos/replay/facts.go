package replay

import (
	"crypto/sha256"
	"encoding/hex"
	"hash/maphash"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
)

// factLine is the line that brings a fact again at a time; nil of what dispatch said, as a replay sends by itself. What no
// decision looks at stays out of the file: contents of messages, properties of events, tokens of receipts. Push addresses
// are hashes, so that equal ones stay equal.
func factLine(f *event.Fact, at time.Time) ([]byte, error) {
	switch {
	case f.Message != nil:
		m := *f.Message
		m.Title, m.Body, m.ImageURL, m.DeepLink = "", "", "", ""
		m.Data, m.APNs, m.FCM, m.WebPush = nil, nil, nil, nil
		return line("messages", at, &m)
	case f.Cancel != nil:
		return line("messages", at, f.Cancel)
	case f.Event != nil:
		e := *f.Event
		e.Properties = nil
		return line("events", at, &e)
	case f.Signal != nil:
		return line("signals", at, f.Signal)
	case f.Receipt != nil:
		r := *f.Receipt
		r.Token = ""
		return line("receipts", at, &r)
	case f.Device != nil:
		d := *f.Device
		d.Address = hashed(d.Address)
		return line("devices", at, &d)
	case f.User != nil:
		return line("users", at, f.User)
	default:
		return nil, nil
	}
}

func hashed(address string) string {
	if address == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(address))
	return hex.EncodeToString(sum[:16])
}

func line(topic string, at time.Time, record any) ([]byte, error) {
	body, err := event.Encode(record)
	if err != nil {
		return nil, err
	}
	return slices.Concat([]byte(`{"topic":"`+topic+`","at":"`+stamp(at)+`",`), body[1:]), nil
}

// said is what the facts of an export say of people, so that nobody's opening lines foretell it.
type said struct {
	seed maphash.Seed
	of   map[uint64]struct{}
}

// Parts of what facts say. Devices and attributes have names beside.
const (
	saidDevice    = "device"
	saidAttribute = "attribute"
	saidZone      = "time_zone"
	saidQuiet     = "quiet_hours"
	saidOptOuts   = "opted_out_categories"
	saidUserData  = "consent.user_data"
	saidPhoneData = "consent.device_data"
	saidCohort    = "cohort"
)

func (s said) add(there bool, key, part, name string) {
	if there {
		s.of[maphash.Comparable(s.seed, [3]string{key, part, name})] = struct{}{}
	}
}

func (s said) has(key, part, name string) bool {
	_, ok := s.of[maphash.Comparable(s.seed, [3]string{key, part, name})]
	return ok
}

// fact takes in what a fact says.
func (s said) fact(f *event.Fact) error {
	key := f.Key()
	if d := f.Device; d != nil {
		s.add(true, key, saidDevice, d.DeviceID)
	}
	u := f.User
	if u == nil {
		return nil
	}
	s.add(u.TimeZone != "", key, saidZone, "")
	s.add(u.QuietHours != nil, key, saidQuiet, "")
	s.add(u.OptedOutCategories != nil, key, saidOptOuts, "")
	s.add(u.Cohort != "", key, saidCohort, "")
	if c := u.Consent; c != nil {
		s.add(c.UserData != nil, key, saidUserData, "")
		s.add(c.DeviceData != nil, key, saidPhoneData, "")
	}
	names, err := members(u.Attributes)
	for name := range names {
		s.add(true, key, saidAttribute, name)
	}
	return err
}

func members(o event.Object) (m map[string]jsontext.Value, err error) {
	if len(o) > 0 {
		err = json.Unmarshal(o, &m)
	}
	return m, err
}

// opening gives the lines that bring what is known of a person and no fact of the export says: devices and preferences of
// before. Habits are no records: they do not come back.
func opening(app, user string, p *profile.Profile, s said, at time.Time) (lines [][]byte, err error) {
	key := event.Key(app, user)
	add := func(topic string, record any) {
		l, e := line(topic, at, record)
		if e != nil {
			err = e
		}
		lines = append(lines, l)
	}
	u := event.User{UserID: user}
	if p.ZoneSet && !s.has(key, saidZone, "") {
		u.TimeZone = p.TimeZone
	}
	if !s.has(key, saidQuiet, "") {
		u.QuietHours = p.QuietHours
	}
	if !s.has(key, saidOptOuts, "") {
		u.OptedOutCategories = p.OptedOut
	}
	if !s.has(key, saidCohort, "") {
		u.Cohort = p.Cohort
	}
	c := p.Consent
	if s.has(key, saidUserData, "") {
		c.UserData = nil
	}
	if s.has(key, saidPhoneData, "") {
		c.DeviceData = nil
	}
	if c != (event.Consent{}) {
		u.Consent = &c
	}
	attributes, err := members(p.Attributes)
	if err != nil {
		return nil, err
	}
	for name := range attributes {
		if s.has(key, saidAttribute, name) {
			delete(attributes, name)
		}
	}
	if len(attributes) > 0 {
		if u.Attributes, err = json.Marshal(attributes, json.Deterministic(true)); err != nil {
			return nil, err
		}
	}
	if u.TimeZone != "" || u.QuietHours != nil || len(u.OptedOutCategories) > 0 || u.Cohort != "" || u.Consent != nil || len(u.Attributes) > 0 {
		add("users", &u)
	}
	for i := range p.Devices {
		d := &p.Devices[i]
		if d.Deleted || d.Platform == "" || s.has(key, saidDevice, d.DeviceID) { // no platform: never registered
			continue
		}
		out := event.Device{
			DeviceID: d.DeviceID, UserID: user, Platform: d.Platform, Channel: d.Channel, AddressType: d.AddressType, Address: hashed(d.Address),
			TimeZone: d.TimeZone, Locale: d.Locale, AppVersion: d.AppVersion, Permission: d.Permission, UpdatedAt: d.UpdatedAt,
		}
		if out.Address == "" { // a provider called it dead; nothing else says so in a record
			out.Permission = event.PermissionDenied
		}
		add("devices", &out)
	}
	return lines, err
}
