package report

import (
	"slices"

	"github.com/kairos-push/kairos/services/timing/policy"
)

// stratum is a set of messages whose arms were drawn with the same shares, so that between its arms chance alone decides.
// Between strata the shares differ: each category may have its own, and controls are drawn of promotional messages only.
type stratum struct{ version, category, priority string }

// stratum of the message; false if no arm was drawn for it.
func (m *message) stratum() (stratum, bool) {
	return stratum{m.version, m.category, m.priority}, m.Arm != "" && m.Arm != policy.ArmFixed && m.propensity > 0
}

// cell is what came of the messages of one arm in one stratum.
type cell struct {
	messages, opens, came float64
	standsFor             float64 // messages of the stratum: each for one over its propensity
}

// life is one message's part in its cell.
type life struct {
	stratum, arm int
	cell
}

// strata are the lives of all messages that an arm was drawn for, by person.
type strata struct {
	n, arms int
	people  [][]life
}

// stratify the messages of people; arms are known by their place in names.
func stratify(people []person, names []string) *strata {
	s := &strata{arms: len(names), people: make([][]life, len(people))}
	places := map[stratum]int{}
	for i, p := range people {
		for _, m := range p {
			in, drawn := m.stratum()
			if !drawn {
				continue
			}
			at, ok := places[in]
			if !ok {
				at = len(places)
				places[in] = at
			}
			l := life{at, slices.Index(names, m.Arm), cell{messages: 1, standsFor: 1 / m.propensity}}
			if m.Opened {
				l.opens = 1
			}
			if m.Came {
				l.came = 1
			}
			s.people[i] = append(s.people[i], l)
		}
	}
	s.n = len(places)
	return s
}

// cells by stratum and arm, of people drawn that often.
func (s *strata) cells(drawn []float64) [][]cell {
	out := make([][]cell, s.n)
	for i := range out {
		out[i] = make([]cell, s.arms)
	}
	for i, p := range s.people {
		for _, l := range p {
			c, w := &out[l.stratum][l.arm], drawn[i]
			c.messages += w * l.messages
			c.opens += w * l.opens
			c.came += w * l.came
			c.standsFor += w * l.standsFor
		}
	}
	return out
}

// gain of an arm over a base, by their places in names (-1: not there), in shares of messages: the mean of the difference
// within strata, over the messages of all strata in which both were drawn; not a number if there are none. A stratum weighs
// as many messages as those of the base stand for, which is its size but for chance. Its size itself would leave out most of
// the small strata, in which the base is often missing, without more weight to the rest of them.
func gain(cells [][]cell, arm, base int, of func(cell) float64) float64 {
	if base < 0 {
		return nan
	}
	var sum, all float64
	for _, s := range cells {
		a, b := s[arm], s[base]
		if a.messages == 0 || b.messages == 0 {
			continue
		}
		sum += b.standsFor * (of(a)/a.messages - of(b)/b.messages)
		all += b.standsFor
	}
	return sum / all
}
