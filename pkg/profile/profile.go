// Package profile is what Kairos knows of one person: preferences, devices, the phone's live context with the age of
// each signal, and packed habits. enrich is its only writer; timing reads the copy that travels in every enriched record.
package profile

import (
	"time"

	"github.com/kairos-push/kairos/pkg/event"
)

// Profile of one person in one app.
type Profile struct {
	TimeZone   string        `json:"time_zone,omitzero" cbor:"1,keyasint,omitempty"` // set by the user record, else by the newest device
	QuietHours *event.Window `json:"quiet_hours,omitzero" cbor:"2,keyasint,omitempty"`
	OptedOut   []string      `json:"opted_out_categories,omitzero" cbor:"3,keyasint,omitempty"`
	Consent    event.Consent `json:"consent,omitzero" cbor:"4,keyasint"`
	Attributes event.Object  `json:"attributes,omitzero" cbor:"5,keyasint,omitempty"`
	Cohort     string        `json:"cohort,omitzero" cbor:"6,keyasint,omitempty"`
	Devices    []Device      `json:"devices,omitzero" cbor:"7,keyasint,omitempty"`
	Recency    Recency       `json:"recency,omitzero" cbor:"8,keyasint"`
	Presence   Presence      `json:"presence,omitzero" cbor:"9,keyasint"`
	Response   Response      `json:"response,omitzero" cbor:"10,keyasint"`
	// Recent remembers the hashes of the last record ids, so that a duplicate changes nothing. Not on the topic.
	Recent []uint64 `json:"-" cbor:"11,keyasint,omitempty"`
}

// Device is one installation: its address, and what the phone last showed.
type Device struct {
	DeviceID    string    `json:"device_id" cbor:"1,keyasint"`
	Platform    string    `json:"platform,omitzero" cbor:"2,keyasint,omitempty"`
	Channel     string    `json:"channel,omitzero" cbor:"3,keyasint,omitempty"`
	AddressType string    `json:"address_type,omitzero" cbor:"4,keyasint,omitempty"`
	Address     string    `json:"address,omitzero" cbor:"5,keyasint,omitempty"` // empty once pruned
	TimeZone    string    `json:"time_zone,omitzero" cbor:"6,keyasint,omitempty"`
	Locale      string    `json:"locale,omitzero" cbor:"7,keyasint,omitempty"`
	AppVersion  string    `json:"app_version,omitzero" cbor:"8,keyasint,omitempty"`
	Permission  string    `json:"permission,omitzero" cbor:"9,keyasint,omitempty"`
	UpdatedAt   time.Time `json:"updated_at,omitzero" cbor:"10,keyasint,omitzero"`
	LastSeenAt  time.Time `json:"last_seen_at,omitzero" cbor:"11,keyasint,omitzero"` // last sign of the person on it
	Live        Live      `json:"live,omitzero" cbor:"12,keyasint"`
}

// Reading is the last value of one signal and when it was observed. A zero At means never.
type Reading struct {
	Value string    `json:"value,omitzero" cbor:"1,keyasint,omitempty"`
	At    time.Time `json:"at,omitzero" cbor:"2,keyasint,omitzero"`
}

// Live is the context that the phone shows, each part with its own time: a silent phone must not freeze a person.
type Live struct {
	Lock       Reading `json:"lock,omitzero" cbor:"1,keyasint,omitzero"`       // unlocked | locked
	Screen     Reading `json:"screen,omitzero" cbor:"2,keyasint,omitzero"`     // on | off
	App        Reading `json:"app,omitzero" cbor:"3,keyasint,omitzero"`        // foreground | background
	Charging   Reading `json:"charging,omitzero" cbor:"4,keyasint,omitzero"`   // on | off
	Battery    Reading `json:"battery,omitzero" cbor:"5,keyasint,omitzero"`    // 0 … 100
	Headphones Reading `json:"headphones,omitzero" cbor:"6,keyasint,omitzero"` // on | off
	Motion     Reading `json:"motion,omitzero" cbor:"7,keyasint,omitzero"`     // still | walking | running | cycling | in_vehicle
	Network    Reading `json:"network,omitzero" cbor:"8,keyasint,omitzero"`    // wifi | cellular | none
	Ringer     Reading `json:"ringer,omitzero" cbor:"9,keyasint,omitzero"`     // normal | vibrate | silent
	DND        Reading `json:"dnd,omitzero" cbor:"10,keyasint,omitzero"`       // on | off
	Call       Reading `json:"call,omitzero" cbor:"11,keyasint,omitzero"`      // started | ended
	Geofence   Reading `json:"geofence,omitzero" cbor:"12,keyasint,omitzero"`  // entered:ID | exited:ID
}

// Recency says when the person last did what, over all devices and own-app events.
type Recency struct {
	SeenAt         time.Time `json:"seen_at,omitzero" cbor:"1,keyasint,omitzero"` // any sign of presence
	UnlockAt       time.Time `json:"unlock_at,omitzero" cbor:"2,keyasint,omitzero"`
	LockAt         time.Time `json:"lock_at,omitzero" cbor:"3,keyasint,omitzero"`
	AppSwitchAt    time.Time `json:"app_switch_at,omitzero" cbor:"4,keyasint,omitzero"`
	CallEndAt      time.Time `json:"call_end_at,omitzero" cbor:"5,keyasint,omitzero"`
	MotionChangeAt time.Time `json:"motion_change_at,omitzero" cbor:"6,keyasint,omitzero"`
	AppEventAt     time.Time `json:"app_event_at,omitzero" cbor:"7,keyasint,omitzero"`     // last own-app event
	SessionSeconds float32   `json:"session_seconds,omitzero" cbor:"8,keyasint,omitempty"` // length of the last session
	// Unlocks in the last 10 min, 1 h, 24 h, as exponentially decaying counts at UnlockAt.
	Unlocks10m float32 `json:"unlocks_10m,omitzero" cbor:"9,keyasint,omitempty"`
	Unlocks1h  float32 `json:"unlocks_1h,omitzero" cbor:"10,keyasint,omitempty"`
	Unlocks24h float32 `json:"unlocks_24h,omitzero" cbor:"11,keyasint,omitempty"`
}
