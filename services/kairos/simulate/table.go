package simulate

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"

	"github.com/kairos-push/kairos/services/kairos/report/stats"
)

// column is one column of the tables.
type column struct {
	head, verb string // no verb: a length of time
	of         func(*Metrics) stats.Interval
}

var columns = []column{
	{head: "reach %", verb: "%.1f", of: func(m *Metrics) stats.Interval { return m.Reach.Times(100) }},
	{head: "attention %", verb: "%.1f", of: func(m *Metrics) stats.Interval { return m.Attention.Times(100) }},
	{head: "opens %", verb: "%.1f", of: func(m *Metrics) stats.Interval { return m.Opens.Times(100) }},
	{head: "net opens /1000", verb: "%.0f", of: func(m *Metrics) stats.Interval { return m.NetOpens }},
	{head: "median to seen", of: func(m *Metrics) stats.Interval { return m.MedianSeen }},
	{head: "opt-outs /1000", verb: "%.1f", of: func(m *Metrics) stats.Interval { return m.OptOuts }},
	{head: "sends/open", verb: "%.1f", of: func(m *Metrics) stats.Interval { return m.SendsPerOpen }},
	{head: "reach headroom %", verb: "%.0f", of: func(m *Metrics) stats.Interval { return m.ReachHeadroom.Times(100) }},
	{head: "attention headroom %", verb: "%.0f", of: func(m *Metrics) stats.Interval { return m.AttentionHeadroom.Times(100) }},
}

func (c column) cell(m *Metrics) string {
	v := c.of(m)
	if c.verb == "" {
		return v.Duration()
	}
	return v.Format(c.verb)
}

// head and rows of a regime's table.
func head() []string {
	h := []string{"policy"}
	for _, c := range columns {
		h = append(h, c.head)
	}
	return h
}

func rows(r *Result) [][]string {
	var out [][]string
	for i := range r.Metrics {
		row := []string{r.Metrics[i].Policy}
		for _, c := range columns {
			row = append(row, c.cell(&r.Metrics[i]))
		}
		out = append(out, row)
	}
	return out
}

// Print writes one table a regime. 95 % intervals over people are in brackets.
func Print(w io.Writer, results []Result) error {
	for i := range results {
		r := &results[i]
		t := table.New().Headers(head()...).Rows(rows(r)...).Border(lipgloss.RoundedBorder()).BorderRow(false).
			StyleFunc(func(row, col int) lipgloss.Style {
				s := lipgloss.NewStyle().Padding(0, 1)
				if col > 0 {
					s = s.Align(lipgloss.Right)
				}
				if row == ours || row == table.HeaderRow {
					s = s.Bold(true)
				}
				return s
			})
		title := fmt.Sprintf("%s: %g messages a day, hold %v", r.Regime.Title, r.Regime.PerDay, r.Regime.Hold)
		if r.Regime.Cap > 0 {
			title += fmt.Sprintf(", at most %d sent in 24 hours", r.Regime.Cap)
		}
		if _, err := lipgloss.Fprintln(w, "\n"+lipgloss.NewStyle().Bold(true).Render(title)+"\n"+t.String()+"\n"+comparison(r)); err != nil {
			return err
		}
	}
	return nil
}

// comparison says what ours has more than the rules to beat: on the same people, so that these intervals are narrower than
// those of the table.
func comparison(r *Result) string {
	var b strings.Builder
	for i := range r.Metrics {
		m := &r.Metrics[i]
		if !slices.Contains([]string{Names[globalHour], Names[userHour], Names[unlockDwell], Names[oursUntold]}, m.Policy) {
			continue
		}
		fmt.Fprintf(&b, "ours over %s: reach %s, attention %s points, net opens %s /1000\n", m.Policy,
			m.OursReach.Times(100).Format("%+.1f"), m.OursAttention.Times(100).Format("%+.1f"), m.OursNet.Format("%+.0f"))
	}
	fmt.Fprintf(&b, "best dwell, in hindsight: %s", r.Dwell)
	return b.String()
}
