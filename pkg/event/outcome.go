package event

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// Types of an outcome. Provider acceptance is OutcomeSent, never "delivered".
const (
	OutcomeAccepted         = "accepted"
	OutcomeRejected         = "rejected"
	OutcomeHeld             = "held"
	OutcomeReleased         = "released"
	OutcomeSent             = "sent"
	OutcomeProviderRejected = "provider_rejected"
	OutcomeDelivered        = "delivered"
	OutcomeDisplayed        = "displayed"
	OutcomeOpened           = "opened"
	OutcomeDismissed        = "dismissed"
	OutcomeIgnored          = "ignored"
	OutcomeConverted        = "converted"
	OutcomeDisabled         = "disabled"
	OutcomeExpired          = "expired"
	OutcomeCancelled        = "cancelled"
	OutcomeSuppressed       = "suppressed"
	OutcomeSuperseded       = "superseded"
	OutcomeFailed           = "failed"
	OutcomeUnknown          = "unknown"
	OutcomeControl          = "control"
	OutcomeVisited          = "visited" // the person came to the app within the hour, after a push or after one held out
)

// PolicyArm and a threshold name an arm of the exploration draw whose messages go when the policy says: policy_0.8, policy_1.
const PolicyArm = "policy_"

// FollowsPolicy says whether the messages of an arm go when the policy says. Those that are held out as a control are held
// out at that moment, too: they compare with these arms, and no other.
func FollowsPolicy(arm string) bool { return strings.HasPrefix(arm, PolicyArm) }

// Features are the named inputs of a decision; on the topics they are the columns f_<name> of the row.
type Features map[string]float64

// Outcome is one change in a message's life: a flat row on the outcomes topic.
type Outcome struct {
	OutcomeID         string    `json:"outcome_id"`
	OccurredAt        time.Time `json:"occurred_at"`
	OccurredAtMS      int64     `json:"occurred_at_ms"`
	AppID             string    `json:"app_id"`
	UserID            string    `json:"user_id"`
	MessageID         string    `json:"message_id"`
	Revision          int       `json:"revision"`
	CampaignID        string    `json:"campaign_id,omitzero"`
	Category          string    `json:"category,omitzero"`
	Priority          string    `json:"priority,omitzero"`
	DeviceID          string    `json:"device_id,omitzero"`
	Channel           string    `json:"channel,omitzero"`
	Platform          string    `json:"platform,omitzero"`
	Type              string    `json:"type"`
	Reason            string    `json:"reason,omitzero"`
	DecisionID        string    `json:"decision_id,omitzero"`
	Attempt           int       `json:"attempt,omitzero"`
	ProviderMessageID string    `json:"provider_message_id,omitzero"`
	HoldMS            int64     `json:"hold_ms,omitzero"`
	LatenessMS        int64     `json:"lateness_ms,omitzero"`
	AfterMS           int64     `json:"after_ms,omitzero"` // from the release to what came of it, or what the person did
	Policy            string    `json:"policy,omitzero"`
	PolicyVersion     string    `json:"policy_version,omitzero"`
	ModelVersion      string    `json:"model_version,omitzero"`
	Arm               string    `json:"arm,omitzero"`
	Propensity        float64   `json:"propensity,omitzero"`
	LocalTime         string    `json:"local_time,omitzero"`
	TimeZone          string    `json:"time_zone,omitzero"`
	Features          Features  `json:"-"` // flattened to f_*
}

// What an evaluation came to.
const (
	ActionRelease  = "release"
	ActionHold     = "hold"
	ActionSuppress = "suppress"
	ActionExpire   = "expire"
)

// Decision is one evaluation that changed something: a flat row on the decisions topic.
type Decision struct {
	DecisionID        string    `json:"decision_id"`
	OccurredAt        time.Time `json:"occurred_at"`
	OccurredAtMS      int64     `json:"occurred_at_ms"`
	AppID             string    `json:"app_id"`
	UserID            string    `json:"user_id"`
	MessageID         string    `json:"message_id"`
	Revision          int       `json:"revision"`
	CampaignID        string    `json:"campaign_id,omitzero"`
	Category          string    `json:"category,omitzero"`
	Priority          string    `json:"priority,omitzero"`
	Trigger           string    `json:"trigger"` // arrival | signal | event | wake | receipt | model | policy
	Action            string    `json:"action"`
	Score             float64   `json:"score"`
	ValueOfWaiting    float64   `json:"value_of_waiting"`
	NextWakeAt        time.Time `json:"next_wake_at,omitzero"`
	NextWakeAtMS      int64     `json:"next_wake_at_ms,omitzero"`
	PSeen             float64   `json:"p_seen"`
	POpen             float64   `json:"p_open"`
	Fatigue           float64   `json:"fatigue"`
	Budget            float64   `json:"budget,omitzero"` // price of attention and of dismissals to be expected; score = f_value·f_relevance·p_seen·p_open − fatigue − budget
	DelayCost         float64   `json:"delay_cost"`
	Gates             []string  `json:"gates,omitempty"` // what forbade a release now
	RunnerUpMessageID string    `json:"runner_up_message_id,omitzero"`
	Policy            string    `json:"policy,omitzero"`
	PolicyVersion     string    `json:"policy_version,omitzero"`
	ModelVersion      string    `json:"model_version,omitzero"`
	Arm               string    `json:"arm,omitzero"`
	Propensity        float64   `json:"propensity,omitzero"`
	LocalTime         string    `json:"local_time,omitzero"`
	TimeZone          string    `json:"time_zone,omitzero"`
	Why               string    `json:"why"` // one English sentence
	Curve             Curve     `json:",embed"`
	Features          Features  `json:"-"` // flattened to f_*
}

// Curve is the plan of a decision at a few times, in seconds from it to the last time at which the message may go, if
// nothing happens until then: what a release is worth there, and what waiting is. Empty where there was nothing to plan.
type Curve struct {
	AfterS  []float64 `json:"curve_after_s,omitempty"`
	Score   []float64 `json:"curve_score,omitempty"`
	Waiting []float64 `json:"curve_waiting,omitempty"`
	// ShutS are pairs of seconds, from and to, between which a gate forbids a release.
	ShutS []float64 `json:"curve_shut_s,omitempty"`
}

// OutcomeID is the deterministic id of an outcome: a re-done effect is the same row, and any consumer can drop it.
func OutcomeID(appID, userID, messageID string, revision int, typ, deviceID string, attempt int) string {
	return hash(appID, userID, messageID, strconv.Itoa(revision), typ, deviceID, strconv.Itoa(attempt))
}

// ReleaseID is the deterministic id of the release of one revision of a message.
func ReleaseID(appID, userID, messageID string, revision int) string {
	return hash(appID, userID, messageID, strconv.Itoa(revision), "release")
}

// DecisionID is the deterministic id of an evaluation at one instant.
func DecisionID(appID, userID, messageID string, revision int, trigger string, at time.Time) string {
	return hash(appID, userID, messageID, strconv.Itoa(revision), trigger, strconv.FormatInt(at.UnixNano(), 10))
}

// hash joins parts so that no two different lists collide by concatenation.
func hash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = h.Write([]byte(strconv.Itoa(len(p))))
		_, _ = h.Write([]byte{':'})
		_, _ = h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
