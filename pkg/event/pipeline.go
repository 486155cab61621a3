package event

import "time"

// Kinds of a fact: which of its fields is set.
const (
	KindMessage = "message"
	KindCancel  = "cancel"
	KindEvent   = "event"
	KindSignal  = "signal"
	KindReceipt = "receipt"
	KindDevice  = "device"
	KindUser    = "user"
	KindResult  = "result"
)

// Fact is one validated record of one user's log: input that ingest has stamped, or a provider's answer from dispatch.
type Fact struct {
	AppID      string    `json:"app_id"`
	UserID     string    `json:"user_id"`
	Kind       string    `json:"kind"`
	ReceivedAt time.Time `json:"received_at"` // when ingest (or dispatch) took it
	Message    *Message  `json:"message,omitzero"`
	Cancel     *Cancel   `json:"cancel,omitzero"`
	Event      *Event    `json:"event,omitzero"`
	Signal     *Signal   `json:"signal,omitzero"`
	Receipt    *Receipt  `json:"receipt,omitzero"`
	Device     *Device   `json:"device,omitzero"`
	User       *User     `json:"user,omitzero"`
	Result     *Result   `json:"result,omitzero"`
}

// Key is the key of every pipeline record of a user: "app|user".
func Key(appID, userID string) string { return appID + "|" + userID }

// Key of the fact's user.
func (f *Fact) Key() string { return Key(f.AppID, f.UserID) }

// What dispatch came to with one device of a release.
const (
	ResultSent    = "sent"    // the provider took it
	ResultFailed  = "failed"  // refused for good, or the deadline came first
	ResultUnknown = "unknown" // the answer was lost and on_ambiguous says drop
)

// Result is what dispatch came to with a release, on one device. Final is set on the last one of a release:
// the hold may close then.
type Result struct {
	MessageID         string    `json:"message_id"`
	Revision          int       `json:"revision,omitzero"`
	DeviceID          string    `json:"device_id,omitzero"`
	Channel           string    `json:"channel,omitzero"`
	Platform          string    `json:"platform,omitzero"`
	Status            string    `json:"status"`
	Reason            string    `json:"reason,omitzero"`
	Attempt           int       `json:"attempt,omitzero"`
	ProviderMessageID string    `json:"provider_message_id,omitzero"`
	At                time.Time `json:"at"`
	// PruneAddress is the push address that the provider called dead; enrich drops it unless it was renewed since.
	PruneAddress string `json:"prune_address,omitzero"`
	Final        bool   `json:"final,omitzero"`
}

// Target is one device that a release goes to.
type Target struct {
	DeviceID    string `json:"device_id" cbor:"1,keyasint"`
	Platform    string `json:"platform" cbor:"2,keyasint"`
	Channel     string `json:"channel" cbor:"3,keyasint"`
	AddressType string `json:"address_type,omitzero" cbor:"4,keyasint,omitempty"`
	Address     string `json:"address" cbor:"5,keyasint"`
	AppVersion  string `json:"app_version,omitzero" cbor:"6,keyasint,omitempty"`
	Locale      string `json:"locale,omitzero" cbor:"7,keyasint,omitempty"`
}

// Span of time, without its end.
type Span struct {
	From time.Time `json:"from" cbor:"1,keyasint"`
	To   time.Time `json:"to" cbor:"2,keyasint"`
}

// Release tells dispatch that a message's moment has come.
type Release struct {
	ReleaseID     string    `json:"release_id"`
	DecisionID    string    `json:"decision_id"`
	AppID         string    `json:"app_id"`
	UserID        string    `json:"user_id"`
	Message       Message   `json:"message"`
	Targets       []Target  `json:"targets,omitzero"`
	AcceptedAt    time.Time `json:"accepted_at"`
	PlannedAt     time.Time `json:"planned_at"`
	ReleasedAt    time.Time `json:"released_at"`
	Deadline      time.Time `json:"deadline"` // effective: the message's own or the category's
	Score         float64   `json:"score,omitzero"`
	Arm           string    `json:"arm,omitzero"`
	Propensity    float64   `json:"propensity,omitzero"`
	Policy        string    `json:"policy,omitzero"`
	PolicyVersion string    `json:"policy_version,omitzero"`
	ModelVersion  string    `json:"model_version,omitzero"`
	TimeZone      string    `json:"time_zone,omitzero"`
	InApp         bool      `json:"in_app,omitzero"` // the person is in the app: a hint for it, no notification
	// Closed are the times until the deadline, of the first nine days, at which it must not be sent either: the person's quiet
	// hours, and what is outside of the delivery window.
	Closed []Span `json:"closed,omitzero"`
	// Withdrawn says why no provider is to be asked any more. Such a release repeats one, without its content and addresses.
	Withdrawn string `json:"withdrawn,omitzero"`
}
