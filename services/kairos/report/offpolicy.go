package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

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
	return l.estimate(c, seed, rewards)
}

// estimate with a model of the reward, made of all people.
func (l *Log) estimate(c policy.Policy, seed uint64, modelOf func([]person) model) (OffPolicy, error) {
	people := l.people()
	if err := covered(c, people); err != nil {
		return OffPolicy{}, err
	}
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
		return out, fmt.Errorf("effective sample size %.0f of %d messages, want at least %d: let it explore more (exploration in the policy file), or wait for more rows", out.ESS, out.Messages, LeastESS)
	}
	q := modelOf(people)
	n := len(people)
	count, reward, sumW, sumWR, direct, robust := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	for i, p := range people {
		for _, m := range p {
			w := weight(c, m)
			if math.IsNaN(w) {
				continue
			}
			r := 0.0
			if m.Opened {
				r = 1
			}
			count[i]++
			reward[i] += r
			sumW[i] += w
			sumWR[i] += w * r
			for arm, share := range policy.Shares(c.For(m.category).Exploration, m.priority) {
				direct[i] += share * q.of(arm, m.category)
			}
			robust[i] += w * (r - q.of(m.Arm, m.category))
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

// uncovered is the share of messages that may be of arms that were never drawn in their stratum: too little to matter.
const uncovered = 0.01

// covered says whether the arms that the candidate would draw were drawn: nothing is known of what never happened, and
// weights would pass over it in silence, and judge the arm by the messages of other strata.
func covered(c policy.Policy, people []person) error {
	type part struct {
		stratum
		arm string
	}
	wanted, drawn, all := map[part]float64{}, map[part]bool{}, 0.0
	for _, p := range people {
		for _, m := range p {
			in, ok := m.stratum()
			if !ok {
				continue
			}
			all++
			drawn[part{in, m.Arm}] = true
			for arm, share := range policy.Shares(c.For(m.category).Exploration, m.priority) {
				wanted[part{in, arm}] += share
			}
		}
	}
	missing := 0.0
	var never []part
	for k, mass := range wanted {
		if !drawn[k] && mass > 0 {
			missing += mass
			never = append(never, k)
		}
	}
	if missing <= uncovered*all {
		return nil
	}
	worst := slices.MinFunc(never, func(a, b part) int {
		return cmp.Or(cmp.Compare(wanted[b], wanted[a]), cmp.Compare(a.category, b.category), cmp.Compare(a.priority, b.priority),
			cmp.Compare(a.version, b.version), cmp.Compare(a.arm, b.arm))
	})
	where := ""
	if worst.category != "" {
		where = " in category " + worst.category
	}
	if worst.version != "" {
		where += " under policy version " + worst.version
	}
	return fmt.Errorf("%.0f %% of its messages would be of arms that were never drawn, such as %s%s: let exploration draw them first, or see what they would do with kairos replay --policy",
		100*missing/all, worst.arm, where)
}

// weight is the candidate's share of the message's arm over the share that it was drawn with; NaN if none was drawn.
func weight(c policy.Policy, m *message) float64 {
	if _, drawn := m.stratum(); !drawn {
		return nan
	}
	return policy.Shares(c.For(m.category).Exploration, m.priority)[m.Arm] / m.propensity
}

// unjudged says what the estimate of a candidate does not answer for: all in which it differs from the policies that the
// messages were decided by, but the mix of arms. Their settings are known if they are among the known ones.
func (l *Log) unjudged(c policy.Policy, known []policy.Policy) string {
	const instead = "these figures do not say what it would do; kairos replay --policy does."
	names := map[string]string{} // by version
	for _, p := range l.people() {
		for _, m := range p {
			names[m.version] = m.policy
		}
	}
	var out []string
	for _, version := range slices.Sorted(maps.Keys(names)) {
		logged := fmt.Sprintf("the logged policy %q (version %s)", names[version], version)
		i := slices.IndexFunc(known, func(p policy.Policy) bool { return p.Version() == version })
		switch {
		case version == c.Version():
		case i < 0:
			out = append(out, fmt.Sprintf("The rows do not tell the settings of %s: name its file with --logged. Where the candidate differs in more than exploration, %s", logged, instead))
		default:
			if differs := policy.Differences(known[i], c); len(differs) > 0 {
				out = append(out, fmt.Sprintf("Only the mix of arms is judged, but the candidate also differs from %s in %s: %s", logged, strings.Join(differs, ", "), instead))
			}
		}
	}
	if len(out) == 0 {
		return "The candidate differs from the logged policy in exploration alone, which is what is judged."
	}
	return strings.Join(out, " ")
}

// model of the reward: the open rate of an arm in a category, shrunk to that of the arm.
type model struct{ sum, n map[[2]string]float64 }

// shrinkage is the weight of the arm's rate, in messages.
const shrinkage = 20

func rewards(people []person) model {
	q := model{map[[2]string]float64{}, map[[2]string]float64{}}
	for _, p := range people {
		for _, m := range p {
			for _, k := range [][2]string{{m.Arm, ""}, {m.Arm, "category:" + m.category}} {
				q.n[k]++
				if m.Opened {
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
