package plot_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/services/kairos/report/plot"
	"github.com/kairos-push/kairos/services/kairos/report/stats"
)

func wellFormed(t *testing.T, svg string) {
	t.Helper()
	dec := xml.NewDecoder(strings.NewReader("<x>" + svg + "</x>"))
	for {
		_, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err, svg)
	}
}

func TestChartsAreWellFormedWhateverTheyAreGiven(t *testing.T) {
	t.Parallel()
	nan, inf := math.NaN(), math.Inf(1)
	for name, s := range map[string]plot.Series{
		"empty":    {},
		"point":    {Name: "a", X: []float64{1}, Y: []float64{1}},
		"hostile":  {Name: `<script>"&`, X: []float64{0, 1, 2}, Y: []float64{nan, inf, -1}},
		"band":     {X: []float64{1, 2}, Y: []float64{1, 2}, Low: []float64{0, 1}, High: []float64{2, nan}},
		"constant": {X: []float64{1, 2}, Y: []float64{3, 3}},
	} {
		for _, log := range []bool{false, true} {
			svg := string(plot.Lines(plot.Axis{Label: "x", Log: log}, plot.Axis{Label: "y"}, s))
			wellFormed(t, svg)
			require.NotContains(t, svg, "<script>", name)
			require.NotContains(t, svg, "NaN", name)
			require.NotContains(t, svg, "Inf", name)
		}
	}
	svg := string(plot.Bars("share", "%.0f %%", []plot.Bar{
		{Name: "a<b", Interval: stats.Interval{Value: 3, Low: 2, High: 4}, Mark: true},
		{Name: "less", Interval: stats.Interval{Value: -3, Low: -4, High: 1}},
		{Name: "none", Interval: stats.Interval{Value: nan, Low: nan, High: nan}},
	}))
	wellFormed(t, svg)
	require.NotContains(t, svg, "NaN")
}

func TestPageNeedsNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	p := plot.Page{Title: "A & B", Lead: "lead", Sections: []plot.Section{{
		Title:  "one",
		Tables: []plot.Table{{Head: []string{"a", "b"}, Rows: [][]string{{"<x>", "1"}}, Mark: 0}},
		Charts: []plot.Chart{{Caption: "c", SVG: plot.Bars("x", "%.0f", nil)}},
	}}}
	require.NoError(t, p.Write(&b))
	require.Contains(t, b.String(), "A &amp; B")
	require.Contains(t, b.String(), "&lt;x&gt;")
	require.NotContains(t, strings.ReplaceAll(b.String(), `xmlns="http://www.w3.org/2000/svg"`, ""), "http")
}
