// Package topic declares every topic of Kairos once, in the order in which a message flows through them.
package topic

import (
	"fmt"
	"strings"
)

// DefaultPrefix of every topic name; an installation may have its own.
const DefaultPrefix = "kairos."

// MaxPartitions of a pipeline topic: the number of buckets that users are spread over.
const MaxPartitions = 256

// Topic is one Kafka topic as Kairos needs it to be.
type Topic struct {
	// Name without prefix, for example "facts.v1". Full adds the prefix.
	Name string
	// Retention in hours; 0 with Compact.
	RetentionHours int
	Compact        bool
	// Pipeline topics share one partition count, so that a user's key lies in the same partition number of each.
	Pipeline bool
	Doc      string
}

// The topics in flow order.
var (
	InMessages = Topic{Name: "in.messages.v1", RetentionHours: 24 * 7, Doc: "push requests and cancels, written by apps"}
	InEvents   = Topic{Name: "in.events.v1", RetentionHours: 24 * 7, Doc: "user data: what people did in the app"}
	InSignals  = Topic{Name: "in.signals.v1", RetentionHours: 24 * 7, Doc: "device data: what the phone shows now"}
	InReceipts = Topic{Name: "in.receipts.v1", RetentionHours: 24 * 7, Doc: "what became of a push on the device"}
	InDevices  = Topic{Name: "in.devices.v1", RetentionHours: 24 * 7, Doc: "devices and their push addresses"}
	InUsers    = Topic{Name: "in.users.v1", RetentionHours: 24 * 7, Doc: "preferences, consent and attributes of people"}

	Facts     = Topic{Name: "facts.v1", RetentionHours: 24 * 7, Pipeline: true, Doc: "validated input and provider results, one ordered log per user"}
	Enriched  = Topic{Name: "enriched.v1", RetentionHours: 24 * 3, Pipeline: true, Doc: "each fact with the person's profile at that moment"}
	Decisions = Topic{Name: "decisions.v1", RetentionHours: 24 * 30, Pipeline: true, Doc: "every evaluation that changed something, with its reasons"}
	Releases  = Topic{Name: "releases.v1", RetentionHours: 24 * 3, Pipeline: true, Doc: "messages whose moment has come"}
	Outcomes  = Topic{Name: "outcomes.v1", RetentionHours: 24 * 30, Pipeline: true, Doc: "every change in the life of a message"}

	Attempts = Topic{Name: "attempts.v1", RetentionHours: 24 * 2, Pipeline: true, Doc: "journal of the attempts at providers, to rebuild Redis"}
	Profiles = Topic{Name: "profiles.v1", Compact: true, Pipeline: true, Doc: "journal of the profiles, to rebuild Redis"}
	Holds    = Topic{Name: "holds.v1", Compact: true, Pipeline: true, Doc: "journal of the held messages, to rebuild Redis"}
	Models   = Topic{Name: "models.v1", Compact: true, Doc: "model snapshots, by app"}
)

// Inputs are the topics that apps write.
var Inputs = []Topic{InMessages, InEvents, InSignals, InReceipts, InDevices, InUsers}

// All topics in flow order, without their dead letter topics.
var All = append(append([]Topic{}, Inputs...), Facts, Enriched, Decisions, Releases, Outcomes, Attempts, Profiles, Holds, Models)

const dlqSuffix = ".dlq"

// DLQ is the dead letter topic of t.
func (t Topic) DLQ() Topic {
	return Topic{Name: t.Name + dlqSuffix, RetentionHours: 24 * 14, Doc: "records of " + t.Name + " that were refused"}
}

// IsDLQ says that t is a dead letter topic.
func (t Topic) IsDLQ() bool { return strings.HasSuffix(t.Name, dlqSuffix) }

// Full is the name that Kafka knows.
func (t Topic) Full(prefix string) string { return prefix + t.Name }

// WithDLQs lists all topics in flow order, each followed by its dead letter topic.
func WithDLQs() []Topic {
	out := make([]Topic, 0, 2*len(All))
	for _, t := range All {
		out = append(out, t, t.DLQ())
	}
	return out
}

// ByName finds a topic, dead letter topics too, by its name without prefix.
func ByName(name string) (Topic, bool) {
	for _, t := range WithDLQs() {
		if t.Name == name {
			return t, true
		}
	}
	return Topic{}, false
}

// CheckPartitions says whether pipeline topics may have n partitions: with a power of two up to MaxPartitions, every
// bucket of users lies in exactly one partition, and growing never splits a bucket.
func CheckPartitions(n int) error {
	if n < 1 || n > MaxPartitions || n&(n-1) != 0 {
		return fmt.Errorf("pipeline topics need a power of two between 1 and %d as partition count (got %d)", MaxPartitions, n)
	}
	return nil
}
