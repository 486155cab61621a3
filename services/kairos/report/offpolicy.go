package report

import (
	"fmt"
	"math"

	"github.com/kairos-push/kairos/services/kairos/report/stats"
	"github.com/kairos-push/kairos/services/timing/policy"
)

var nan = math.NaN()

// LeastESS is the effective sample size below which no estimate is given.
const LeastESS = 500

// OffPolicy says what share of messages would have been opened under another mix of arms.
type OffPolicy struct {
	Messages int
	// ESS is the effective sample size, (Σw)²/Σw² (Kish, 1965).
	ESS float64
	// Logged is the share as it was. SNIPS is the self-normalised inverse propensity estimate (Swaminathan and Joachims,
	// 2015); DoublyRobust adds a model of the reward (Dudík, Langford and Li, 2011).
	Logged, SNIPS, DoublyRobust stats.Interval
}

// Candidate estimates the opens of a candidate policy from messages that arms were drawn for. It answers for the
// candidate's mix of arms, by category; gates, costs and caps change what an arm does, and for those there is
// "kairos replay --policy". It is an error if the log says too little: an ESS below 500.
func (l *Log) Candidate(c policy.Policy, seed uint64) (OffPolicy, error) {
	people := l.people()
	var total, squares float64
	out := OffPolicy{}
	for _, p := range people {
		for _, m := range p {
			if w := weight(c, m); !math.IsNaN(w) {
				out.Messages++
				total += w
				squares += w * w
			}
		}
	}
	if squares > 0 {
		out.ESS = total * total / squares
	}
	if out.ESS < LeastESS {
		return out, fmt.Errorf("effective sample size %.0f of %d messages, want at least %d: explore more, or wait for more rows", out.ESS, out.Messages, LeastESS)
	}
	q := rewards(people)
	n := len(people)
	var count, reward, sumW, sumWR, direct, robust = make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	for i, p := range people {
		for _, m := range p {
			w := weight(c, m)
			if math.IsNaN(w) {
				continue
			}
			r := 0.0
			if !m.opened.IsZero() {
				r = 1
			}
			count[i]++
			reward[i] += r
			sumW[i] += w
			sumWR[i] += w * r
			for arm, share := range policy.Shares(c.For(m.category).Exploration, m.priority) {
				direct[i] += share * q.of(arm, m.category)
			}
			robust[i] += w * (r - q.of(m.arm, m.category))
		}
	}
	v := stats.Bootstrap(n, rounds, seed, func(drawn []float64) []float64 {
		all := stats.Sum(drawn, count)
		return []float64{
			stats.Sum(drawn, reward) / all, stats.Sum(drawn, sumWR) / stats.Sum(drawn, sumW),
			(stats.Sum(drawn, direct) + stats.Sum(drawn, robust)) / all,
		}
	})
	out.Logged, out.SNIPS, out.DoublyRobust = v[0], v[1], v[2]
	return out, nil
}

// weight is the candidate's share of the message's arm over the share that it was drawn with; NaN if none was drawn.
func weight(c policy.Policy, m *message) float64 {
	share, ok := policy.Shares(c.For(m.category).Exploration, m.priority)[m.arm]
	if !ok || m.propensity <= 0 {
		return nan
	}
	return share / m.propensity
}

// model of the reward: the open rate of an arm in a category, shrunk to that of the arm.
type model struct{ sum, n map[[2]string]float64 }

// shrinkage is the weight of the arm's rate, in messages.
const shrinkage = 20

func rewards(people []person) model {
	q := model{map[[2]string]float64{}, map[[2]string]float64{}}
	for _, p := range people {
		for _, m := range p {
			for _, k := range [][2]string{{m.arm, ""}, {m.arm, "category:" + m.category}} {
				q.n[k]++
				if !m.opened.IsZero() {
					q.sum[k]++
				}
			}
		}
	}
	return q
}

func (q model) of(arm, category string) float64 {
	all, one := [2]string{arm, ""}, [2]string{arm, "category:" + category}
	if q.n[all] == 0 {
		return 0
	}
	return (q.sum[one] + shrinkage*q.sum[all]/q.n[all]) / (q.n[one] + shrinkage)
}
