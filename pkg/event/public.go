// Package event holds every record of Kairos as Go types: what apps produce (this file), what the services say
// to each other (pipeline.go), and what analysts read (outcome.go). schemas/ is the same contract as JSON Schema.
package event

import "time"

// Priorities of a message.
const (
	Critical      = "critical" // never held
	Transactional = "transactional"
	Promotional   = "promotional"
)

// How a message asks for its moment.
const (
	TimingNow        = "now"
	TimingBestMoment = "best_moment"
	TimingAt         = "at"
)

// What else a message says, with the default first.
const (
	ZoneUTC         = "utc" // send_at_zone
	ZoneUser        = "user"
	QuietRespect    = "respect" // quiet_hours
	QuietBypass     = "bypass"
	AtDeadlineSend  = "send" // at_deadline
	AtDeadlineDrop  = "drop"
	AmbiguousDrop   = "drop" // on_ambiguous
	AmbiguousResend = "resend"
	DevicesActive   = "active" // devices
	DevicesAll      = "all"
	DevicesLastUsed = "last_used"
)

// Kinds of a receipt.
const (
	ReceiptDelivered = "delivered"
	ReceiptDisplayed = "displayed"
	ReceiptOpened    = "opened"
	ReceiptDismissed = "dismissed"
	ReceiptConverted = "converted"
	ReceiptDisabled  = "disabled"
)

// Platforms, push services, forms of an address, and what the person allows.
const (
	PlatformIOS     = "ios"
	PlatformAndroid = "android"
	PlatformWeb     = "web"

	ChannelAPNs    = "apns"
	ChannelFCM     = "fcm"
	ChannelWebPush = "webpush"

	AddressToken        = "token"        // APNs, FCM
	AddressFID          = "fid"          // FCM: Firebase installation id
	AddressSubscription = "subscription" // Web Push: the PushSubscription as JSON

	PermissionGranted     = "granted"
	PermissionProvisional = "provisional"
	PermissionDenied      = "denied"
)

// Message is a push that an app asks for.
type Message struct {
	MessageID      string    `json:"message_id" cbor:"1,keyasint"` // ≤128 B; also the idempotency key
	Revision       int       `json:"revision,omitzero" cbor:"2,keyasint,omitempty"`
	UserID         string    `json:"user_id" cbor:"3,keyasint"`
	CampaignID     string    `json:"campaign_id,omitzero" cbor:"4,keyasint,omitempty"`
	Category       string    `json:"category,omitzero" cbor:"5,keyasint,omitempty"`
	Priority       string    `json:"priority,omitzero" cbor:"6,keyasint,omitempty"` // default promotional
	Title          string    `json:"title,omitzero" cbor:"7,keyasint,omitempty"`
	Body           string    `json:"body,omitzero" cbor:"8,keyasint,omitempty"`
	ImageURL       string    `json:"image_url,omitzero" cbor:"9,keyasint,omitempty"`
	DeepLink       string    `json:"deep_link,omitzero" cbor:"10,keyasint,omitempty"`
	Data           Object    `json:"data,omitzero" cbor:"11,keyasint,omitempty"`
	APNs           Object    `json:"apns,omitzero" cbor:"12,keyasint,omitempty"` // raw provider overrides, merged last
	FCM            Object    `json:"fcm,omitzero" cbor:"13,keyasint,omitempty"`
	WebPush        Object    `json:"webpush,omitzero" cbor:"14,keyasint,omitempty"`
	Value          *float64  `json:"value,omitzero" cbor:"15,keyasint,omitempty"`  // worth of an open, ≥0, default 1
	Timing         string    `json:"timing,omitzero" cbor:"16,keyasint,omitempty"` // default best_moment
	SendAt         time.Time `json:"send_at,omitzero" cbor:"17,keyasint,omitzero"`
	SendAtZone     string    `json:"send_at_zone,omitzero" cbor:"18,keyasint,omitempty"` // user | utc (default)
	NotBefore      time.Time `json:"not_before,omitzero" cbor:"19,keyasint,omitzero"`
	Deadline       time.Time `json:"deadline,omitzero" cbor:"20,keyasint,omitzero"`
	HalfLife       Duration  `json:"half_life,omitzero" cbor:"21,keyasint,omitempty"`
	DeliveryWindow *Window   `json:"delivery_window,omitzero" cbor:"22,keyasint,omitempty"` // user-local
	QuietHours     string    `json:"quiet_hours,omitzero" cbor:"23,keyasint,omitempty"`     // respect (default) | bypass
	AtDeadline     string    `json:"at_deadline,omitzero" cbor:"24,keyasint,omitempty"`     // send (default) | drop
	CollapseKey    string    `json:"collapse_key,omitzero" cbor:"25,keyasint,omitempty"`
	CancelKey      string    `json:"cancel_key,omitzero" cbor:"26,keyasint,omitempty"`
	CancelOn       []string  `json:"cancel_on,omitzero" cbor:"27,keyasint,omitempty"` // event names
	Precondition   string    `json:"precondition,omitzero" cbor:"28,keyasint,omitempty"`
	OnAmbiguous    string    `json:"on_ambiguous,omitzero" cbor:"29,keyasint,omitempty"` // drop (default) | resend
	Devices        string    `json:"devices,omitzero" cbor:"30,keyasint,omitempty"`      // active (default) | all | last_used
}

// Cancel takes back a message that is not released yet. Exactly one of MessageID and CancelKey is set.
// Type is always "cancel": it tells the record from a message on the messages topic.
type Cancel struct {
	Type      string `json:"type"`
	UserID    string `json:"user_id"`
	MessageID string `json:"message_id,omitzero"`
	CancelKey string `json:"cancel_key,omitzero"`
}

// Event is user data: something the person did.
type Event struct {
	EventID    string    `json:"event_id"`
	UserID     string    `json:"user_id"`
	DeviceID   string    `json:"device_id,omitzero"`
	Name       string    `json:"name"`
	OccurredAt time.Time `json:"occurred_at"`
	Properties Object    `json:"properties,omitzero"`
}

// Signal is device data: something the phone shows.
type Signal struct {
	SignalID   string    `json:"signal_id"`
	UserID     string    `json:"user_id"`
	DeviceID   string    `json:"device_id"`
	Kind       string    `json:"kind"`
	Value      Scalar    `json:"value,omitzero"`
	ObservedAt time.Time `json:"observed_at"`
}

// Receipt says what became of a push on the device.
type Receipt struct {
	ReceiptID  string    `json:"receipt_id"`
	MessageID  string    `json:"message_id"`
	UserID     string    `json:"user_id"`
	DeviceID   string    `json:"device_id"`
	Kind       string    `json:"kind"`
	OccurredAt time.Time `json:"occurred_at"`
	Token      string    `json:"token,omitzero"` // HMAC that the push carried
}

// Device is an installation of the app with its push address.
type Device struct {
	DeviceID    string    `json:"device_id"`
	UserID      string    `json:"user_id"`
	Platform    string    `json:"platform,omitzero"`     // ios | android | web
	Channel     string    `json:"channel,omitzero"`      // apns | fcm | webpush
	AddressType string    `json:"address_type,omitzero"` // token | fid | subscription
	Address     string    `json:"address,omitzero"`
	TimeZone    string    `json:"time_zone,omitzero"`
	Locale      string    `json:"locale,omitzero"`
	AppVersion  string    `json:"app_version,omitzero"`
	Permission  string    `json:"permission,omitzero"` // granted | provisional | denied
	UpdatedAt   time.Time `json:"updated_at"`
	Deleted     bool      `json:"deleted,omitzero"`
}

// Consent says which data may enter a decision. Absent means allowed.
type Consent struct {
	UserData   *bool `json:"user_data,omitzero" cbor:"1,keyasint,omitempty"`
	DeviceData *bool `json:"device_data,omitzero" cbor:"2,keyasint,omitempty"`
}

// User is what a person prefers and what the app knows of them. Absent fields leave the stored ones as they are.
type User struct {
	UserID             string   `json:"user_id"`
	TimeZone           string   `json:"time_zone,omitzero"`
	QuietHours         *Window  `json:"quiet_hours,omitzero"`
	OptedOutCategories []string `json:"opted_out_categories,omitzero"` // an empty array clears
	Consent            *Consent `json:"consent,omitzero"`
	Attributes         Object   `json:"attributes,omitzero"` // merged key by key; null removes a key
	Cohort             string   `json:"cohort,omitzero"`
	Erase              bool     `json:"erase,omitzero"`
}
