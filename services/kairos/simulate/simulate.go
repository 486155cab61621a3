package simulate

import (
	"context"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kairos-push/kairos/services/kairos/simulate/population"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// Config of a simulation. The same Config gives the same results.
type Config struct {
	Params  population.Params
	Regimes []Regime
	People  int
	Days    int // measured
	Warmup  int // days before them, with messages, that are not
	Seed    uint64
	Policy  policy.Policy // of "ours"
	// Progress is called as people are done, from 0 to 1; nil is fine.
	Progress func(done float64)
}

// Result is one regime, policy by policy in the order of Names, without those that were not played.
type Result struct {
	Regime  Regime
	Metrics []Metrics
	Dwell   time.Duration // of bestDwell
}

// Run plays every regime.
func Run(ctx context.Context, cfg Config) ([]Result, error) {
	out := make([]Result, 0, len(cfg.Regimes))
	for i, r := range cfg.Regimes {
		courses, dwell, err := play(ctx, cfg, r, func(done float64) {
			if cfg.Progress != nil {
				cfg.Progress((float64(i) + done) / float64(len(cfg.Regimes)))
			}
		})
		if err != nil {
			return nil, err
		}
		out = append(out, Result{r, measure(courses, &cfg.Params, cfg.Seed), dwell})
	}
	return out, nil
}

const day = 24 * time.Hour

// play runs every policy on every person of a regime. dwell is the best one.
func play(ctx context.Context, cfg Config, r Regime, progress func(float64)) (courses [][]*course, dwell time.Duration, err error) {
	cfg = r.adapt(cfg)
	warmup := time.Duration(cfg.Warmup) * day
	if r.Cold {
		warmup = 0
	}
	// A day more, so that the last messages can be noticed.
	length := warmup + time.Duration(cfg.Days+1)*day
	people := make([]*population.Person, cfg.People)
	err = each(ctx, cfg.People, func(i int) {
		people[i] = population.NewPerson(&cfg.Params, cfg.Seed, i, r.Traits, length)
	})
	if err != nil {
		return nil, 0, err
	}
	// What an app knows of all people together: it has others than those who are new.
	var global hours
	for _, p := range people {
		for _, s := range p.Sessions {
			if s.AppAt > 0 && s.AppAt < max(warmup, 7*day) {
				global[p.Local(s.AppAt).Hour()]++
			}
		}
	}
	lives := make([]*person, cfg.People)
	err = each(ctx, cfg.People, func(i int) { lives[i] = newLife(cfg, r, people[i], length) })
	if err != nil {
		return nil, 0, err
	}
	told := map[int]Regime{ours: r} // what each version of ours knows
	if less, ok := r.untold(); ok {
		told[oursUntold] = less
	}
	var mu sync.Mutex
	lived := 0
	tick := func(people int) {
		mu.Lock()
		defer mu.Unlock()
		lived += people
		progress(float64(lived) / float64((len(told)+1)*cfg.People)) // at each school, and measured
	}
	own := make([][]*journey, len(Names))
	for k, r := range told {
		if own[k], err = school(ctx, cfg, r, lives, warmup, tick); err != nil {
			return nil, 0, err
		}
	}
	courses = make([][]*course, len(Names))
	for k := range courses {
		if k != oursUntold || own[k] != nil {
			courses[k] = make([]*course, cfg.People)
		}
	}
	trials := make([][]*course, len(dwells))
	for d := range trials {
		trials[d] = make([]*course, cfg.People)
	}
	err = each(ctx, cfg.People, func(i int) {
		follow := func(strategyOf func(send) strategy) *course {
			return depart(&cfg.Params, r, lives[i], cfg.Seed, warmup, strategyOf).arrive()
		}
		for k := range Names {
			switch k {
			case ours, oursUntold:
				if own[k] != nil {
					courses[k][i] = own[k][i].arrive()
				}
			case bestDwell:
				for d := range dwells {
					trials[d][i] = follow(func(out send) strategy { return &onUnlock{send: out, dwell: dwells[d]} })
				}
			default:
				courses[k][i] = follow(func(out send) strategy { return choose(k, cfg, lives[i], &global, out) })
			}
		}
		tick(1)
	})
	if err != nil {
		return nil, 0, err
	}
	best := mostAttention(trials)
	courses[bestDwell] = trials[best]
	return courses, dwells[best], nil
}

// mostAttention is the place of the policy under which most was attended.
func mostAttention(policies [][]*course) int {
	best, most := 0, -1.0
	for k, list := range policies {
		sum := 0.0
		for _, c := range list {
			sum += c.attended
		}
		if sum > most {
			best, most = k, sum
		}
	}
	return best
}

// choose makes the policy of that place in Names for one person.
func choose(k int, cfg Config, p *person, global *hours, out send) strategy {
	switch k {
	case immediate:
		return newImmediate(out)
	case globalHour:
		return newGlobalHour(p.Person, global, out)
	case userHour:
		return newUserHour(p.Person, global, out)
	case clickHistory:
		return newClickHistory(p.Person, out)
	case hourBandit:
		return newHourBandit(p.Person, cfg.Seed, out)
	case nextUnlock:
		return &onUnlock{send: out}
	case unlockDwell:
		return &onUnlock{send: out, dwell: 2 * time.Minute}
	default:
		return newOracle(p.Person, out)
	}
}

// each calls f for 0 … n-1 on all processors.
func each(ctx context.Context, n int, f func(i int)) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			f(i)
			return nil
		})
	}
	return g.Wait()
}
