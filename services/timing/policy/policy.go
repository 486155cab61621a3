package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/kairos-push/kairos/pkg/event"
)

// What happens to a push while the person is in the app.
const (
	ForegroundSend = "send" // the score weighs that they are here already
	ForegroundHold = "hold" // wait until they leave, at most until the deadline
	ForegroundHint = "hint" // release as an in-app hint
)

// Cap allows at most Max releases in any span of length Per: a rolling window, not a calendar day.
type Cap struct {
	Max int            `yaml:"max"`
	Per event.Duration `yaml:"per"`
}

// Exploration is the share of messages that deviate from the policy on purpose. The rest follow it, in equal parts with each
// of the factors on the value of waiting.
type Exploration struct {
	Immediate float64 `yaml:"immediate"`
	Uniform   float64 `yaml:"uniform"`
	Control   float64 `yaml:"control"` // not sent at all; promotional messages only

	// Thresholds are 0.8, 0.9 and 1; none means 1. None is above 1 by default: at its best moment a release is worth hardly more than
	// waiting, so that such an arm is one that sends at the deadline. In simulation a factor of 1.05 kept 64 of 87 % of the reach
	// headroom, 1.1 kept 38 and 1.25 kept 10.
	Thresholds []float64 `yaml:"thresholds"`
}

// Fatigue is a leaky count of sends: each adds 1, and it halves every HalfLife. The costs are in the unit of
// a message's value, per count: what a push does to those after it beyond their own chance of an open, which the model
// lowers by the same count (opt-outs, above all).
type Fatigue struct {
	HalfLife event.Duration `yaml:"half_life"`
	User     float64        `yaml:"user"`
	Category float64        `yaml:"category"`
}

// Rules are what one category of messages follows.
type Rules struct {
	Deadline    event.Duration `yaml:"deadline"`   // from acceptance, for messages without their own
	HalfLife    event.Duration `yaml:"half_life"`  // of relevance; 0: it does not decay
	DelayCost   float64        `yaml:"delay_cost"` // share of a message's worth that is lost in an hour (timing.md: κ = 0.05)
	Foreground  string         `yaml:"foreground"`
	Caps        []Cap          `yaml:"caps"` // of this category, for all but critical messages
	Exploration Exploration    `yaml:"exploration"`
}

// Category overrides Rules; what is absent is inherited.
type Category struct {
	Deadline    *event.Duration `yaml:"deadline"`
	HalfLife    *event.Duration `yaml:"half_life"`
	DelayCost   *float64        `yaml:"delay_cost"`
	Foreground  *string         `yaml:"foreground"`
	Caps        []Cap           `yaml:"caps"`
	Exploration *Exploration    `yaml:"exploration"`
}

// Policy is the whole policy file.
type Policy struct {
	Name       string        `yaml:"name"`
	QuietHours *event.Window `yaml:"quiet_hours"` // for people who set none themselves
	// MinimumGap lies between two non-critical pushes of a person.
	MinimumGap event.Duration `yaml:"minimum_gap"`
	// Caps bind the promotional messages of a person, all categories together. Nobody's receipts are capped away.
	Caps    []Cap   `yaml:"caps"`
	Fatigue Fatigue `yaml:"fatigue"`
	// Budget is the price of a person's attention: what a release must be worth before it counts as worth anything.
	Budget float64 `yaml:"budget"`
	// Dismissal is the price of a push that is put away, or that makes the person switch pushes off, in the unit of a message's
	// value. A release costs as much of it as the share of their pushes of late that ended so. That 100 of them outweigh an
	// open (0.01) is an assumption.
	Dismissal float64 `yaml:"dismissal"`
	// ActiveElsewhere is how long a sign of life on a device that cannot get the push holds the others back; 0: never.
	ActiveElsewhere event.Duration `yaml:"active_elsewhere"`
	// DNDFor and ForegroundFor are how long do-not-disturb and the app's foreground count without a newer signal: a silent
	// phone must not freeze a person.
	DNDFor        event.Duration `yaml:"dnd_for"`
	ForegroundFor event.Duration `yaml:"foreground_for"`
	// DedupeWindow is how long an ended message's id is remembered.
	DedupeWindow event.Duration `yaml:"dedupe_window"`
	// AttributionWindow is how long after the release an answer counts; then the message is ignored.
	AttributionWindow event.Duration `yaml:"attribution_window"`
	// AnswerTimeout is how long dispatch may take before the same release is said again.
	AnswerTimeout event.Duration      `yaml:"answer_timeout"`
	Defaults      Rules               `yaml:"defaults"`
	Categories    map[string]Category `yaml:"categories"`

	// Seed of the exploration draws: another seed puts other messages into each arm.
	Seed int64 `yaml:"seed"`

	version string
}

// Default is the policy without a file.
func Default() Policy {
	p := Policy{
		Name:              "default",
		MinimumGap:        event.Duration(time.Minute),
		Fatigue:           Fatigue{HalfLife: event.Duration(24 * time.Hour), User: 0.001, Category: 0.002},
		Dismissal:         0.01,
		ActiveElsewhere:   event.Duration(5 * time.Minute),
		DNDFor:            event.Duration(12 * time.Hour),
		ForegroundFor:     event.Duration(30 * time.Minute),
		DedupeWindow:      event.Duration(7 * 24 * time.Hour),
		AttributionWindow: event.Duration(24 * time.Hour),
		AnswerTimeout:     event.Duration(time.Minute),
		Defaults: Rules{
			Deadline:    event.Duration(24 * time.Hour),
			DelayCost:   0.05,
			Foreground:  ForegroundSend,
			Exploration: Exploration{Immediate: 0.04, Uniform: 0.04, Control: 0.02, Thresholds: []float64{0.8, 0.9, 1}},
		},
	}
	p.seal()
	return p
}

// Parse reads a policy file over the defaults. An unknown key is an error.
func Parse(data []byte) (Policy, error) {
	p := Default()
	if err := read(data, &p); err != nil {
		return Policy{}, err
	}
	if err := p.Validate(); err != nil {
		return Policy{}, err
	}
	p.seal()
	return p, nil
}

// seal names the content: the version is the hash of every value in effect.
func (p *Policy) seal() {
	text, err := yaml.Marshal(p)
	if err != nil { // a struct of plain values always marshals
		panic(err)
	}
	sum := sha256.Sum256(text)
	p.version = hex.EncodeToString(sum[:6])
}

// Seeded is the policy with another seed.
func (p Policy) Seeded(seed int64) Policy {
	p.Seed = seed
	p.seal()
	return p
}

// Version identifies the content of the policy.
func (p *Policy) Version() string { return p.version }

// For returns the rules of a category.
func (p *Policy) For(category string) Rules {
	r := p.Defaults
	c, ok := p.Categories[category]
	if !ok {
		return r
	}
	if c.Deadline != nil {
		r.Deadline = *c.Deadline
	}
	if c.HalfLife != nil {
		r.HalfLife = *c.HalfLife
	}
	if c.DelayCost != nil {
		r.DelayCost = *c.DelayCost
	}
	if c.Foreground != nil {
		r.Foreground = *c.Foreground
	}
	if c.Caps != nil {
		r.Caps = c.Caps
	}
	if c.Exploration != nil {
		r.Exploration = *c.Exploration
		if r.Exploration.Thresholds == nil {
			r.Exploration.Thresholds = p.Defaults.Exploration.Thresholds
		}
	}
	return r
}

// Validate checks every value and names each bad one by its path in the file.
func (p *Policy) Validate() error {
	c := check{}
	c.that(p.Name != "" && len(p.Name) <= 64, "name", "1 to 64 bytes", p.Name)
	c.span("minimum_gap", p.MinimumGap, 0, 24*time.Hour)
	c.caps("caps", p.Caps)
	c.span("fatigue.half_life", p.Fatigue.HalfLife, time.Minute, 90*24*time.Hour)
	c.amount("fatigue.user", p.Fatigue.User)
	c.amount("fatigue.category", p.Fatigue.Category)
	c.amount("budget", p.Budget)
	c.amount("dismissal", p.Dismissal)
	c.span("active_elsewhere", p.ActiveElsewhere, 0, 24*time.Hour)
	c.span("dnd_for", p.DNDFor, time.Minute, 7*24*time.Hour)
	c.span("foreground_for", p.ForegroundFor, time.Minute, 7*24*time.Hour)
	c.span("dedupe_window", p.DedupeWindow, time.Minute, 30*24*time.Hour)
	c.span("attribution_window", p.AttributionWindow, time.Minute, 30*24*time.Hour)
	c.span("answer_timeout", p.AnswerTimeout, 10*time.Second, time.Hour)
	c.rules("defaults", p.Defaults)
	for name := range p.Categories {
		c.rules("categories."+name, p.For(name))
	}
	slices.SortFunc(c.errs, func(a, b error) int { // map order must not show
		return slices.Compare([]byte(a.Error()), []byte(b.Error()))
	})
	return errors.Join(c.errs...)
}

type check struct{ errs []error }

func (c *check) that(ok bool, field, rule string, value any) {
	if !ok {
		c.errs = append(c.errs, fmt.Errorf("policy: %s: want %s, got %v", field, rule, value))
	}
}

func (c *check) span(field string, d event.Duration, lo, hi time.Duration) {
	c.that(time.Duration(d) >= lo && time.Duration(d) <= hi, field, fmt.Sprintf("%v to %v", lo, hi), time.Duration(d))
}

func (c *check) amount(field string, v float64) {
	c.that(v >= 0 && !math.IsInf(v, 0), field, "a number ≥ 0", v)
}

func (c *check) caps(field string, caps []Cap) {
	for i, k := range caps {
		c.that(k.Max >= 1 && k.Max <= 1000, fmt.Sprintf("%s[%d].max", field, i), "1 to 1000", k.Max)
		c.span(fmt.Sprintf("%s[%d].per", field, i), k.Per, time.Minute, 31*24*time.Hour)
	}
}

func (c *check) rules(field string, r Rules) {
	c.span(field+".deadline", r.Deadline, time.Minute, 28*24*time.Hour)
	c.span(field+".half_life", r.HalfLife, 0, 365*24*time.Hour)
	c.amount(field+".delay_cost", r.DelayCost)
	c.that(slices.Contains([]string{ForegroundSend, ForegroundHold, ForegroundHint}, r.Foreground),
		field+".foreground", "send, hold or hint", r.Foreground)
	c.caps(field+".caps", r.Caps)
	x := r.Exploration
	for name, v := range map[string]float64{"immediate": x.Immediate, "uniform": x.Uniform, "control": x.Control} {
		c.that(v >= 0 && v <= 1, field+".exploration."+name, "0 to 1", v)
	}
	c.that(len(x.Thresholds) <= 9, field+".exploration.thresholds", "at most 9 factors", len(x.Thresholds))
	for i, v := range x.Thresholds {
		c.that(v >= 0.1 && v <= 10, fmt.Sprintf("%s.exploration.thresholds[%d]", field, i), "0.1 to 10", v)
	}
	c.that(x.Immediate+x.Uniform+x.Control <= 1, field+".exploration", "a sum of at most 1", x.Immediate+x.Uniform+x.Control)
}
