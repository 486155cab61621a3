package cli

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/guptarohit/asciigraph"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/timing"
)

// Moments is "kairos moments".
type Moments struct {
	User string `arg:"" help:"The person."`
	JSON bool   `help:"Print the curve as it is."`
	API  `embed:""`
}

// Run asks for the curve and draws it.
func (m *Moments) Run(ctx context.Context, o *IO) error {
	body, err := m.call(ctx, http.MethodGet, "/v1/users/"+url.PathEscape(m.User)+"/moments", nil)
	if err != nil {
		return err
	}
	if m.JSON {
		o.Printf("%s\n", body)
		return nil
	}
	var c timing.Curve
	if err := event.Decode(body, &c); err != nil {
		return err
	}
	o.Printf("%s  %s\n\n%s\n\n%s\n", Bold.Render(m.User), Soft.Render(c.TimeZone), nextDay(&c), week(&c))
	return nil
}

// nextDay draws what a push is worth in the day to come if nothing happens, with the best hours of it.
func nextDay(c *timing.Curve) string {
	loc, err := time.LoadLocation(c.TimeZone)
	if err != nil || len(c.Day) < 2 {
		return "nothing is known of the day to come"
	}
	values := make([]float64, courseWidth)
	end := c.Day[len(c.Day)-1].At
	for i := range values {
		at := c.Now.Add(time.Duration(float64(i) / (courseWidth - 1) * float64(end.Sub(c.Now))))
		k, _ := slices.BinarySearchFunc(c.Day, at, func(p timing.Point, at time.Time) int { return p.At.Compare(at) })
		p := &c.Day[min(k, len(c.Day)-1)]
		if values[i] = p.Score; p.Quiet {
			values[i] = math.NaN()
		}
	}
	text := Soft.Render("What a push of value 1 is worth if nothing more happens; none in quiet hours") + "\n"
	if slices.ContainsFunc(values, func(v float64) bool { return !math.IsNaN(v) }) {
		text += asciigraph.Plot(values, asciigraph.Width(courseWidth), asciigraph.Height(courseHeight), asciigraph.Precision(4), asciigraph.LowerBound(0),
			asciigraph.SeriesColors(asciigraph.Green), asciigraph.XAxisRange(0, 1), asciigraph.XAxisTickCount(5),
			asciigraph.XAxisValueFormatter(func(share float64) string {
				return c.Now.Add(time.Duration(share * float64(end.Sub(c.Now)))).In(loc).Format("15:04")
			})) + "\n"
	}
	best := slices.DeleteFunc(slices.Clone(c.Day), func(p timing.Point) bool { return p.Quiet })
	slices.SortStableFunc(best, func(a, b timing.Point) int { return cmp.Compare(b.Score, a.Score) })
	t := newTable("best", "score", "seen", "opened", "moments an hour")
	for _, p := range apart(best, time.Hour, 3) {
		t.Row(p.At.In(loc).Format("Mon 15:04"), number(p.Score), number(p.PSeen), number(p.POpen), number(p.MomentsPerHour))
	}
	return text + inset(t.String())
}

// apart are the first n points that lie a while from each other.
func apart(points []timing.Point, while time.Duration, n int) []timing.Point {
	var out []timing.Point
	for _, p := range points {
		if len(out) < n && !slices.ContainsFunc(out, func(o timing.Point) bool { return o.At.Sub(p.At).Abs() < while }) {
			out = append(out, p)
		}
	}
	return out
}

// week prints the habit: one character for each local hour, the darker the likelier a push is seen.
func week(c *timing.Curve) string {
	const shades = " .:-=+*#%@"
	most := slices.Max(c.Week[:])
	var b strings.Builder
	b.WriteString(Soft.Render(fmt.Sprintf("The week: chance that a push is seen by habit alone, from nothing to %s (@)", number(most))) + "\n")
	b.WriteString("       0     6     12    18    24\n")
	for d, name := range []string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"} {
		b.WriteString("  " + name + "  ")
		for h := range 24 {
			b.WriteByte(shades[int(c.Week[24*d+h]/max(most, 1e-9)*float64(len(shades)-1)+0.5)])
		}
		b.WriteByte('\n')
	}
	return strings.TrimSuffix(b.String(), "\n")
}
