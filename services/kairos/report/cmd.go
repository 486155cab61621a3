package report

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
	"github.com/kairos-push/kairos/services/kairos/cli"
	"github.com/kairos-push/kairos/services/kairos/replay/collegemsg"
	"github.com/kairos-push/kairos/services/timing"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// Cmd is "kairos report".
type Cmd struct {
	Outcomes   OutcomesCmd `cmd:"" default:"withargs" help:"What came of the messages, arm by arm (the default)."`
	Collegemsg CollegeCmd  `cmd:"" help:"Rules side by side on the CollegeMsg log: own-app events only."`
}

// OutcomesCmd reports outcome and decision rows.
type OutcomesCmd struct {
	cli.Kafka
	From   []string `help:"Files of outcome and decision rows, JSON lines in any mix. Without it: the topics of a running system, to their ends now." placeholder:"FILE"`
	Policy string   `help:"Candidate policy: estimate the opens of its mix of arms." placeholder:"FILE"`
	Logged string   `help:"The policy file that the messages were decided by, to tell what else the candidate changes. Not needed for the built-in policy." placeholder:"FILE"`
	HTML   string   `name:"html" help:"Also write a self-contained report with plots." placeholder:"FILE"`
	Seed   uint64   `help:"Of the bootstrap." default:"1"`
}

// Run reports.
func (c *OutcomesCmd) Run(ctx context.Context, o *cli.IO) error {
	log := NewLog()
	if err := c.read(ctx, o, log); err != nil {
		return err
	}
	arms := log.Arms(c.Seed)
	if len(arms) == 0 {
		return errors.New("no accepted messages in the rows")
	}
	if err := grid(o, "By arm", armHead, armRows(arms)); err != nil {
		return err
	}
	o.Printf("%s\n", raw)
	var candidate *OffPolicy
	var unjudged string
	if c.Policy != "" {
		p, err := policy.Load(c.Policy)
		if err != nil {
			return err
		}
		logged, err := policy.Load(c.Logged)
		if err != nil {
			return err
		}
		estimate, err := log.Candidate(p, c.Seed)
		if err != nil {
			return fmt.Errorf("candidate policy: %w", err)
		}
		candidate = &estimate
		if err := grid(o, "Opens under the candidate "+p.Name, candidateHead, candidateRows(candidate)); err != nil {
			return err
		}
		unjudged = log.unjudged(p, []policy.Policy{policy.Default(), logged})
		o.Printf("%s\n", unjudged)
	}
	o.Printf("Brackets: 95 %% intervals, people resampled.\n")
	if c.HTML == "" {
		return nil
	}
	f, err := os.Create(c.HTML)
	if err != nil {
		return err
	}
	return errors.Join(log.page(arms, candidate, unjudged, fmt.Sprintf("%d messages of %d people.", len(log.messages), len(log.people()))).Write(f), f.Close())
}

func (c *OutcomesCmd) read(ctx context.Context, o *cli.IO, log *Log) error {
	for _, name := range c.From {
		if err := log.Read(name); err != nil {
			return err
		}
	}
	if len(c.From) > 0 {
		return nil
	}
	return c.With(ctx, o, func(ctx context.Context, kafka *stream.Client) error {
		return errors.Join(each(ctx, kafka, topic.Outcomes, func(r *event.Outcome) { log.Outcome(r) }),
			each(ctx, kafka, topic.Decisions, func(r *event.Decision) { log.Decision(r) }))
	})
}

// each hands the rows that a topic holds now to fn.
func each[T any](ctx context.Context, kafka *stream.Client, t topic.Topic, fn func(*T)) error {
	n, err := kafka.Partitions(ctx, t)
	if err != nil {
		return err
	}
	for p := range n {
		err := kafka.Read(ctx, t, p, -1, -1, func(recs []stream.Record) error {
			for _, r := range recs {
				v := new(T)
				if err := event.Decode(r.Value, v); err != nil {
					return fmt.Errorf("%s/%d/%d: %w", t.Name, r.Partition, r.Offset, err)
				}
				fn(v)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// CollegeCmd compares rules on the log of private messages.
type CollegeCmd struct {
	In     string          `help:"The log, one \"src dst time\" a line. Without it: collegemsg.txt in the folder that KAIROS_DATA names." placeholder:"FILE"`
	Hold   []time.Duration `help:"How long messages may wait." default:"1h,4h,12h,24h"`
	Policy string          `help:"Policy file of \"ours\". Default: the built-in policy, without exploration." placeholder:"FILE"`
	Seed   uint64          `help:"Of the bootstrap." default:"1"`
}

// Run prints the table.
func (c *CollegeCmd) Run(o *cli.IO) error {
	log, err := collegemsg.Open()
	if c.In != "" {
		log, err = readLog(c.In)
	}
	if err != nil {
		return err
	}
	p, err := policy.Load(c.Policy)
	if err != nil {
		return err
	}
	if c.Policy == "" {
		p.Defaults.Exploration = policy.Exploration{}
	}
	rows, err := College(log, c.Hold, timing.NewEngine(p), c.Seed)
	if err != nil {
		return err
	}
	var cells [][]string
	for _, r := range rows {
		cells = append(cells, []string{r.Hold.String(), r.Rule, r.Within5m.Times(100).Format("%.1f"), r.Within30m.Times(100).Format("%.1f"), r.MedianSent.Duration(), r.MedianSee.Duration()})
	}
	return grid(o, "CollegeMsg, last third of the time", []string{"hold", "rule", "there within 5 min %", "within 30 min %", "median to send", "median to seen"}, cells)
}

func readLog(name string) ([]collegemsg.Message, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return collegemsg.Read(f)
}

// grid prints a table.
func grid(o *cli.IO, title string, head []string, rows [][]string) error {
	t := table.New().Headers(head...).Rows(rows...).Border(lipgloss.RoundedBorder()).StyleFunc(func(_, col int) lipgloss.Style {
		s := lipgloss.NewStyle().Padding(0, 1)
		if col > 0 {
			s = s.Align(lipgloss.Right)
		}
		return s
	})
	_, err := fmt.Fprintln(o.Out, cli.Bold.Render(title)+"\n"+t.String())
	return err
}
