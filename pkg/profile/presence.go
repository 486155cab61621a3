package profile

import (
	"time"
)

// Hours of a week.
const HoursOfWeek = 168

// Presence is the person's activity by local hour of week (Monday 00:00 is 0), decayed with a half-life of 8 weeks.
// The counts are those of At.
type Presence struct {
	At time.Time `json:"at,omitzero" cbor:"1,keyasint,omitzero"`
	// Since is the first sign of presence; with At it tells how many weeks the counts stand for.
	Since time.Time `json:"since,omitzero" cbor:"2,keyasint,omitzero"`
	// Bins are fixed-point counts (1/64), little-endian uint16, 336 bytes; empty for a person never seen.
	Bins []byte `json:"bins,omitzero" cbor:"3,keyasint,omitempty"`
	// LastHour is the hour (Unix time / 3600) counted last: presence counts at most once an hour.
	LastHour int64 `json:"-" cbor:"4,keyasint,omitempty"`
}

// Response is how the person answered pushes, by local hour of day, decayed like Presence.
type Response struct {
	At        time.Time `json:"at,omitzero" cbor:"1,keyasint,omitzero"`
	Sends     []byte    `json:"sends,omitzero" cbor:"2,keyasint,omitempty"` // 24 × uint16, 1/64
	Opens     []byte    `json:"opens,omitzero" cbor:"3,keyasint,omitempty"`
	Dismisses float32   `json:"dismisses,omitzero" cbor:"4,keyasint,omitempty"`
}
