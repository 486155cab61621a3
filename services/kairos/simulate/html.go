package simulate

import (
	"fmt"

	"github.com/kairos-push/kairos/services/kairos/report/plot"
)

// page is the report of a simulation.
func page(cfg Config, results []Result) *plot.Page {
	p := &plot.Page{
		Title: "Kairos: policies side by side",
		Lead: fmt.Sprintf("A synthetic population of %d people a regime, %d days measured after %d of warm-up, seed %d; the same people, messages and luck under each policy. Regimes: %s. "+
			"Whiskers and brackets are 95 %% intervals, people resampled.", cfg.People, cfg.Days, cfg.Warmup, cfg.Seed, names(results)),
		Sections: []plot.Section{{Title: "What is measured", Text: definitions}},
	}
	for i := range results {
		r := &results[i]
		s := plot.Section{
			Title:  r.Regime.Title,
			Text:   fmt.Sprintf("%g messages a day for each person, each with %v from arrival to deadline.\n%s", r.Regime.PerDay, r.Regime.Hold, comparison(r)),
			Tables: []plot.Table{{Head: head(), Rows: rows(r), Mark: ours}},
		}
		for _, c := range columns {
			if c.verb == "" {
				continue
			}
			bars := make([]plot.Bar, len(r.Metrics))
			for k := range r.Metrics {
				bars[k] = plot.Bar{Name: r.Metrics[k].Policy, Interval: c.of(&r.Metrics[k]), Mark: k == ours}
			}
			s.Charts = append(s.Charts, plot.Chart{SVG: plot.Bars(c.head, c.verb, bars)})
		}
		p.Sections = append(p.Sections, s)
	}
	return p
}

const definitions = `Reach: noticed within 5 minutes of the send. Attention: noticed so, by a person who was past what they came for and kept the phone in use for a minute more. Opens: opened at any time. All are shares of the messages that the app asked for.
Net opens: opens less ten for each opt-out, for 1,000 messages. Median to seen: from the message's arrival to the notice.
Headroom: the share of the oracle's gain over sending at once. The oracle knows when each phone will be used, not what its owner will think of a message.
"Ours, untold" is ours on the same people, whose phones do not tell their states or whose app does not know their cohorts, from its learning on. Without unlock signals, "next unlock" goes by the opening of the own app. "Unlock + best dwell" is no policy: of eight dwells it is the one that turned out to win most attention, which nobody knows beforehand. "Ours" is the production code in virtual time, with exploration off.`
