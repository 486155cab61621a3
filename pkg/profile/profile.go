// Package profile is what Kairos knows of one person: preferences, devices, the phone's live context with the age of
// each reading, and packed habits. enrich is its only writer; timing reads the copy that travels in every enriched
// record. Everything here is pure: no clock, no I/O beyond the zone database, and no judgement about messages.
//
// Slices inside a profile are copy-on-write (but for Recent, which is nobody else's): whoever changes one replaces it, so
// a shallow copy of a profile stays true.
package profile

import (
	"slices"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
)

// Bounds of a profile, so that no input makes it grow without end.
const (
	MaxDevices    = 16       // the least recently seen one gives way
	MaxAttributes = 8 << 10  // bytes of JSON; a merge beyond it is not applied
	Lateness      = 64       // hours that a record may be late and still count exactly as if it had been on time
	MaxRecent     = 256      // record ids remembered, oldest forgotten first
	recentHours   = Lateness // and for how long
)

// Enriched is a fact with the person's profile after that fact: the record of the enriched topic.
type Enriched struct {
	Fact    event.Fact `json:"fact"`
	Profile Profile    `json:"profile"`
}

// Profile of one person in one app.
type Profile struct {
	TimeZone   string        `json:"time_zone,omitzero"` // effective: the user record's, else that of the newest device
	ZoneSet    bool          `json:"zone_set,omitzero"`  // TimeZone was said by a user record
	QuietHours *event.Window `json:"quiet_hours,omitzero"`
	OptedOut   []string      `json:"opted_out_categories,omitzero"`
	Consent    event.Consent `json:"consent,omitzero"`
	Attributes event.Object  `json:"attributes,omitzero"`
	Cohort     string        `json:"cohort,omitzero"`
	Devices    []Device      `json:"devices,omitzero"` // by DeviceID
	Recency    Recency       `json:"recency,omitzero"`
	Presence   Presence      `json:"presence,omitzero"`
	Response   Response      `json:"response,omitzero"`
	// Clamped counts records whose time or value was absurd and had to be bent to something possible.
	Clamped uint32 `json:"clamped,omitzero"`
	// Recent remembers the last record ids, so that a duplicate changes nothing. Not on the topic.
	Recent Recent `json:"-"`
}

// Device is one installation: its address, and what the phone last showed.
type Device struct {
	DeviceID    string    `json:"device_id"`
	Platform    string    `json:"platform,omitzero"`
	Channel     string    `json:"channel,omitzero"`
	AddressType string    `json:"address_type,omitzero"`
	Address     string    `json:"address,omitzero"` // empty: not reachable (never told, or pruned)
	TimeZone    string    `json:"time_zone,omitzero"`
	ZoneAt      time.Time `json:"zone_at,omitzero"` // when the device was in TimeZone: by its record or a signal
	Locale      string    `json:"locale,omitzero"`
	AppVersion  string    `json:"app_version,omitzero"`
	Permission  string    `json:"permission,omitzero"`
	UpdatedAt   time.Time `json:"updated_at,omitzero"`
	LastSeenAt  time.Time `json:"last_seen_at,omitzero"` // last sign of the person on it
	Live        Live      `json:"live,omitzero"`

	// Deleted devices stay in the state for Lateness hours, so that an older record cannot bring them back. Never on the topic.
	Deleted bool `json:"-"`
	// DisabledAt is when the person switched pushes off; a registration that is older does not switch them on again.
	// Never on the topic.
	DisabledAt time.Time `json:"-"`
	// PrunedAt and Pruned remember the address (as a hash) that a provider called dead, and when. Never on the topic.
	PrunedAt time.Time `json:"-"`
	Pruned   uint64    `json:"-"`
	// Lags tell by how much the phone's clock is behind. Never on the topic, whose times are corrected.
	Lags Lags `json:"-"`
}

// Recency says when the person last did what, over all devices and own-app events.
type Recency struct {
	SeenAt         time.Time `json:"seen_at,omitzero"` // any sign of presence
	UnlockAt       time.Time `json:"unlock_at,omitzero"`
	PrevUnlockAt   time.Time `json:"prev_unlock_at,omitzero"` // the unlock before UnlockAt
	LockAt         time.Time `json:"lock_at,omitzero"`
	AppSwitchAt    time.Time `json:"app_switch_at,omitzero"` // the own app came to the foreground or left it
	CallEndAt      time.Time `json:"call_end_at,omitzero"`
	AppEventAt     time.Time `json:"app_event_at,omitzero"` // last own-app event
	AppStartAt     time.Time `json:"app_start_at,omitzero"` // session_started
	PrevAppStartAt time.Time `json:"prev_app_start_at,omitzero"`
	AppEndAt       time.Time `json:"app_end_at,omitzero"` // session_ended
	// SessionSeconds is the length of the last finished sitting: unlock to lock, or a session of the own app,
	// whichever ended later.
	SessionSeconds float32 `json:"session_seconds,omitzero"`
	// Unlocks in the last 10 min, 1 h, 24 h, as exponentially decaying counts at UnlockAt. Read them with Unlocks.
	Unlocks10m float32 `json:"unlocks_10m,omitzero"`
	Unlocks1h  float32 `json:"unlocks_1h,omitzero"`
	Unlocks24h float32 `json:"unlocks_24h,omitzero"`
	// Late is the share of the last signs of the person that came too late to act on, as a moving average over eight: a phone
	// that tells everything at night shows no moment while it lasts. Answers to pushes do not count: they come of the push.
	Late float32 `json:"late,omitzero"`
}

// prompt is how soon a sign of the person has to be here to be of use.
const prompt = 2 * time.Minute

// Heard takes in that a sign of that time was received.
func (r *Recency) Heard(at, received time.Time) {
	late := float32(0)
	if received.Sub(at) > prompt {
		late = 1
	}
	r.Late += (late - r.Late) / 8
}

// observed is for how long a phone that told an unlock is believed to tell the next one.
const observed = 48 * time.Hour

// Tells says whether some phone of the person tells when it is unlocked: then its silence means something, too.
func (r *Recency) Tells(now time.Time) bool { return Age(r.UnlockAt, now) <= observed }

// TellsUse says the same of a person who allows it.
func (p *Profile) TellsUse(now time.Time) bool { return p.AllowsDeviceData() && p.Recency.Tells(now) }

// mostlyLate is the share of late signs from which on a phone tells in batches what is over.
const mostlyLate = 0.5

// TellsSittings says whether a phone of the person tells of both ends of its use, in time: then what is in question now will
// be known soon, whichever way it turns out. Of a phone that tells no ends, only that a sitting goes on can ever be known.
func (p *Profile) TellsSittings(now time.Time) bool {
	r := &p.Recency
	if !r.Tells(now) || r.Late >= mostlyLate {
		return false
	}
	return Age(r.LockAt, now) <= observed || slices.ContainsFunc(p.Devices, func(d Device) bool {
		return d.Live.Screen.Value == "off" && d.Live.Screen.Age(now) <= observed
	})
}

// IsEmpty says that nothing is known: such a state need not be kept.
func (p *Profile) IsEmpty() bool {
	return p.TimeZone == "" && !p.ZoneSet && p.QuietHours == nil && len(p.OptedOut) == 0 &&
		p.Consent == (event.Consent{}) && p.Attributes.IsZero() && p.Cohort == "" && len(p.Devices) == 0 &&
		p.Recency == (Recency{}) && p.Presence.IsZero() && p.Response.IsZero() && p.Clamped == 0 && len(p.Recent) == 0
}

// AllowsUserData says whether what the person does may be kept and used. Absent consent allows.
func (p *Profile) AllowsUserData() bool { return p.Consent.UserData == nil || *p.Consent.UserData }

// AllowsDeviceData says whether what the phone shows may be kept and used. Absent consent allows.
func (p *Profile) AllowsDeviceData() bool {
	return p.Consent.DeviceData == nil || *p.Consent.DeviceData
}

// Device of that id, or nil.
func (p *Profile) Device(id string) *Device {
	for i := range p.Devices {
		if p.Devices[i].DeviceID == id {
			return &p.Devices[i]
		}
	}
	return nil
}

// LastUsed is the reachable device that showed the last sign of the person, else the one registered last; nil if none
// is reachable.
func (p *Profile) LastUsed() *Device {
	var best *Device
	for i := range p.Devices {
		d := &p.Devices[i]
		if d.Reachable() && (best == nil || d.newer(best)) {
			best = d
		}
	}
	return best
}

// Reachable says whether a push may go to the device: it has an address and the person did not forbid it.
func (d *Device) Reachable() bool {
	return d.Address != "" && d.Permission != event.PermissionDenied && !d.Deleted
}

func (d *Device) newer(o *Device) bool {
	if !d.LastSeenAt.Equal(o.LastSeenAt) {
		return d.LastSeenAt.After(o.LastSeenAt)
	}
	if !d.UpdatedAt.Equal(o.UpdatedAt) {
		return d.UpdatedAt.After(o.UpdatedAt)
	}
	return d.DeviceID < o.DeviceID
}
