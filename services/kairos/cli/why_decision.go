package cli

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/guptarohit/asciigraph"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/score"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// learned finds the models that decided, as far as the topic still has them: rows name a model but do not hold it.
func (l *Life) learned(ctx context.Context, c *stream.Client) error {
	want := map[string]bool{}
	for i := range l.Decisions {
		want[l.Decisions[i].ModelVersion] = true
	}
	if delete(want, score.DefaultVersion); len(want) == 0 {
		return nil
	}
	return readAll(ctx, c, topic.Models, func(r *stream.Record) error {
		for version := range want {
			if !bytes.Contains(r.Value, []byte(version)) {
				continue
			}
			if m, err := score.Parse(r.Value); err == nil && m.Version == version {
				l.models[version] = m
			}
		}
		return nil
	})
}

// explained is one decision in full: the sentence, what the score is made of, what speaks for and against, and the plan.
// Without its model, what features contributed is not known.
func explained(d *event.Decision, m *score.Model) string {
	parts := []string{
		fmt.Sprintf("%s %s %s", Bold.Render(d.OccurredAt.UTC().Format("2006-01-02 15:04:05")), Soft.Render(d.Trigger+" →"), style(d.Action).Render(d.Action)),
		"  " + d.Why, terms(d),
	}
	if s := course(d); s != "" {
		parts = append(parts, s)
	}
	return strings.Join(append(parts, contributions(d, m)), "\n")
}

// terms are what the score is made of, and what else decided.
func terms(d *event.Decision) string {
	x := func(name string) float64 {
		if v, ok := d.Features[name]; ok {
			return v
		}
		return math.NaN() // a row of before it was told
	}
	t := newTable()
	t.Row(Soft.Render("score now"), fmt.Sprintf("%s = value %s × relevance %s × seen %s × opened %s − fatigue %s − budget %s", number(d.Score),
		number(x("value")), number(x("relevance")), number(d.PSeen), number(d.POpen), number(d.Fatigue), number(d.Budget)))
	t.Row(Soft.Render("waiting"), fmt.Sprintf("%s, at a cost of %s an hour", number(d.ValueOfWaiting), number(d.DelayCost)))
	t.Row(Soft.Render("gates"), cmp.Or(plain(strings.Join(d.Gates, ", ")), "none"))
	t.Row(Soft.Render("runner-up"), cmp.Or(d.RunnerUpMessageID, "none"))
	if d.Arm != "" {
		t.Row(Soft.Render("arm"), fmt.Sprintf("%s, drawn with probability %s", d.Arm, number(d.Propensity)))
	}
	t.Row(Soft.Render("by"), fmt.Sprintf("policy %s, model %s", strings.TrimSpace(d.Policy+" "+d.PolicyVersion), d.ModelVersion))
	if d.LocalTime != "" {
		t.Row(Soft.Render("their time"), strings.TrimSpace(d.LocalTime+" "+d.TimeZone))
	}
	return inset(t.String())
}

// contributions lists the features, those that moved the two chances most first. What a feature contributes is its value
// times its weight, in log-odds; what the person's own answers and their cohort contribute is in log-odds already. By another
// model than the one that decided they do not add up to the chances of the row.
func contributions(d *event.Decision, m *score.Model) string {
	type line struct {
		name              string
		value, seen, open float64
	}
	var lines []line
	var seen, open float64
	for _, name := range slices.Sorted(maps.Keys(d.Features)) {
		l := line{name: name, value: d.Features[name]}
		if f, ok := score.Named(name); ok && m != nil {
			l.seen, l.open = l.value*m.Seen[f], l.value*m.Open[f]
		} else if strings.HasPrefix(name, "opens_") {
			l.open = l.value
		}
		seen, open = seen+l.seen, open+l.open
		lines = append(lines, l)
	}
	if m == nil {
		t := newTable("feature", "value")
		for _, l := range lines {
			t.Row(l.name, number(l.value))
		}
		return inset(Soft.Render("The model "+d.ModelVersion+" is not to be had any more, so these are not weighed (--model names one):") + "\n" + t.String())
	}
	slices.SortStableFunc(lines, func(a, b line) int {
		return cmp.Compare(math.Abs(b.seen)+math.Abs(b.open), math.Abs(a.seen)+math.Abs(a.open))
	})
	t := newTable("feature", "value", "seen", "opened")
	var silent []string
	for _, l := range lines {
		if l.seen == 0 && l.open == 0 {
			silent = append(silent, l.name+" "+number(l.value))
			continue
		}
		t.Row(l.name, number(l.value), logOdds(l.seen), logOdds(l.open))
	}
	own := m.Version == d.ModelVersion
	t.Row(Bold.Render("log-odds"), "", logOdds(seen), logOdds(open))
	if own {
		t.Row(Bold.Render("chance"), "", number(d.PSeen), number(d.POpen))
	}
	out := t.String()
	if !own {
		out = Warn.Render("Weighed by model "+m.Version+"; "+d.ModelVersion+" decided:") + "\n" + out
	}
	if len(silent) > 0 {
		out += "\n" + Soft.Render("without weight: "+strings.Join(silent, ", "))
	}
	return inset(out)
}

func logOdds(v float64) string {
	if math.Abs(v) < 0.005 {
		return ""
	}
	return fmt.Sprintf("%+.2f", v)
}

// The size of the drawing of a plan, in characters.
const (
	courseWidth, courseHeight = 64, 9
)

// course draws the plan: the value of a release and of waiting along the way on which nothing more happens. The time
// axis goes by the points of the plan, which are dense where it is decided.
func course(d *event.Decision) string {
	c := &d.Curve
	n := len(c.AfterS)
	if n < 2 || len(c.Score) != n || len(c.Waiting) != n {
		return ""
	}
	now, waiting := make([]float64, courseWidth), make([]float64, courseWidth)
	for i := range now {
		at := secondsAt(c.AfterS, float64(i)/(courseWidth-1))
		now[i], waiting[i] = along(c.AfterS, c.Score, at), along(c.AfterS, c.Waiting, at)
		for k := 0; k+1 < len(c.ShutS); k += 2 {
			if c.ShutS[k] <= at && at < c.ShutS[k+1] {
				now[i] = math.NaN() // a gate forbids it
			}
		}
	}
	open := func(v float64) bool { return !math.IsNaN(v) }
	series, legend := [][]float64{waiting, now}, "· waiting   * a release then"
	colors, chars := []asciigraph.AnsiColor{asciigraph.Blue, asciigraph.Green}, []asciigraph.CharSet{asciigraph.CreateCharSet("·"), asciigraph.CreateCharSet("*")}
	if !slices.ContainsFunc(now, open) {
		series, legend, colors, chars = series[:1], "· waiting   no release: gates are shut", colors[:1], chars[:1]
	}
	graph := asciigraph.PlotMany(series, asciigraph.Width(courseWidth), asciigraph.Height(courseHeight), asciigraph.Precision(4),
		asciigraph.SeriesColors(colors...), asciigraph.SeriesChars(chars...), asciigraph.Caption(legend),
		asciigraph.XAxisRange(0, 1), asciigraph.XAxisTickCount(6), asciigraph.XAxisValueFormatter(func(share float64) string {
			return "+" + short(time.Duration(secondsAt(c.AfterS, share)*float64(time.Second)))
		}))
	title := "What waiting is worth, and what a release is, from now to the deadline if nothing happens"
	if len(c.ShutS) > 0 {
		title += "; none where gates are shut"
	}
	return inset(Soft.Render(title) + "\n" + graph)
}

// secondsAt is the time at a share of the points.
func secondsAt(at []float64, share float64) float64 {
	x := share * float64(len(at)-1)
	i := min(int(x), len(at)-2)
	return at[i] + (x-float64(i))*(at[i+1]-at[i])
}

// along is the value at a time between two points.
func along(at, values []float64, t float64) float64 {
	i := min(max(sort.SearchFloat64s(at, t)-1, 0), len(at)-2)
	if at[i+1] <= at[i] {
		return values[i]
	}
	return values[i] + (t-at[i])/(at[i+1]-at[i])*(values[i+1]-values[i])
}

// short writes a duration for an axis.
func short(d time.Duration) string {
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + "s"
	case d < 100*time.Minute:
		return strconv.Itoa(int(d.Round(time.Minute).Minutes())) + "m"
	default:
		return strconv.FormatFloat(d.Hours(), 'f', 1, 64) + "h"
	}
}

// inset moves text to the right, and drops what pads a table there.
func inset(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = "  " + strings.TrimRight(l, " ")
	}
	return strings.Join(lines, "\n")
}
