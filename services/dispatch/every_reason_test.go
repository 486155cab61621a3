package dispatch_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/services/dispatch"
	"github.com/kairos-push/kairos/services/dispatch/push"
	"github.com/kairos-push/kairos/services/dispatch/sandbox"
	"github.com/kairos-push/kairos/services/dispatch/webpush"
)

// TestEveryReasonToItsOutcome: a release for each rule of the three tables goes from the log through the whole service to a
// provider that gives this answer once, and back to the topics. Each has an app of its own: wrong credentials of one must
// not be felt by another.
func TestEveryReasonToItsOutcome(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipetest.Embedded)
	type want struct {
		name    string
		rule    push.Rule
		address string
		rows    []string
		attempt int
		waits   time.Duration // at least, before the last attempt
	}
	apps, wants := map[string]dispatch.App{}, map[string]want{}
	var rels []*event.Release
	for _, gw := range gateways {
		for i, rule := range r.b.tables[gw] {
			rel := r.release(gw, func(rel *event.Release) { rel.AppID = fmt.Sprintf("%s-%d", gw, i) })
			apps[rel.AppID] = r.app()
			address := rel.Targets[0].Address
			w := want{name: fmt.Sprintf("%s %d %s", gw, rule.Status, rule.Reason), rule: rule, address: address, attempt: 1}
			switch rule.Class {
			case push.Sent:
				w.rows = []string{"sent"}
			case push.Drop, push.Prune:
				w.rows = []string{"failed", "provider_rejected"}
			case push.Retry:
				w.rows, w.attempt = []string{"sent"}, 2
			case push.RetryAfter:
				if w.rows, w.attempt = []string{"sent"}, 2; rule.After > 0 {
					w.rows, w.attempt = []string{"expired"}, 1
					rel.Deadline = time.Now().Add(50 * time.Second) // less than it asks for
				}
			case push.Config: // tried again when somebody may have mended it
				w.rows, w.attempt, w.waits = []string{"sent"}, 2, 7*time.Second
			default:
				require.Fail(t, "a table names no ambiguous answer")
			}
			if rule.Class != push.Sent {
				reason := rule.Reason
				if reason == webpush.ReasonKeyMismatch {
					reason = "VapidPkHashMismatch"
				}
				r.b.Add(sandbox.Rule{Gateway: gw, Address: ruleAddress(t, gw, address), Status: rule.Status, Reason: reason, Times: 1})
			}
			wants[rel.Message.MessageID] = w
			rels = append(rels, rel)
		}
	}
	r.cfg.Apps = dispatch.Fixed(apps)
	r.start()
	begun := time.Now()
	r.publish(rels...)
	r.until("all ends", func() bool { return len(r.finals()) == len(rels) })
	ended := func() map[string][]string {
		rows := map[string][]string{}
		for _, o := range r.outcomes() {
			rows[o.MessageID] = append(rows[o.MessageID], o.Type)
		}
		return rows
	}
	var rows map[string][]string
	r.until("all rows", func() bool {
		rows = ended()
		for id, w := range wants {
			if len(rows[id]) < len(w.rows) {
				return false
			}
		}
		return true
	})
	for id, w := range wants {
		slices.Sort(rows[id])
		final := r.finals()[id]
		require.Equal(t, w.rows, rows[id], w.name)
		require.Equal(t, w.attempt, final.Attempt, w.name)
		require.Equal(t, w.rule.Class == push.Prune, final.PruneAddress == w.address, w.name)
		require.GreaterOrEqual(t, final.At.Sub(begun), w.waits, w.name)
		if w.rows[0] != "sent" {
			require.Contains(t, final.Reason, w.rule.Reason, w.name)
		}
	}
}

// ruleAddress is what a rule of the gateway matches a target's address by.
func ruleAddress(t *testing.T, gateway, address string) string {
	t.Helper()
	if gateway != sandbox.WebPush {
		return address
	}
	var sub struct {
		Endpoint string `json:"endpoint"`
	}
	require.NoError(t, json.Unmarshal([]byte(address), &sub))
	return sub.Endpoint
}
