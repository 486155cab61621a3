package simulate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/services/kairos/cli"
	"github.com/kairos-push/kairos/services/kairos/simulate/population"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// Cmd is "kairos simulate".
type Cmd struct {
	People int           `help:"Phones in each regime." default:"1000"`
	Days   int           `help:"Days that count." default:"7"`
	Warmup int           `help:"Days before them." default:"14"`
	Hold   time.Duration `help:"From a message's arrival to its deadline." default:"4h"`
	Regime []string      `help:"Only these regimes (live, own-app, own-app-often, no-live, cold, shifts, many-senders, many-capped, states, cohorts, flaky)." placeholder:"NAME"`
	Seed   uint64        `help:"Another seed is another population." default:"1"`
	Policy string        `help:"Policy file of \"ours\". Default: the built-in policy, without exploration." placeholder:"FILE"`
	HTML   string        `name:"html" help:"Also write a self-contained report with plots." placeholder:"FILE"`
	Quick  bool          `help:"A tenth of the people and half of the days: a look, not a result."`
}

// Run simulates and prints.
func (c *Cmd) Run(ctx context.Context, o *cli.IO) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	if service.IsTerminal(o.Err) {
		bar := progressbar.NewOptions(1000, progressbar.OptionSetWriter(o.Err), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetDescription("simulating"))
		cfg.Progress = func(done float64) { _ = bar.Set(int(done * 1000)) }
	}
	results, err := Run(ctx, cfg)
	if err != nil {
		return err
	}
	if err := Print(o.Out, results); err != nil {
		return err
	}
	o.Printf("\n%d people a regime, %d days after %d of warm-up, seed %d. Brackets: 95 %% intervals, people resampled.\n",
		cfg.People, cfg.Days, cfg.Warmup, cfg.Seed)
	if c.HTML == "" {
		return nil
	}
	f, err := os.Create(c.HTML)
	if err != nil {
		return err
	}
	return errors.Join(page(cfg, results).Write(f), f.Close())
}

func (c *Cmd) config() (Config, error) {
	pol, err := policy.Load(c.Policy)
	if err != nil {
		return Config{}, err
	}
	if c.Policy == "" {
		pol.Defaults.Exploration = policy.Exploration{}
	}
	cfg := Config{
		Params: population.Default, Regimes: Regimes(c.Hold), People: c.People, Days: c.Days, Warmup: c.Warmup,
		Seed: c.Seed, Policy: pol,
	}
	if c.Quick {
		cfg.People, cfg.Days, cfg.Warmup = max(20, c.People/10), max(2, c.Days/2), c.Warmup/2
	}
	if cfg.People < 1 || cfg.Days < 1 || cfg.Warmup < 0 || c.Hold < time.Minute {
		return Config{}, errors.New("want at least 1 person, 1 day and a hold of 1m")
	}
	if len(c.Regime) > 0 {
		for _, name := range c.Regime {
			if !slices.ContainsFunc(cfg.Regimes, func(r Regime) bool { return r.Name == name }) {
				return Config{}, fmt.Errorf("--regime: no %q", name)
			}
		}
		cfg.Regimes = slices.DeleteFunc(cfg.Regimes, func(r Regime) bool { return !slices.Contains(c.Regime, r.Name) })
	}
	return cfg, nil
}

// names of the regimes, for text.
func names(results []Result) string {
	var out []string
	for i := range results {
		out = append(out, results[i].Regime.Name)
	}
	return strings.Join(out, ", ")
}
