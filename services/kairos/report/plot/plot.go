// Package plot draws the few charts of the HTML reports as SVG, and wraps them in a page that needs nothing else: no
// script, no font and no style sheet from anywhere.
package plot

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"github.com/kairos-push/kairos/services/kairos/report/stats"
)

// Series is one line of a chart. Low and High, if given, are drawn as a band.
type Series struct {
	Name      string
	X, Y      []float64
	Low, High []float64
	Dashed    bool
}

// Axis of a chart. Ticks are computed unless given; Log is base 10.
type Axis struct {
	Label string
	Log   bool
	Ticks []Tick
}

// Tick is a labelled place on an axis.
type Tick struct {
	At    float64
	Label string
}

// Bar is one row of a bar chart, with its interval.
type Bar struct {
	Name string
	stats.Interval
	Mark bool // ours: drawn in the accent colour
}

const (
	width, height            = 720, 320
	left, right, top, bottom = 64, 16, 16, 48
)

// Lines draws series over a common pair of axes.
func Lines(x, y Axis, series ...Series) template.HTML {
	xs, ys := scale{log: x.Log}, scale{log: y.Log}
	for _, s := range series {
		xs.take(s.X...)
		ys.take(s.Y...)
		ys.take(s.Low...)
		ys.take(s.High...)
	}
	xs.from, xs.to = left, width-right
	ys.from, ys.to = height-bottom, top
	var b strings.Builder
	open(&b, height)
	axes(&b, x, y, &xs, &ys)
	for i, s := range series {
		if len(s.Low) > 0 {
			var pts strings.Builder
			for k := range s.X {
				point(&pts, xs.at(s.X[k]), ys.at(s.High[k]))
			}
			for k, x := range slices.Backward(s.X) {
				point(&pts, xs.at(x), ys.at(s.Low[k]))
			}
			fmt.Fprintf(&b, `<polygon class="band c%d" points="%s"/>`, i%8, pts.String())
		}
		var pts strings.Builder
		for k := range s.X {
			if !math.IsNaN(s.Y[k]) {
				point(&pts, xs.at(s.X[k]), ys.at(s.Y[k]))
			}
		}
		dash := ""
		if s.Dashed {
			dash = ` stroke-dasharray="5 4"`
		}
		fmt.Fprintf(&b, `<polyline class="line c%d"%s points="%s"><title>%s</title></polyline>`, i%8, dash, pts.String(), esc(s.Name))
	}
	b.WriteString("</svg>")
	b.WriteString(`<p class="legend">`)
	for i, s := range series {
		if s.Name != "" {
			fmt.Fprintf(&b, `<span class="key c%d">%s</span> `, i%8, esc(s.Name))
		}
	}
	b.WriteString("</p>")
	return template.HTML(b.String()) //nolint:gosec // every text went through esc
}

// Bars draws rows with their intervals, from zero. format prints a value, as "%.1f %%".
func Bars(label, format string, bars []Bar) template.HTML {
	const row, names = 26, 190
	h := top + row*len(bars) + bottom
	xs := scale{from: names, to: width - right - 70}
	xs.take(0)
	for _, r := range bars {
		xs.take(r.Value, r.Low, r.High)
	}
	var b strings.Builder
	open(&b, h)
	for _, t := range xs.ticks() {
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/><text class="tick" text-anchor="middle" x="%.1f" y="%d">%s</text>`,
			xs.at(t.At), xs.at(t.At), top, h-bottom, xs.at(t.At), h-bottom+16, esc(t.Label))
	}
	for i, r := range bars {
		y := float64(top + row*i)
		class := "bar"
		if r.Mark {
			class = "bar ours"
		}
		fmt.Fprintf(&b, `<text class="name" text-anchor="end" x="%d" y="%.1f">%s</text>`, names-8, y+17, esc(r.Name))
		if math.IsNaN(r.Value) {
			continue
		}
		x0, x1 := xs.at(min(0, r.Value)), xs.at(max(0, r.Value))
		fmt.Fprintf(&b, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="16"><title>%s</title></rect>`, class, x0, y+4, max(0.5, x1-x0), esc(r.Format(format)))
		fmt.Fprintf(&b, `<line class="whisker" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, xs.at(r.Low), xs.at(r.High), y+12, y+12)
		fmt.Fprintf(&b, `<text class="value" x="%.1f" y="%.1f">%s</text>`, xs.at(max(r.High, r.Value, 0))+6, y+17, esc(fmt.Sprintf(format, r.Value)))
	}
	fmt.Fprintf(&b, `<text class="label" text-anchor="middle" x="%d" y="%d">%s</text></svg>`, width/2, h-8, esc(label))
	return template.HTML(b.String()) //nolint:gosec // every text went through esc
}

func open(b *strings.Builder, h int) {
	fmt.Fprintf(b, `<svg viewBox="0 0 %d %d" role="img" xmlns="http://www.w3.org/2000/svg">`, width, h)
}

func axes(b *strings.Builder, x, y Axis, xs, ys *scale) {
	if x.Ticks == nil {
		x.Ticks = xs.ticks()
	}
	if y.Ticks == nil {
		y.Ticks = ys.ticks()
	}
	for _, t := range x.Ticks {
		fmt.Fprintf(b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/><text class="tick" text-anchor="middle" x="%.1f" y="%d">%s</text>`,
			xs.at(t.At), xs.at(t.At), top, height-bottom, xs.at(t.At), height-bottom+16, esc(t.Label))
	}
	for _, t := range y.Ticks {
		fmt.Fprintf(b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text class="tick" text-anchor="end" x="%d" y="%.1f">%s</text>`,
			left, width-right, ys.at(t.At), ys.at(t.At), left-6, ys.at(t.At)+4, esc(t.Label))
	}
	fmt.Fprintf(b, `<text class="label" text-anchor="middle" x="%d" y="%d">%s</text>`, (left+width)/2, height-8, esc(x.Label))
	fmt.Fprintf(b, `<text class="label" text-anchor="middle" transform="translate(14 %d) rotate(-90)">%s</text>`, (height-bottom+top)/2, esc(y.Label))
}

func point(b *strings.Builder, x, y float64) { fmt.Fprintf(b, "%.1f,%.1f ", x, y) }

func esc(s string) string { return template.HTMLEscapeString(s) }
