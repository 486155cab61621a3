package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/kairos-push/kairos/services/kairos/cli"
	"github.com/kairos-push/kairos/services/timing"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// Cmd is "kairos replay".
type Cmd struct {
	In        string `help:"Input: JSON lines in time order (- = standard input)." default:"-" placeholder:"FILE"`
	Out       string `help:"Where outcomes go (- = standard output)." default:"-" placeholder:"FILE"`
	Decisions string `help:"Where decisions go; nowhere without it." placeholder:"FILE"`
	Policy    string `help:"Policy file that replaces the defaults." placeholder:"FILE"`
	Seed      int64  `help:"Another seed than the policy's draws other exploration arms." default:"0"`
}

// Run replays.
func (c *Cmd) Run(ctx context.Context, o *cli.IO) (err error) {
	engine, err := Engine(c.Policy, c.Seed)
	if err != nil {
		return err
	}
	s := Streams{In: o.In, Out: o.Out, Errors: o.Err}
	var files []io.Closer
	defer func() {
		for _, f := range files {
			err = errors.Join(err, f.Close())
		}
	}()
	if c.In != "-" {
		f, err := os.Open(c.In)
		if err != nil {
			return err
		}
		files = append(files, f)
		s.In = f
	}
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

// Engine decides by the policy of a file, or by the default one if file is "".
func Engine(file string, seed int64) (*timing.Engine, error) {
	p := policy.Default()
	if file != "" {
		data, err := os.ReadFile(file) //nolint:gosec // the path is the user's own
		if err != nil {
			return nil, err
		}
		if p, err = policy.Parse(data); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	if seed != 0 {
		p = p.Seeded(seed)
	}
	return timing.NewEngine(p), nil
}
