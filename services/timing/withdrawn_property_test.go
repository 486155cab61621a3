package timing_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/fold"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/services/timing"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// TestWhatIsTakenBackStaysSo: whatever came before and comes after, a message that was taken back is not released again, in no
// revision, unless the person has had it: then a revision may take its place on the screen. A revision that has ended, or was
// rejected, does nothing when it comes again, and no release waits for ever for the answer that it had.
func TestWhatIsTakenBackStaysSo(t *testing.T) {
	t.Parallel()
	rules, err := policy.Parse([]byte("defaults: {exploration: {immediate: 0, control: 0}}\nanswer_timeout: 30s\n"))
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		engine, holds, now := timing.NewEngine(rules), timing.NewHolds(user), time.Date(2026, 5, 11, 12, 0, 0, 0, time.UTC)
		person := profile.Profile{TimeZone: "Europe/Berlin", Devices: []profile.Device{phone("phone")}}
		over, had := map[string]string{}, map[string]bool{}
		ended := map[string]string{} // revision → how
		asked := map[string]int{}    // message → revisions
		out := map[string]event.Release{}
		take := func(effects []fold.Effect) {
			for _, e := range effects {
				switch v := e.Value.(type) {
				case event.Outcome:
					if v.Type == event.OutcomeCancelled {
						over[v.MessageID] = "cancelled"
					}
					if revision := fmt.Sprint(v.MessageID, "/", v.Revision); v.Type == event.OutcomeCancelled || v.Type == event.OutcomeRejected {
						require.Empty(t, ended[revision], "%s is %s", revision, v.Type)
						ended[revision] = v.Type
					}
				case event.Release:
					id := v.Message.MessageID
					if out[id] = v; v.Withdrawn != "" {
						over[id] = "withdrawn: " + v.Withdrawn
						continue
					}
					require.Empty(t, ended[fmt.Sprint(id, "/", v.Message.Revision)], "%s revision %d is released", id, v.Message.Revision)
					require.True(t, over[id] == "" || had[id], "%s, %s: revision %d is released", id, over[id], v.Message.Revision)
				}
			}
		}
		step := func(f event.Fact) {
			f.AppID, f.UserID, f.ReceivedAt = "demo", "ada", now
			var effects []fold.Effect
			holds, effects = engine.Step(holds, &profile.Enriched{Fact: f, Profile: person}, now)
			take(effects)
		}
		answer := func(r event.Release, status string) {
			step(event.Fact{Kind: event.KindResult, Result: &event.Result{
				MessageID: r.Message.MessageID, Revision: r.Message.Revision, DeviceID: "phone", Final: true, At: now, Status: status,
			}})
		}
		which := func(t *rapid.T) string { return fmt.Sprintf("m%d", rapid.IntRange(1, 4).Draw(t, "which")) }
		t.Repeat(map[string]func(*rapid.T){
			"message": func(t *rapid.T) {
				m := event.Message{MessageID: which(t), UserID: "ada", Timing: event.TimingNow, Deadline: now.Add(24 * time.Hour)}
				m.Revision = rapid.IntRange(0, asked[m.MessageID]).Draw(t, "revision")
				asked[m.MessageID] = max(asked[m.MessageID], m.Revision+1)
				m.CancelKey = rapid.SampledFrom([]string{"", "k1", "k2"}).Draw(t, "key")
				m.CancelOn = rapid.SampledFrom([][]string{nil, {"purchase"}}).Draw(t, "cancel on")
				if rapid.Bool().Draw(t, "later") {
					m.NotBefore = now.Add(time.Hour)
				}
				step(event.Fact{Kind: event.KindMessage, Message: &m})
			},
			"cancel": func(t *rapid.T) {
				c := event.Cancel{Type: "cancel", UserID: "ada", MessageID: which(t)}
				if rapid.Bool().Draw(t, "by key") {
					c.MessageID, c.CancelKey = "", rapid.SampledFrom([]string{"k1", "k2"}).Draw(t, "key")
				}
				step(event.Fact{Kind: event.KindCancel, Cancel: &c})
			},
			"purchase": func(*rapid.T) {
				step(event.Fact{Kind: event.KindEvent, Event: &event.Event{EventID: "e", UserID: "ada", Name: "purchase", OccurredAt: now}})
			},
			"open": func(t *rapid.T) {
				step(event.Fact{Kind: event.KindReceipt, Receipt: &event.Receipt{
					MessageID: which(t), DeviceID: "phone", Kind: event.ReceiptOpened, OccurredAt: now,
				}})
			},
			"answer": func(t *rapid.T) {
				r, released := out[which(t)]
				if !released {
					t.Skip("not released")
				}
				status := rapid.SampledFrom([]string{event.ResultSent, event.ResultFailed, event.ResultUnknown}).Draw(t, "status")
				id := r.Message.MessageID
				had[id] = had[id] || status != event.ResultFailed
				delete(out, id)
				answer(r, status)
			},
			"sleep": func(t *rapid.T) {
				for end := now.Add(time.Duration(rapid.IntRange(1, 4000).Draw(t, "seconds")) * time.Second); ; {
					due := holds.Due()
					if due.IsZero() || due.After(end) {
						now = end
						return
					}
					if due.After(now) {
						now = due
					}
					var effects []fold.Effect
					holds, effects = engine.Wake(holds, now)
					take(effects)
				}
			},
		})
		for _, r := range out { // dispatch has them, and answers at last
			answer(r, event.ResultSent)
		}
		for _, o := range holds.Out {
			require.Nil(t, o.Release, "%s waits for an answer that it has had", o.Message.MessageID)
		}
	})
}
