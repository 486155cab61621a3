package timing

import (
	"slices"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/precondition"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// gates gathers all that forbids a release of a message. Critical messages pass those of the person's comfort; what the
// sender asked for, and what cannot be done, binds them too.
func (t *turn) gates(ws *workspace, h *Held, to []*profile.Device, none policy.Set) policy.Gates {
	m := &h.Message
	g := policy.Gates{Loc: t.loc}
	g.Forbid(policy.NotBefore, m.NotBefore)
	g.Forbid(policy.NotBefore, t.sendAt(m))
	if none != 0 {
		g.Bar(none)
	}
	if m.Precondition != "" {
		switch precondition.Test(m.Precondition, ws.environment(t)) {
		case precondition.Holds:
		case precondition.Fails:
			g.Bar(policy.Precondition)
		case precondition.Unknown:
			g.Bar(policy.PreconditionUnknown)
		}
	}
	if m.Priority == event.Critical {
		return g
	}
	if m.DeliveryWindow != nil {
		g.Window = m.DeliveryWindow
	}
	if m.QuietHours != event.QuietBypass {
		if g.Quiet = t.policy.QuietHours; t.p.QuietHours != nil {
			g.Quiet = t.p.QuietHours
		}
	}
	if h.Draw.Arm == policy.ArmUniform {
		g.Forbid(policy.NotBefore, h.opens().Add(time.Duration(h.Draw.Where*float64(h.Deadline.Add(-lead).Sub(h.opens())))))
	}
	t.spaces(&g, m)
	t.live(&g, m, to)
	return g
}

// spaces adds the minimum gap and the caps.
func (t *turn) spaces(g *policy.Gates, m *event.Message) {
	if n := len(t.h.Sends); n > 0 {
		g.Forbid(policy.MinimumGap, time.UnixMilli(t.h.Sends[n-1].At).Add(time.Duration(t.policy.MinimumGap)))
	}
	if m.Priority == event.Promotional && len(t.policy.Caps) > 0 {
		g.Forbid(policy.PersonCap, policy.CapOpens(t.policy.Caps, t.h.sends(func(s Send) bool { return s.Promotional }), t.now))
	}
	if caps := t.policy.For(m.Category).Caps; len(caps) > 0 {
		c := categoryHash(m.Category)
		g.Forbid(policy.CategoryCap, policy.CapOpens(caps, t.h.sends(func(s Send) bool { return s.Category == c }), t.now))
	}
}

// live adds what the phones show: each with the time at which it is too old to be believed.
func (t *turn) live(g *policy.Gates, m *event.Message, to []*profile.Device) {
	if len(to) == 0 || !t.p.AllowsDeviceData() {
		return
	}
	var disturb time.Time // the first of the targets that may be disturbed
	for i, d := range to {
		var until time.Time
		if d.Live.DND.Value == "on" {
			until = d.Live.DND.At.Add(time.Duration(t.policy.DNDFor))
		}
		if i == 0 || until.Before(disturb) {
			disturb = until
		}
	}
	if disturb.After(t.now) {
		g.Forbid(policy.DND, disturb)
	}
	if t.policy.For(m.Category).Foreground == policy.ForegroundHold {
		for i := range t.p.Devices {
			if app := t.p.Devices[i].Live.App; app.Value == "foreground" {
				if until := app.At.Add(time.Duration(t.policy.ForegroundFor)); until.After(t.now) {
					g.Forbid(policy.Foreground, until)
				}
			}
		}
	}
	if d, until := active(t.p, t.now, time.Duration(t.policy.ActiveElsewhere)); d != nil {
		if slices.Contains(to, d) {
			return
		}
		g.Forbid(policy.ActiveElsewhere, until)
	}
}

// sends are the times of the releases that a cap counts.
func (h *Holds) sends(counts func(Send) bool) []time.Time {
	var out []time.Time
	for _, s := range h.Sends {
		if counts(s) {
			out = append(out, time.UnixMilli(s.At))
		}
	}
	return out
}

// spacing is how long a release matters to the gap and the caps.
func (t *turn) spacing() time.Duration {
	d := max(time.Duration(t.policy.MinimumGap), policy.Longest(t.policy.Caps), policy.Longest(t.policy.Defaults.Caps))
	for c := range t.policy.Categories {
		d = max(d, policy.Longest(t.policy.For(c).Caps))
	}
	return d
}
