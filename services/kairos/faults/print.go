package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/kairos-push/kairos/services/kairos/faults/verify"
)

var (
	bold = lipgloss.NewStyle().Bold(true)
	good = lipgloss.NewStyle().Foreground(lipgloss.Color("2"))
	bad  = lipgloss.NewStyle().Foreground(lipgloss.Color("1")).Bold(true)
)

const columns = "%-30s %5s %8s %6s %5s %5s %9s %9s %9s %9s %9s  "

func heading(w io.Writer) {
	text := fmt.Sprintf(columns, "fault", "seeds", "accepted", "pushes", "lost", "dups", "ambiguous", "cancelled", "skew p50", "skew p99", "recovery")
	_, _ = lipgloss.Fprintln(w, bold.Render(text+"verdict"))
}

// line prints a row: sums over its seeds, and the worst of the times.
func line(w io.Writer, results []Result) {
	var sum verify.Report
	var failed []string
	ok := true
	megabytes := map[string]float64{}
	for i := range results {
		res := &results[i]
		for name, mb := range res.Megabytes {
			megabytes[name] = max(megabytes[name], mb)
		}
		ok = ok && res.OK()
		if !res.OK() || len(res.Broken) > 0 {
			failed = append(failed, fmt.Sprintf("seed %d: %s", res.Seed, strings.TrimSpace(res.Error+" "+verify.Join(res.Broken))))
		}
		rep := res.Report
		if rep == nil {
			continue
		}
		sum.Accepted += rep.Accepted
		sum.Pushes += rep.Pushes
		sum.Lost += rep.Lost
		sum.Duplicates += rep.Duplicates
		sum.Ambiguous += rep.Ambiguous
		sum.CancelledYetSent += rep.CancelledYetSent
		sum.SkewP50 = max(sum.SkewP50, rep.SkewP50)
		sum.SkewP99 = max(sum.SkewP99, rep.SkewP99)
		sum.Recovery = max(sum.Recovery, rep.Recovery)
		if !res.OK() {
			failed = append(failed, rep.Findings...)
		}
	}
	verdict := good.Render("ok")
	switch {
	case ok && results[0].Control:
		verdict = good.Render("fails, as it must")
	case results[0].Control:
		verdict = bad.Render("control did not fail")
	case !ok:
		verdict = bad.Render("FAILED")
	}
	_, _ = lipgloss.Fprintf(w, columns+"%s\n", results[0].Fault, fmt.Sprint(len(results)), fmt.Sprint(sum.Accepted), fmt.Sprint(sum.Pushes),
		fmt.Sprint(sum.Lost), fmt.Sprint(sum.Duplicates), fmt.Sprint(sum.Ambiguous), fmt.Sprint(sum.CancelledYetSent),
		short(sum.SkewP50), short(sum.SkewP99), short(sum.Recovery), verdict)
	if len(megabytes) > 0 {
		most := []string{"most MB resident:"}
		for _, name := range slices.Sorted(maps.Keys(megabytes)) {
			most = append(most, fmt.Sprintf("%s %.0f", name, megabytes[name]))
		}
		failed = append(failed, strings.Join(most, " "))
	}
	for _, f := range failed {
		_, _ = lipgloss.Fprintln(w, "    "+f)
	}
}

func short(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%dms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1fs", d.Seconds())
}
