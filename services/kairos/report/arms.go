package report

import (
	"maps"
	"slices"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/kairos/report/stats"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// Arm is what came of the messages of one exploration arm. All but the gains is of its own messages as they are; arms hold
// messages of different kinds, so those figures do not compare.
type Arm struct {
	Name            string
	Messages, Sends int
	Opens, Reach    stats.Interval // shares of messages
	// Came is the share of messages after which the person came to the app within the hour: by the push, or by themselves.
	Came       stats.Interval
	OptOuts    stats.Interval // per 1,000 sends
	MedianSent stats.Interval // seconds from acceptance to send; never if not sent
	// Gains in shares of messages: in opens over the immediate arm, and in people who came over the control arm, as they
	// would have come anyway; over the messages for which both arms were drawn (see gain). Controls are held out at the
	// moment at which the policy would have sent them, so only the arms of the policy compare with them.
	OverImmediate, OverControl stats.Interval
}

// What is computed of an arm.
const perArm = 7

// Arms measures each arm that occurs.
func (l *Log) Arms(seed uint64) []Arm {
	people := l.people()
	type table struct {
		messages, sends, opens, reach, came, disabled []float64
		waits                                         *stats.Waits
	}
	tables := map[string]*table{}
	for i, p := range people {
		for _, m := range p {
			t := tables[m.Arm]
			if t == nil {
				n := len(people)
				t = &table{make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n), stats.NewWaits(n)}
				tables[m.Arm] = t
			}
			t.messages[i]++
			count := func(yes bool, in []float64) {
				if yes {
					in[i]++
				}
			}
			count(m.Sent != 0, t.sends)
			count(m.Opened, t.opens)
			count(m.Reached(), t.reach)
			count(m.Came, t.came)
			count(m.Disabled, t.disabled)
			t.waits.Add(i, m.Wait())
		}
	}
	names := slices.Sorted(maps.Keys(tables))
	immediate, control := slices.Index(names, policy.ArmImmediate), slices.Index(names, policy.ArmControl)
	strata := stratify(people, names)
	values := stats.Bootstrap(len(people), rounds, seed, func(drawn []float64) []float64 {
		cells := strata.cells(drawn)
		var v []float64
		for arm, name := range names {
			t := tables[name]
			messages := stats.Sum(drawn, t.messages)
			overImmediate, overControl := nan, nan
			if arm != immediate && arm != control {
				overImmediate = gain(cells, arm, immediate, func(c cell) float64 { return c.opens })
			}
			if event.FollowsPolicy(name) {
				overControl = gain(cells, arm, control, func(c cell) float64 { return c.came })
			}
			v = append(v, stats.Sum(drawn, t.opens)/messages, stats.Sum(drawn, t.reach)/messages, stats.Sum(drawn, t.came)/messages,
				1000*stats.Sum(drawn, t.disabled)/stats.Sum(drawn, t.sends), t.waits.Quantile(drawn, 0.5).Seconds(), overImmediate, overControl)
		}
		return v
	})
	var out []Arm
	for k, name := range names {
		v, t := values[k*perArm:], tables[name]
		a := Arm{Name: name, Opens: v[0], Reach: v[1], Came: v[2], OptOuts: v[3], MedianSent: v[4], OverImmediate: v[5], OverControl: v[6]}
		for i := range people {
			a.Messages += int(t.messages[i])
			a.Sends += int(t.sends[i])
		}
		out = append(out, a)
	}
	return out
}
