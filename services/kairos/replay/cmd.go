package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/kairos-push/kairos/services/kairos/cli"
	"github.com/kairos-push/kairos/services/timing"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// Input is what a replay begins with.
type Input struct {
	In     string `help:"Input: JSON lines in time order (- = standard input)." default:"-" placeholder:"FILE"`
	App    string `help:"App that the lines belong to; which arm a message draws depends on it." default:"demo"`
	Policy string `help:"Policy file that replaces the defaults." placeholder:"FILE"`
	Start  string `name:"model" help:"Model to decide by, as kairos learn writes it; the built-in one without it." placeholder:"FILE"`
	Seed   int64  `help:"Another seed than the policy's draws other exploration arms." default:"0"`
}

// Open makes the engine and opens the input.
func (c *Input) Open(o *cli.IO) (*timing.Engine, io.ReadCloser, error) {
	engine, err := c.engine()
	if err != nil || c.In == "-" {
		return engine, io.NopCloser(o.In), err
	}
	f, err := os.Open(c.In)
	return engine, f, err
}

// engine decides by the policy and the model of the files, or by the built-in ones.
func (c *Input) engine() (*timing.Engine, error) {
	p, err := policy.Load(c.Policy)
	if err != nil {
		return nil, err
	}
	if c.Seed != 0 {
		p = p.Seeded(c.Seed)
	}
	engine := timing.NewEngine(p)
	if c.Start == "" {
		return engine, nil
	}
	m, err := cli.ReadModel(c.Start)
	if err == nil {
		engine.SetModel(c.App, m, time.Unix(1, 0))
	}
	return engine, err
}

// Cmd is "kairos replay".
type Cmd struct {
	Input
	Out       string `help:"Where outcomes go (- = standard output)." default:"-" placeholder:"FILE"`
	Decisions string `help:"Where decisions go; nowhere without it." placeholder:"FILE"`
}

// Help is the long form of --help.
func (*Cmd) Help() string {
	return `What would another policy have done? Replay what happened under both, and compare:

  kairos export > log.jsonl
  kairos replay --in log.jsonl --out now.jsonl
  kairos replay --in log.jsonl --out then.jsonl --policy candidate.yaml
  kairos report --from now.jsonl
  kairos report --from then.jsonl

A line is a public record with "topic" (messages, events, signals, receipts, devices, users, clock) and "at":

  {"topic":"messages","at":"2026-03-02T09:00:00Z","message_id":"m1","user_id":"ada","title":"Hello"}
  {"topic":"clock","at":"2026-03-03T09:00:00Z"}`
}

// Run replays.
func (c *Cmd) Run(ctx context.Context, o *cli.IO) (err error) {
	engine, in, err := c.Open(o)
	if err != nil {
		return err
	}
	s := Streams{App: c.App, In: in, Out: o.Out, Errors: o.Err}
	files := []io.Closer{in}
	defer func() {
		for _, f := range files {
			err = errors.Join(err, f.Close())
		}
	}()
	create := func(name string, w *io.Writer) error {
		if name == "-" || name == "" {
			return nil
		}
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		files = append(files, f)
		*w = f
		return nil
	}
	if err := errors.Join(create(c.Out, &s.Out), create(c.Decisions, &s.Decisions)); err != nil {
		return err
	}
	sum, err := Run(ctx, engine, s)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(o.Err, "%d lines, %d refused; %d messages accepted = %d ended + %d held\n",
		sum.Lines, sum.Refused, sum.Ledger.Accepted, sum.Ledger.EndedTotal(), sum.Ledger.Held)
	return err
}
