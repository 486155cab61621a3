package profile

import (
	"errors"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/kairos-push/kairos/pkg/event"
)

// The packed form of a profile is CBOR, core deterministic: times are Unix milliseconds (the precision of everything in a
// profile), records are arrays without names. Fields may only be added at the end of a packed type.
type (
	packed struct {
		TimeZone   string        `cbor:"1,keyasint,omitempty"`
		ZoneSet    bool          `cbor:"2,keyasint,omitempty"`
		QuietHours *event.Window `cbor:"3,keyasint,omitempty"`
		OptedOut   []string      `cbor:"4,keyasint,omitempty"`
		Consent    event.Consent `cbor:"5,keyasint,omitzero"`
		Attributes []byte        `cbor:"6,keyasint,omitempty"`
		Cohort     string        `cbor:"7,keyasint,omitempty"`
		Devices    []packedPhone `cbor:"8,keyasint,omitempty"`
		Recency    packedRecency `cbor:"14,keyasint,omitzero"` // 9 was one of another shape
		Presence   packedHabit   `cbor:"10,keyasint,omitzero"`
		Response   packedAnswers `cbor:"11,keyasint,omitzero"`
		Clamped    uint32        `cbor:"12,keyasint,omitempty"`
		Recent     []byte        `cbor:"13,keyasint,omitempty"`
	}
	packedPhone struct {
		DeviceID    string                  `cbor:"1,keyasint"`
		Platform    string                  `cbor:"2,keyasint,omitempty"`
		Channel     string                  `cbor:"3,keyasint,omitempty"`
		AddressType string                  `cbor:"4,keyasint,omitempty"`
		Address     string                  `cbor:"5,keyasint,omitempty"`
		TimeZone    string                  `cbor:"6,keyasint,omitempty"`
		ZoneAt      int64                   `cbor:"7,keyasint,omitempty"`
		Locale      string                  `cbor:"8,keyasint,omitempty"`
		AppVersion  string                  `cbor:"9,keyasint,omitempty"`
		Permission  string                  `cbor:"10,keyasint,omitempty"`
		UpdatedAt   int64                   `cbor:"11,keyasint,omitempty"`
		LastSeenAt  int64                   `cbor:"12,keyasint,omitempty"`
		Live        [readings]packedReading `cbor:"13,keyasint,omitzero"`
		Deleted     bool                    `cbor:"14,keyasint,omitempty"`
		PrunedAt    int64                   `cbor:"15,keyasint,omitempty"`
		Pruned      uint64                  `cbor:"16,keyasint,omitempty"`
		DisabledAt  int64                   `cbor:"17,keyasint,omitempty"`
		Changed     [Breakpoints]int64      `cbor:"18,keyasint,omitzero"`
		Lags        Lags                    `cbor:"19,keyasint,omitzero"`
	}
	packedReading struct {
		_     struct{} `cbor:",toarray"`
		Value string
		At    int64
	}
	packedRecency struct {
		_       struct{} `cbor:",toarray"`
		Times   [instants]int64
		Session float32
		Unlocks [3]float32
		Late    float32
	}
	packedHabit struct {
		_       struct{} `cbor:",toarray"`
		Since   int64
		Hour    int64
		Counted uint64
		Bins    []byte
	}
	packedAnswers struct {
		_         struct{} `cbor:",toarray"`
		Hour      int64
		Sends     []byte
		Opens     []byte
		Dismissed []byte
	}
)

// IsZero keeps a person without habits from being packed.
func (h packedHabit) IsZero() bool { return len(h.Bins) == 0 }

// IsZero keeps a person without pushes from being packed.
func (a packedAnswers) IsZero() bool { return a.Hour == 0 }

const (
	readings = 12 // fields of Live
	instants = 10 // times of Recency
)

func (l *Live) all() [readings]*Reading {
	return [readings]*Reading{
		&l.Lock, &l.Screen, &l.App, &l.Charging, &l.Battery, &l.Headphones,
		&l.Motion, &l.Network, &l.Ringer, &l.DND, &l.Call, &l.Geofence,
	}
}

func (r *Recency) all() [instants]*time.Time {
	return [instants]*time.Time{
		&r.SeenAt, &r.UnlockAt, &r.PrevUnlockAt, &r.LockAt, &r.AppSwitchAt, &r.CallEndAt,
		&r.AppEventAt, &r.AppStartAt, &r.PrevAppStartAt, &r.AppEndAt,
	}
}

var (
	encMode = must(cbor.CoreDetEncOptions().EncMode())
	decMode = must(cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, MaxNestedLevels: 8, UTF8: cbor.UTF8RejectInvalid}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // constant options: a mistake in this file
	}
	return v
}

// MarshalCBOR packs the profile: at most 1 kB of habits and context, beside devices, attributes and Recent.
func (p Profile) MarshalCBOR() ([]byte, error) {
	w := packed{
		TimeZone: p.TimeZone, ZoneSet: p.ZoneSet, QuietHours: p.QuietHours, OptedOut: p.OptedOut, Consent: p.Consent,
		Attributes: p.Attributes, Cohort: p.Cohort, Clamped: p.Clamped, Recent: p.Recent,
		Presence: packedHabit{Since: millis(p.Presence.Since), Hour: p.Presence.Hour, Counted: p.Presence.Counted, Bins: p.Presence.Bins},
		Response: packedAnswers{Hour: p.Response.Hour, Sends: p.Response.Sends, Opens: p.Response.Opens, Dismissed: p.Response.Dismissed},
	}
	for i, t := range p.Recency.all() {
		w.Recency.Times[i] = millis(*t)
	}
	w.Recency.Session, w.Recency.Late = p.Recency.SessionSeconds, p.Recency.Late
	w.Recency.Unlocks = [3]float32{p.Recency.Unlocks10m, p.Recency.Unlocks1h, p.Recency.Unlocks24h}
	if len(p.Devices) > 0 {
		w.Devices = make([]packedPhone, len(p.Devices))
	}
	for i := range p.Devices {
		d := &p.Devices[i]
		w.Devices[i] = packedPhone{
			DeviceID: d.DeviceID, Platform: d.Platform, Channel: d.Channel, AddressType: d.AddressType, Address: d.Address,
			TimeZone: d.TimeZone, ZoneAt: millis(d.ZoneAt), Locale: d.Locale, AppVersion: d.AppVersion, Permission: d.Permission,
			UpdatedAt: millis(d.UpdatedAt), LastSeenAt: millis(d.LastSeenAt),
			Deleted: d.Deleted, PrunedAt: millis(d.PrunedAt), Pruned: d.Pruned, DisabledAt: millis(d.DisabledAt), Lags: d.Lags,
		}
		for j, r := range d.Live.all() {
			w.Devices[i].Live[j] = packedReading{Value: r.Value, At: millis(r.At)}
		}
		for j, r := range d.Live.Breakpoints() {
			w.Devices[i].Changed[j] = millis(r.ChangedAt)
		}
	}
	return encMode.Marshal(&w)
}

// UnmarshalCBOR unpacks a profile.
func (p *Profile) UnmarshalCBOR(b []byte) error {
	var w packed
	if err := decMode.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	if err := w.check(); err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	*p = Profile{
		TimeZone: w.TimeZone, ZoneSet: w.ZoneSet, QuietHours: w.QuietHours, OptedOut: w.OptedOut, Consent: w.Consent,
		Attributes: w.Attributes, Cohort: w.Cohort, Clamped: w.Clamped, Recent: w.Recent,
		Presence: Presence{Since: instant(w.Presence.Since), Hour: w.Presence.Hour, Counted: w.Presence.Counted, Bins: w.Presence.Bins},
		Response: Response{Hour: w.Response.Hour, Sends: w.Response.Sends, Opens: w.Response.Opens, Dismissed: w.Response.Dismissed},
	}
	for i, t := range p.Recency.all() {
		*t = instant(w.Recency.Times[i])
	}
	p.Recency.SessionSeconds, p.Recency.Late = w.Recency.Session, w.Recency.Late
	p.Recency.Unlocks10m, p.Recency.Unlocks1h, p.Recency.Unlocks24h = w.Recency.Unlocks[0], w.Recency.Unlocks[1], w.Recency.Unlocks[2]
	if len(w.Devices) > 0 {
		p.Devices = make([]Device, len(w.Devices))
	}
	for i := range w.Devices {
		d := &w.Devices[i]
		p.Devices[i] = Device{
			DeviceID: d.DeviceID, Platform: d.Platform, Channel: d.Channel, AddressType: d.AddressType, Address: d.Address,
			TimeZone: d.TimeZone, ZoneAt: instant(d.ZoneAt), Locale: d.Locale, AppVersion: d.AppVersion, Permission: d.Permission,
			UpdatedAt: instant(d.UpdatedAt), LastSeenAt: instant(d.LastSeenAt),
			Deleted: d.Deleted, PrunedAt: instant(d.PrunedAt), Pruned: d.Pruned, DisabledAt: instant(d.DisabledAt), Lags: d.Lags,
		}
		for j, r := range p.Devices[i].Live.all() {
			*r = Reading{Value: d.Live[j].Value, At: instant(d.Live[j].At)}
		}
		for j, r := range p.Devices[i].Live.Breakpoints() {
			r.ChangedAt = instant(d.Changed[j])
		}
	}
	return nil
}

// check holds back a blob whose parts have sizes that this program never writes.
func (w *packed) check() error {
	bins := func(b []byte, n int) bool { return len(b) == 0 || len(b) == 2*n }
	switch {
	case !bins(w.Presence.Bins, HoursOfWeek):
		return errors.New("presence: not 168 bins")
	case !bins(w.Response.Sends, hoursOfDay) || !bins(w.Response.Opens, hoursOfDay) || !bins(w.Response.Dismissed, 1):
		return errors.New("response: not 24 bins")
	case len(w.Recent)%8 != 0 || len(w.Recent) > 8*MaxRecent:
		return errors.New("recent: not a list of 8-byte entries")
	case len(w.Devices) > MaxDevices:
		return errors.New("devices: too many")
	}
	return nil
}

// Encode packs a profile for Redis and the journal; nil when there is nothing to keep.
func Encode(p *Profile) ([]byte, error) {
	if p.IsEmpty() {
		return nil, nil
	}
	return p.MarshalCBOR()
}

// Decode unpacks what Encode wrote.
func Decode(b []byte) (*Profile, error) {
	p := &Profile{}
	if len(b) == 0 {
		return p, nil
	}
	if err := p.UnmarshalCBOR(b); err != nil {
		return nil, err
	}
	return p, nil
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
