package simulate

import (
	"context"
	"time"

	"github.com/kairos-push/kairos/services/kairos/simulate/population"
	"github.com/kairos-push/kairos/services/learn"
	"github.com/kairos-push/kairos/services/timing"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// class is how many people's logs are in memory at once, and a round of learning.
const class = 64

// school is the warm-up of "ours": the people live through it under the policy with its exploration, and the code of the
// learn service learns from their logs. What it has learned decides from then on, with exploration off, as in the journeys
// that it returns. New people bring no log: the app has learned from others before they came.
func school(ctx context.Context, cfg Config, r Regime, people []*person, warmup time.Duration, tick func(people int)) ([]*journey, error) {
	engine := timing.NewEngine(r.decides(cfg.Policy))
	journeys := make([]*journey, len(people))
	if !r.Cold {
		return journeys, teach(ctx, cfg, r, engine, people, warmup, journeys, tick)
	}
	others := make([]*person, len(people))
	span := time.Duration(cfg.Warmup) * day
	err := each(ctx, len(others), func(i int) {
		others[i] = newLife(cfg, r, population.NewPerson(&cfg.Params, cfg.Seed, len(people)+i, r.Traits, span), span)
	})
	if err != nil {
		return nil, err
	}
	if err := teach(ctx, cfg, r, engine, others, span, make([]*journey, len(others)), tick); err != nil {
		return nil, err
	}
	return journeys, each(ctx, len(people), func(i int) { journeys[i], _ = enrol(cfg, r, people[i], 0, engine) })
}

// enrol begins a journey of ours.
func enrol(cfg Config, r Regime, p *person, from time.Duration, engine *timing.Engine) (*journey, *production) {
	var o *production
	j := depart(&cfg.Params, r, p, cfg.Seed, from, func(out send) strategy {
		o = newOurs(r, p.Person, engine, out)
		return o
	})
	return j, o
}

// teach lets people live until an instant, learns from it, and gives engine the model and their journeys the engine.
func teach(ctx context.Context, cfg Config, r Regime, engine *timing.Engine, people []*person, until time.Duration, journeys []*journey, tick func(people int)) error {
	explorer := timing.NewEngine(explore(r.decides(cfg.Policy)))
	learner := learn.NewLearner(learn.DefaultLimits())
	for first := 0; first < len(people); first += class {
		group := people[first:min(first+class, len(people))]
		tapes := make([]learn.Tape, len(group))
		err := each(ctx, len(group), func(i int) {
			j, o := enrol(cfg, r, group[i], until, explorer)
			o.tape = &tapes[i]
			j.until(until)
			o.tape = nil
			o.core.Decide(engine)
			journeys[first+i] = j
		})
		if err != nil {
			return err
		}
		for _, t := range tapes {
			learner.Play(t)
		}
		tick(len(group))
		if _, err := learner.Round(population.Epoch.Add(time.Duration(first+1)*time.Second), nil); err != nil {
			return err
		}
	}
	engine.SetModel(appID, learner.Model(appID), time.Unix(1, 0))
	return nil
}

// explore is the policy with the default exploration.
func explore(p policy.Policy) policy.Policy {
	p.Defaults.Exploration = policy.Default().Defaults.Exploration
	return p.Seeded(p.Seed)
}
