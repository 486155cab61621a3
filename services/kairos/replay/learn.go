package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/services/kairos/cli"
	"github.com/kairos-push/kairos/services/learn"
)

// LearnCmd is "kairos learn".
type LearnCmd struct {
	Input
	Model string        `arg:"" name:"out" help:"Where the model goes: a record as on the models topic. See --model of replay." placeholder:"FILE"`
	Every time.Duration `help:"Length of a round; at its end the models are judged." default:"10m"`
}

// Help is the long form of --help.
func (*LearnCmd) Help() string {
	return `Example:

  kairos convert collegemsg | kairos learn model.json
  kairos replay --in monday.jsonl --model model.json > outcomes.jsonl

The input is that of kairos replay. It is decided upon as replay does, and what enrich, timing and dispatch say of it is
learned from by the code of the learn service. The same input gives the same bytes.`
}

// Run learns.
func (c *LearnCmd) Run(ctx context.Context, o *cli.IO) error {
	if c.Every < time.Second {
		return fmt.Errorf("--every: want at least 1s, got %s", c.Every)
	}
	engine, in, err := c.Open(o)
	if err != nil {
		return err
	}
	t := NewTrainer(learn.NewLearner(learn.DefaultLimits()), c.Every)
	sum, err := Run(ctx, engine, Streams{App: c.App, In: in, Out: io.Discard, Errors: o.Err, Trainer: t})
	if err = errors.Join(err, in.Close()); err != nil {
		return err
	}
	last, err := t.Finish()
	if err != nil {
		return err
	}
	n := t.learner.Counts.Examples
	_, _ = fmt.Fprintf(o.Err, "%d lines, %d refused; %d examples of presence, %d of answers\n", sum.Lines, sum.Refused, n[0], n[1])
	for _, s := range last {
		if s.App == c.App {
			_, _ = fmt.Fprintf(o.Err, "model %s %s\n", s.Version, cmp.Or(s.Refused, "believed"))
			return os.WriteFile(c.Model, s.Value, 0o644) //nolint:gosec // no secret: models hold no data of people
		}
	}
	return errors.New("nothing to learn from: the input has no person whose phone tells unlocks, and no answers to pushes")
}

// Trainer learns from a log that is read in the order of time, round by round as the learn service does.
type Trainer struct {
	learner *learn.Learner
	every   time.Duration
	end     time.Time // of the round
	cause   int64
	last    []learn.Snapshot
	err     error
}

// NewTrainer ends a round at every multiple of a duration.
func NewTrainer(l *learn.Learner, every time.Duration) *Trainer {
	return &Trainer{learner: l, every: every}
}

// Enriched takes in what enrich says at a time.
func (t *Trainer) Enriched(in *profile.Enriched, now time.Time) {
	t.pass(now)
	t.cause++
	t.learner.Enriched(in, t.cause)
}

// Outcome takes in what timing or dispatch says at a time.
func (t *Trainer) Outcome(o *event.Outcome, now time.Time) {
	t.pass(now)
	t.learner.Outcome(o)
}

// pass ends the round that is over. Rounds in which nothing was in the log are passed over.
func (t *Trainer) pass(now time.Time) {
	if !t.end.IsZero() && now.Before(t.end) {
		return
	}
	if !t.end.IsZero() {
		t.round()
	}
	t.end = now.Truncate(t.every).Add(t.every)
}

func (t *Trainer) round() {
	last, err := t.learner.Round(t.end, nil)
	t.last, t.err = last, errors.Join(t.err, err)
}

// Finish ends the last round and returns its snapshots.
func (t *Trainer) Finish() ([]learn.Snapshot, error) {
	if !t.end.IsZero() {
		t.round()
	}
	return t.last, t.err
}
