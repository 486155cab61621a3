package dispatch_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/services/dispatch/sandbox"
)

// TestARetryDoesNotReplaceWhatIsNewer: a push waits for its second attempt while a revision of it, and another message
// with its collapse key, are sent. What is older on the phone must not come back.
func TestARetryDoesNotReplaceWhatIsNewer(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipetest.Embedded)
	old := r.release(sandbox.APNs, func(rel *event.Release) { rel.Message.Body = "old" })
	again := func(change func(*event.Release)) *event.Release {
		rel := *old
		rel.ReleasedAt = old.ReleasedAt.Add(time.Second)
		rel.Targets = append([]event.Target(nil), old.Targets...)
		change(&rel)
		rel.ReleaseID = event.ReleaseID(rel.AppID, rel.UserID, rel.Message.MessageID, rel.Message.Revision)
		return &rel
	}
	revised := again(func(rel *event.Release) { rel.Message.Revision, rel.Message.Body = 2, "new" })
	r.b.Add(sandbox.Rule{Gateway: sandbox.APNs, Address: old.Targets[0].Address, Status: 503, Reason: "ServiceUnavailable", RetryAfter: 2 * time.Second, Times: 1})
	other := r.release(sandbox.APNs, func(rel *event.Release) { rel.Message.CollapseKey = "score" })
	newer := r.release(sandbox.APNs, func(rel *event.Release) {
		rel.UserID, rel.Message.UserID, rel.Message.CollapseKey = other.UserID, other.UserID, "score"
		rel.ReleasedAt = other.ReleasedAt.Add(time.Second)
	})
	r.b.Add(sandbox.Rule{Gateway: sandbox.APNs, Address: other.Targets[0].Address, Status: 503, Reason: "ServiceUnavailable", RetryAfter: 2 * time.Second, Times: 1})
	r.start()
	r.publish(old, other, revised, newer)
	r.until("four rows", func() bool { return len(r.outcomes()) == 4 })

	got := map[string]string{}
	for _, o := range r.outcomes() {
		got[o.MessageID+"/"+string(rune('0'+o.Revision))] = o.Type + " " + o.Reason
	}
	id := old.Message.MessageID
	require.Equal(t, map[string]string{
		id + "/0": "superseded revision 2", id + "/2": "sent ",
		other.Message.MessageID + "/0": "superseded " + newer.Message.MessageID, newer.Message.MessageID + "/0": "sent ",
	}, got)
	sent := r.b.Arrivals()
	require.Len(t, sent, 2)
	require.Equal(t, []string{id, "score"}, sorted(sent[0].Collapse, sent[1].Collapse))
}

func sorted(a, b string) []string {
	if a > b {
		a, b = b, a
	}
	return []string{a, b}
}
