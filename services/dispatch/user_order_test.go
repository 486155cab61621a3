package dispatch_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/services/dispatch/sandbox"
)

// TestOneUsersMessagesKeepTheirOrder: many workers, and a provider that is slower with what comes first. A release that
// has to be tried again lets those behind it go.
func TestOneUsersMessagesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipetest.Embedded)
	var rels []*event.Release
	const many = 20
	for i := range many {
		rel := r.release(sandbox.APNs, func(rel *event.Release) { rel.UserID, rel.Message.UserID = "one", "one" })
		rule := sandbox.Rule{Gateway: sandbox.APNs, Address: rel.Targets[0].Address, Latency: time.Duration(many-i) * 2 * time.Millisecond}
		if i == 3 {
			rule = sandbox.Rule{Gateway: sandbox.APNs, Address: rule.Address, Status: 503, Reason: "ServiceUnavailable", RetryAfter: 3 * time.Second, Times: 1}
		}
		r.b.Add(rule)
		rels = append(rels, rel)
	}
	r.start()
	r.publish(rels...)
	r.until("finals", func() bool { return len(r.finals()) == many })
	want := []string{}
	for i, rel := range rels {
		if i != 3 {
			want = append(want, rel.Message.MessageID)
		}
	}
	got := []string{}
	for _, a := range r.b.Arrivals() {
		got = append(got, a.MessageID)
	}
	require.Equal(t, append(want, rels[3].Message.MessageID), got)
}
