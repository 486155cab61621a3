package timing

import (
	"cmp"
	"slices"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// ration lets the messages that compete for the last slots of a cap have them where they are worth most: a slot is worth to
// a message what it loses if it gets the next one to open instead, V_k − V_{k−1}. One that can as well go tomorrow makes
// room for one that cannot. Messages without a choice come first, in the order of their urgency.
func (t *turn) ration(ws *workspace, all []appraisal) {
	seen := map[string]bool{}
	for i := range t.h.Held {
		c := t.h.Held[i].Message.Category
		caps := t.policy.For(c).Caps
		if seen[c] || len(caps) == 0 {
			continue
		}
		seen[c] = true
		hash := categoryHash(c)
		t.within(ws, all, caps, func(s Send) bool { return s.Category == hash }, func(m *event.Message) bool { return m.Category == c })
	}
	promotional := func(m *event.Message) bool { return m.Priority == event.Promotional }
	t.within(ws, all, t.policy.Caps, func(s Send) bool { return s.Promotional }, promotional)
}

// within bars those for whom one set of caps has no slot left.
func (t *turn) within(ws *workspace, all []appraisal, caps []policy.Cap, counts func(Send) bool, member func(*event.Message) bool) {
	sends := t.h.sends(counts)
	left := policy.CapLeft(caps, sends, t.now)
	if left <= 0 { // there are none, or the gate of the cap says no to all
		return
	}
	next := policy.CapOpens(caps, append(sends, slices.Repeat([]time.Time{t.now}, left)...), t.now)
	var rivals []int
	for i := range all {
		m := &t.h.Held[i].Message
		if !member(m) || m.Priority == event.Critical {
			continue
		}
		if opens := all[i].gates.NextOpen(t.now); !opens.IsZero() && opens.Before(next) { // others have no use for a slot now
			rivals = append(rivals, i)
		}
	}
	if len(rivals) <= left {
		return
	}
	gains := make([]float64, len(all))
	for _, i := range rivals {
		gains[i] = all[i].est.worth() - t.deferred(ws, i, all, next)
	}
	slices.SortStableFunc(rivals, func(i, j int) int {
		return cmp.Or(t.urgent(i, j), cmp.Compare(gains[j], gains[i]), t.order(all, i, j))
	})
	for _, i := range rivals[left:] {
		all[i].gates.Bar(policy.Quota)
		all[i].closed |= policy.Quota
	}
}

// deferred is what a message is worth if it cannot go before an instant: nothing if it has no choice, or ends before.
func (t *turn) deferred(ws *workspace, i int, all []appraisal, until time.Time) float64 {
	h, a := &t.h.Held[i], all[i]
	if !planned(h, &a) || !until.Before(a.end) {
		return 0
	}
	a.gates.Forbid(policy.Quota, until)
	_, p := t.plan(ws, h, &a)
	return p.wait
}
