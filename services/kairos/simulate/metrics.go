package simulate

import (
	"github.com/kairos-push/kairos/services/kairos/report/stats"
	"github.com/kairos-push/kairos/services/kairos/simulate/population"
)

// Metrics of one policy in one regime. All are per message that the app asked for, unless their name says otherwise,
// with intervals over people.
type Metrics struct {
	Policy string
	// Reach is the share noticed within 5 minutes of the send; Attention, of these, when the person was past what
	// they came for and stayed on for a minute. Opens is the share opened at any time.
	Reach, Attention, Opens stats.Interval
	// NetOpens are opens less the worth of the opt-outs, for 1,000 messages.
	NetOpens stats.Interval
	// MedianSeen is from arrival to notice; a message never noticed counts as infinite.
	MedianSeen   stats.Interval // seconds
	OptOuts      stats.Interval // per 1,000 sends
	SendsPerOpen stats.Interval
	// Shares of the oracle's gain over immediate.
	ReachHeadroom, AttentionHeadroom stats.Interval
	// What ours has more than this policy, on the same people.
	OursReach, OursAttention, OursNet stats.Interval
}

// Rounds of the bootstrap.
const rounds = 400

const perPolicy = 12

// measure turns courses, by policy and person, into metrics. A policy without courses is left out.
func measure(courses [][]*course, params *population.Params, seed uint64) []Metrics {
	people := len(courses[immediate])
	type table struct {
		messages, sends, reached, attended, opens, optOuts []float64
		waits                                              *stats.Waits
	}
	tables := make([]table, len(courses))
	for k, list := range courses {
		t := &tables[k]
		t.waits = stats.NewWaits(people)
		for i, c := range list {
			t.messages = append(t.messages, c.messages)
			t.sends = append(t.sends, c.sends)
			t.reached = append(t.reached, c.reached)
			t.attended = append(t.attended, c.attended)
			t.opens = append(t.opens, c.opens)
			t.optOuts = append(t.optOuts, c.optOuts)
			for _, w := range c.waits {
				t.waits.Add(i, w)
			}
		}
	}
	values := stats.Bootstrap(people, rounds, seed, func(drawn []float64) []float64 {
		out := make([]float64, 0, len(tables)*perPolicy)
		share := func(k int, of func(*table) []float64) float64 {
			return stats.Sum(drawn, of(&tables[k])) / stats.Sum(drawn, tables[k].messages)
		}
		reach := func(t *table) []float64 { return t.reached }
		attention := func(t *table) []float64 { return t.attended }
		net := func(k int) float64 {
			t := &tables[k]
			return 1000 * (stats.Sum(drawn, t.opens) - params.OptOutCost*stats.Sum(drawn, t.optOuts)) / stats.Sum(drawn, t.messages)
		}
		headroom := func(k int, of func(*table) []float64) float64 {
			base := share(immediate, of)
			return (share(k, of) - base) / (share(oracle, of) - base)
		}
		for k := range tables {
			if len(courses[k]) == 0 {
				continue
			}
			t := &tables[k]
			sends := stats.Sum(drawn, t.sends)
			out = append(out,
				share(k, reach), share(k, attention), share(k, func(t *table) []float64 { return t.opens }), net(k),
				t.waits.Quantile(drawn, 0.5).Seconds(),
				1000*stats.Sum(drawn, t.optOuts)/sends, sends/stats.Sum(drawn, t.opens),
				headroom(k, reach), headroom(k, attention),
				share(ours, reach)-share(k, reach), share(ours, attention)-share(k, attention), net(ours)-net(k))
		}
		return out
	})
	var out []Metrics
	for k := range tables {
		if len(courses[k]) == 0 {
			continue
		}
		v := values[len(out)*perPolicy:]
		out = append(out, Metrics{
			Policy: Names[k], Reach: v[0], Attention: v[1], Opens: v[2], NetOpens: v[3], MedianSeen: v[4],
			OptOuts: v[5], SendsPerOpen: v[6], ReachHeadroom: v[7], AttentionHeadroom: v[8],
			OursReach: v[9], OursAttention: v[10], OursNet: v[11],
		})
	}
	return out
}
