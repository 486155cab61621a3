// Command faults proves that nothing is lost and nothing is sent twice: it runs the services as separate processes against
// a real Apache Kafka and a real Redis, sends them work, breaks something, and lets an independent verifier judge.
//
//	faults                       every row of the table, one seed each
//	faults --seeds 5 --fault kill-timing
//	faults --quick               a subset of about eleven minutes
//
// Control rows switch a guard off. The exit code is 1 when a gate does not hold, or when a control does not show what its
// guard prevents.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/kairos-push/kairos/services/kairos/faults/rig"
	"github.com/kairos-push/kairos/services/kairos/faults/verify"
)

type command struct {
	Run      runCommand      `cmd:"" default:"withargs" help:"Run rows of the fault table."`
	Soak     soakCommand     `cmd:"" help:"Steady load and one fault after the other, for half an hour."`
	Table    tableCommand    `cmd:"" help:"Print the table of files that --json has written."`
	Rebuild  rebuildCommand  `cmd:"" help:"Measure how long Redis takes to come back when all of it is gone."`
	Gateways gatewaysCommand `cmd:"" hidden:"" help:"Serve as the providers; the suite starts this."`
}

type gatewaysCommand struct {
	Dir string `arg:""`
}

// Run serves.
func (c *gatewaysCommand) Run() error { return rig.ServeGateways(c.Dir, os.Stdin, os.Stdout) }

type runCommand struct {
	Seeds int      `help:"Runs of each fault, each with a seed of its own." default:"1"`
	Seed  uint64   `help:"The first seed." default:"1"`
	Fault []string `help:"Only these rows." placeholder:"NAME"`
	Quick bool     `help:"Only a subset of about eleven minutes."`
	List  bool     `help:"List the rows and exit."`
	JSON  string   `name:"json" help:"File that gets a line for every seed." type:"path" placeholder:"FILE"`
	Bin   string   `help:"Directory with the services' programs, built with the tag failpoint; built if empty." type:"path" placeholder:"DIR"`
	Keep  string   `help:"Directory for logs and data that are kept; without it they are removed." type:"path" placeholder:"DIR"`
}

var errGates = errors.New("not every row is as it must be")

// Run plays the rows that were asked for.
func (c *runCommand) Run(ctx context.Context) (err error) {
	rows, err := c.rows()
	if err != nil || c.List {
		for i := range rows {
			fmt.Println(rows[i].Name)
		}
		return err
	}
	s, done, err := newSuite(ctx, c.Bin, c.Keep)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	lines := io.Discard
	if c.JSON != "" {
		f, err := os.OpenFile(c.JSON, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		lines = f
	}
	good := true
	heading(os.Stdout)
	for i := range rows {
		var results []Result
		for n := range c.Seeds {
			res := s.run(ctx, &rows[i], c.Seed+uint64(n))
			if ctx.Err() != nil {
				return ctx.Err()
			}
			results = append(results, res)
			if err := json.NewEncoder(lines).Encode(res); err != nil {
				return err
			}
		}
		line(os.Stdout, results)
		for k := range results {
			good = good && results[k].OK()
		}
	}
	if !good {
		return errGates
	}
	return nil
}

// tableCommand prints results that are there.
type tableCommand struct {
	Files []string `arg:"" type:"existingfile"`
}

// Run prints rows in the order of the table.
func (c *tableCommand) Run() error {
	byFault := map[string][]Result{}
	for _, file := range c.Files {
		results, err := verify.ReadLog[Result](file)
		if err != nil {
			return err
		}
		for _, r := range results {
			byFault[r.Fault] = append(byFault[r.Fault], r)
		}
	}
	heading(os.Stdout)
	for _, f := range faults() {
		if results := byFault[f.Name]; results != nil {
			line(os.Stdout, results)
		}
	}
	return nil
}

// rows picks from the table.
func (c *runCommand) rows() ([]Fault, error) {
	table := faults()
	for _, name := range c.Fault {
		if !slices.Contains(names(table), name) {
			return nil, fmt.Errorf("no fault %q; there are %v", name, names(table))
		}
	}
	table = slices.DeleteFunc(table, func(f Fault) bool {
		return c.Quick && !f.Quick || len(c.Fault) > 0 && !slices.Contains(c.Fault, f.Name)
	})
	// Kafka is started once for each number of nodes.
	slices.SortStableFunc(table, func(a, b Fault) int { return a.Nodes - b.Nodes })
	return table, nil
}

// build makes the services' programs with failpoints.
func build(ctx context.Context, dir string) error {
	args := []string{"build", "-tags", "failpoint", "-o", dir + string(filepath.Separator)}
	for _, s := range []string{"ingest", "enrich", "timing", "dispatch", "learn", "console"} {
		args = append(args, fmt.Sprintf("github.com/kairos-push/kairos/services/%s/cmd/%s", s, s))
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd.Run()
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	k := kong.Parse(&command{}, kong.Name("faults"), kong.Description("Breaks what Kairos runs on, and lets a verifier judge."),
		kong.BindTo(ctx, (*context.Context)(nil)))
	k.FatalIfErrorf(k.Run())
}
