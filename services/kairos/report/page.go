package report

import (
	"fmt"
	"html/template"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/kairos-push/kairos/services/kairos/report/plot"
)

// mainArm is the policy itself, at its own threshold.
const mainArm = "policy_1"

// raw says what compares between the rows of the table of arms.
const raw = "All but the gains is of each arm's own messages, and arms hold different ones: each category may explore in its own shares, and controls are drawn of promotional messages alone. " +
	"Gains compare like with like: within policy version, category and priority, over the messages for which both arms were drawn; – where there are none."

// page is the HTML report.
func (l *Log) page(arms []Arm, candidate *OffPolicy, unjudged, note string) *plot.Page {
	p := &plot.Page{Title: "Kairos: what came of the messages", Lead: note}
	results := plot.Section{
		Title: "By arm",
		Text: raw + " Shares are of accepted messages. Attended reach: a sign of the person on the push (displayed, opened, dismissed) within 5 minutes of the send. " +
			"Came: they came to the app within the hour, by the push or by themselves; the gain over the control arm, held out at the same moments, is what the pushes brought about. " +
			"Gains are in points of %. Brackets and whiskers are 95 % intervals, people resampled.",
		Tables: []plot.Table{{Head: armHead, Rows: armRows(arms), Mark: slices.IndexFunc(arms, func(a Arm) bool { return a.Name == mainArm })}},
	}
	var opens, uplift, incremental []plot.Bar // gains that there are
	for _, a := range arms {
		opens = append(opens, plot.Bar{Name: a.Name, Interval: a.Opens.Times(100), Mark: a.Name == mainArm})
		if !math.IsNaN(a.OverImmediate.Value) {
			uplift = append(uplift, plot.Bar{Name: a.Name, Interval: a.OverImmediate.Times(100), Mark: a.Name == mainArm})
		}
	}
	for _, a := range arms {
		if !math.IsNaN(a.OverControl.Value) {
			incremental = append(incremental, plot.Bar{Name: a.Name, Interval: a.OverControl.Times(100), Mark: a.Name == mainArm})
		}
	}
	results.Charts = []plot.Chart{
		{SVG: plot.Bars("opens over the immediate arm, points", "%.1f", uplift), Caption: "Like with like."},
		{SVG: plot.Bars("came to the app within the hour, over the control arm, points", "%.1f", incremental), Caption: "Like with like; promotional messages alone."},
		{SVG: plot.Bars("opens, % of messages", "%.1f", opens), Caption: "Each arm's own messages."},
		{SVG: l.delays(), Caption: "From acceptance to send, of each arm's own messages: the share of sent messages that went so soon."},
	}
	p.Sections = append(p.Sections, results)
	if candidate != nil {
		p.Sections = append(p.Sections, plot.Section{
			Title: "Opens under the candidate policy",
			Text: "Its mix of arms is judged by messages whose arm was drawn: SNIPS weighs each by how much more often the candidate would draw its arm, " +
				"the doubly robust estimate adds a model of the open rate by arm and category. " + unjudged,
			Tables: []plot.Table{{Head: candidateHead, Rows: candidateRows(candidate), Mark: -1}},
		})
	}
	model := plot.Section{Title: "The model"}
	if svg, n := l.reliability(); n > 0 {
		model.Charts = append(model.Charts, plot.Chart{SVG: svg, Caption: fmt.Sprintf("Reliability: the share opened within 5 minutes of the release against p_seen·p_open, ten bins of equal size, %d messages. p_seen is the chance to be seen within those 5 minutes, so opens of what was found later are left out. On the dashed line a prediction is right.", n)})
	}
	if svg, n := l.week(); n > 0 {
		model.Charts = append(model.Charts, plot.Chart{SVG: svg, Caption: fmt.Sprintf("Mean score of releases by local hour of the week, %d releases.", n)})
	}
	if len(model.Charts) > 0 {
		p.Sections = append(p.Sections, model)
	}
	return p
}

// sentDelays are the waits of sent messages by arm, sorted.
func (l *Log) sentDelays() map[string][]float64 {
	out := map[string][]float64{}
	for _, p := range l.people() {
		for _, m := range p {
			if m.Sent != 0 {
				out[m.Arm] = append(out[m.Arm], max(1, m.Wait().Seconds()))
			}
		}
	}
	for _, d := range out {
		slices.Sort(d)
	}
	return out
}

// points of a line: enough for the eye.
const points = 100

func (l *Log) delays() (svg template.HTML) {
	all := l.sentDelays()
	var series []plot.Series
	for _, arm := range slices.Sorted(maps.Keys(all)) {
		d := all[arm]
		s := plot.Series{Name: arm}
		for i := range points + 1 {
			at := i * (len(d) - 1) / points
			s.X, s.Y = append(s.X, d[at]), append(s.Y, 100*float64(at+1)/float64(len(d)))
		}
		series = append(series, s)
	}
	ticks := []plot.Tick{{At: 1, Label: "1 s"}, {At: 60, Label: "1 min"}, {At: 600, Label: "10 min"}, {At: 3600, Label: "1 h"}, {At: 4 * 3600, Label: "4 h"}, {At: 86400, Label: "24 h"}}
	longest := 1.0
	for _, d := range all {
		longest = max(longest, d[len(d)-1])
	}
	ticks = slices.DeleteFunc(ticks, func(t plot.Tick) bool { return t.At > longest })
	return plot.Lines(plot.Axis{Label: "from acceptance to send", Log: true, Ticks: ticks}, plot.Axis{Label: "% sent"}, series...)
}

// prediction of a release, and whether it came true (1 or 0).
type prediction struct{ predicted, opened float64 }

// predictions are that of an open within five minutes of the release: p_seen is the chance to be seen by then, and p_open that
// of an open once seen. Opens of what was found later are none of it.
func (l *Log) predictions() []prediction {
	var out []prediction
	for _, p := range l.people() {
		for _, m := range p {
			if m.released == nil || m.Sent == 0 {
				continue
			}
			one := prediction{predicted: m.released.PSeen * m.released.POpen}
			if m.soon {
				one.opened = 1
			}
			out = append(out, one)
		}
	}
	return out
}

// reliability compares predicted with seen open rates.
func (l *Log) reliability() (template.HTML, int) {
	pairs := l.predictions()
	const bins = 10
	if len(pairs) < 10*bins {
		return "", 0
	}
	slices.SortStableFunc(pairs, func(a, b prediction) int {
		switch {
		case a.predicted < b.predicted:
			return -1
		case a.predicted > b.predicted:
			return 1
		}
		return 0
	})
	s := plot.Series{Name: "opened within 5 min"}
	for b := range bins {
		part := pairs[b*len(pairs)/bins : (b+1)*len(pairs)/bins]
		var x, y float64
		for _, p := range part {
			x += p.predicted / float64(len(part))
			y += p.opened / float64(len(part))
		}
		spread := 1.96 * math.Sqrt(y*(1-y)/float64(len(part)))
		s.X, s.Y = append(s.X, x), append(s.Y, y)
		s.Low, s.High = append(s.Low, max(0, y-spread)), append(s.High, min(1, y+spread))
	}
	most := max(slices.Max(s.X), slices.Max(s.High))
	return plot.Lines(plot.Axis{Label: "predicted"}, plot.Axis{Label: "opened within 5 min"}, s,
		plot.Series{Name: "perfect", X: []float64{0, most}, Y: []float64{0, most}, Dashed: true}), len(pairs)
}

// week is the mean score of releases by local hour of the week.
func (l *Log) week() (template.HTML, int) {
	var sum, n [168]float64
	total := 0
	for _, d := range l.decisions {
		local, err := time.Parse("2006-01-02T15:04:05", d.LocalTime)
		if err != nil {
			continue // a row without a local time has no hour of the week
		}
		h := (int(local.Weekday())+6)%7*24 + local.Hour()
		sum[h] += d.Score
		n[h]++
		total++
	}
	s := plot.Series{}
	for h := range sum {
		y := nan
		if n[h] > 0 {
			y = sum[h] / n[h]
		}
		s.X, s.Y = append(s.X, float64(h)), append(s.Y, y)
	}
	var ticks []plot.Tick
	for d, name := range []string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"} {
		ticks = append(ticks, plot.Tick{At: float64(24 * d), Label: name})
	}
	return plot.Lines(plot.Axis{Label: "local hour of the week", Ticks: ticks}, plot.Axis{Label: "score"}, s), total
}

var armHead = []string{"arm", "messages", "sent", "opens %", "attended reach %", "came %", "opt-outs /1000", "median wait", "opens over immediate", "came over control"}

func armRows(arms []Arm) [][]string {
	var out [][]string
	for _, a := range arms {
		out = append(out, []string{
			a.Name, strconv.Itoa(a.Messages), strconv.Itoa(a.Sends), a.Opens.Times(100).Format("%.1f"), a.Reach.Times(100).Format("%.1f"),
			a.Came.Times(100).Format("%.1f"), a.OptOuts.Format("%.1f"), a.MedianSent.Duration(), a.OverImmediate.Times(100).Format("%.1f"), a.OverControl.Times(100).Format("%.1f"),
		})
	}
	return out
}

var candidateHead = []string{"messages", "effective sample size", "opens as logged %", "SNIPS %", "doubly robust %"}

func candidateRows(c *OffPolicy) [][]string {
	return [][]string{{strconv.Itoa(c.Messages), fmt.Sprintf("%.0f", c.ESS), c.Logged.Times(100).Format("%.2f"), c.SNIPS.Times(100).Format("%.2f"), c.DoublyRobust.Times(100).Format("%.2f")}}
}
