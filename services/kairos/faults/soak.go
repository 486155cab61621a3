package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"time"

	"github.com/kairos-push/kairos/services/dispatch/sandbox"
	"github.com/kairos-push/kairos/services/kairos/faults/load"
	"github.com/kairos-push/kairos/services/kairos/faults/rig"
	"github.com/kairos-push/kairos/services/kairos/faults/verify"
)

// soakCommand keeps a steady load up for long, with one fault after the other, and looks at what the services need.
type soakCommand struct {
	For  time.Duration `help:"How long." default:"30m"`
	Rate int           `help:"Messages a second." default:"20"`
	Seed uint64        `help:"Of load and faults." default:"1"`
	Bin  string        `help:"Directory with the services' programs; built if empty." type:"path" placeholder:"DIR"`
	Keep string        `help:"Directory for logs and data that are kept." type:"path" placeholder:"DIR"`
}

// soaked is the policy of a soak. What was sent waits for its answer for a day, and an id is remembered for a week: half an hour
// would only ever add to that. With windows of minutes the state is as full in the second quarter as in the last, and what
// still grows is a leak.
const soaked = policy + `attribution_window: 4m
dedupe_window: 5m
`

// Run soaks.
func (c *soakCommand) Run(ctx context.Context) (err error) {
	s, done, err := newSuite(ctx, c.Bin, c.Keep)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	if err := s.cluster(1); err != nil {
		return err
	}
	dir := filepath.Join(s.dir, "soak")
	r, err := rig.Open(ctx, s.kafka, rig.Config{Bin: s.bin, Dir: dir, Prefix: "soak.", Policy: soaked})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	l, err := load.New(load.Config{
		Seed: c.Seed, URL: r.URL, Brokers: r.Kafka.Brokers(), Prefix: r.Prefix, Log: filepath.Join(dir, rig.AckedLog), Subscribe: r.Gateways.Subscribe,
		Users: 400, Messages: int(c.For.Seconds()) * c.Rate, Over: c.For, Ahead: time.Minute, Cancels: 20,
	})
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.Join(ctx); err != nil {
		return err
	}
	run := &run{Context: ctx, Rig: r, load: l, rnd: rand.New(rand.NewPCG(c.Seed, 3))}
	return c.soak(s, run)
}

func (c *soakCommand) soak(s *suite, r *run) error {
	begun := s.clock.Now()
	loaded, troubled, watched := make(chan error, 1), make(chan error, 1), make(chan *watch, 1)
	stop := make(chan struct{})
	go func() { loaded <- r.load.Run(r) }()
	go func() { troubled <- c.trouble(r, begun) }()
	go func() { watched <- observe(r, stop) }()
	err := errors.Join(<-loaded, <-troubled)
	close(stop)
	w := <-watched
	if err != nil {
		return err
	}
	rep, err := s.settle(r, r, s.clock.Now(), 3*time.Minute, late)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d accepted, %d pushes, %d lost, %d duplicates, %d of them of drop, %d ambiguous, %d cancelled yet sent, %d impossible histories\n",
		c.For, rep.Accepted, rep.Pushes, rep.Lost, rep.Duplicates, rep.DroppedTwice, rep.Ambiguous, rep.CancelledYetSent, rep.Illegal)
	for _, f := range rep.Findings {
		fmt.Println("    " + f)
	}
	broken := append(verify.Gate{Destroyed: true}.Check(rep), w.growth()...)
	if len(broken) > 0 {
		return fmt.Errorf("%w: %s", errGates, verify.Join(broken))
	}
	return nil
}

// trouble makes one fault after the other until two minutes before the end. Services are killed in the first quarter only:
// whoever begins anew shows no growth.
func (c *soakCommand) trouble(r *run, begun time.Time) error {
	table := disturbances()
	var early []string
	for _, name := range []string{"ingest", "enrich", "timing", "dispatch"} {
		early = append(early, "kill-"+name)
	}
	for {
		r.pause(20 * time.Second)
		past := r.clock.Since(begun)
		if past > c.For-min(2*time.Minute, c.For/3) {
			return r.Err()
		}
		names := names(table)
		if past > c.For/4 {
			names = slices.DeleteFunc(names, func(n string) bool { return slices.Contains(early, n) })
		}
		name := names[r.rnd.IntN(len(names))]
		fmt.Printf("%8s %s\n", past.Round(time.Second), name)
		f := table[slices.IndexFunc(table, func(f Fault) bool { return f.Name == name })]
		if _, err := f.Inject(r); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
}

// disturbances are the rows of the table that need no set-up of their own.
func disturbances() []Fault {
	return slices.DeleteFunc(append(faults(), Fault{
		Name: "everyone-slow", Inject: misbehave(sandbox.Rule{Latency: 2 * time.Second}),
	}), func(f Fault) bool {
		return f.Inject == nil || f.Control != nil || f.Beside != nil || f.Env != nil || f.Load != nil || f.TmpFS != "" || f.Masters > 0 || f.Nodes > 1
	})
}
