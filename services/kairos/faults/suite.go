package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/services/kairos/faults/load"
	"github.com/kairos-push/kairos/services/kairos/faults/rig"
	"github.com/kairos-push/kairos/services/kairos/faults/verify"
)

// Result of one seed of one fault.
type Result struct {
	Fault   string         `json:"fault"`
	Seed    uint64         `json:"seed"`
	Control bool           `json:"control,omitzero"`
	Report  *verify.Report `json:"report,omitempty"`
	Broken  []string       `json:"broken,omitempty"` // gates
	// Seen says that a control showed what its guard prevents.
	Seen bool `json:"seen,omitzero"`
	// Megabytes is the most that each process had resident, of a row that judges it.
	Megabytes map[string]float64 `json:"megabytes,omitempty"`

	Error string `json:"error,omitempty"` // of the suite itself
}

// OK says that the gates held; of a control, that what its guard prevents was seen: another gate proves nothing.
func (r *Result) OK() bool {
	if r.Control {
		return r.Error == "" && r.Seen
	}
	return r.Error == "" && len(r.Broken) == 0
}

// suite runs rows. Kafka is shared by those that want as many nodes; each has topics of its own.
type suite struct {
	bin, dir string
	clock    clock.Clock
	kafka    *pipetest.Kafka
	count    int
	rows     int // of this cluster
}

// newSuite builds the programs unless they are there. done ends Kafka, and removes what is not to be kept.
func newSuite(ctx context.Context, bin, keep string) (s *suite, done func() error, err error) {
	s = &suite{bin: bin, dir: keep}
	if keep == "" {
		s.dir, err = os.MkdirTemp("", "kairos-faults-")
	} else {
		err = os.MkdirAll(keep, 0o750)
	}
	if err != nil {
		return nil, nil, err
	}
	done = func() error {
		s.close()
		if keep == "" {
			return os.RemoveAll(s.dir)
		}
		return nil
	}
	if s.bin == "" {
		s.bin = filepath.Join(s.dir, "bin")
		if err := build(ctx, s.bin); err != nil {
			return nil, nil, errors.Join(err, done())
		}
	}
	return s, done, nil
}

// run is one seed of one fault, from start to verdict.
func (s *suite) run(ctx context.Context, f *Fault, seed uint64) Result {
	res := Result{Fault: f.Name, Seed: seed, Control: f.Control != nil}
	if err := s.play(ctx, f, &res); err != nil {
		res.Error = err.Error()
	}
	if res.Report != nil {
		res.judge(f)
	}
	return res
}

// judge holds the report against what the row is to show.
func (r *Result) judge(f *Fault) {
	r.Broken = f.Gate.Check(r.Report)
	for _, name := range slices.Sorted(maps.Keys(r.Megabytes)) {
		if mb := r.Megabytes[name]; mb > f.Megabytes {
			r.Broken = append(r.Broken, fmt.Sprintf("%s had %.0f MB, not %.0f", name, mb, f.Megabytes))
		}
	}
	r.Seen = f.Control != nil && f.Control(r.Report)
}

func (s *suite) play(ctx context.Context, f *Fault, res *Result) (err error) {
	if err := s.cluster(max(1, f.Nodes)); err != nil {
		return err
	}
	s.count++
	rnd := rand.New(rand.NewPCG(res.Seed, 2))
	dir := filepath.Join(s.dir, fmt.Sprintf("%s-%d", f.Name, res.Seed))
	cfg := rig.Config{Bin: s.bin, Dir: dir, Prefix: fmt.Sprintf("f%d.", s.count), Env: map[string]string{}, Beside: f.Beside, Masters: f.Masters, Policy: policy}
	for service, env := range f.Env {
		if strings.Contains(env, "%d") {
			env = fmt.Sprintf(env, 10+rnd.IntN(15))
		}
		cfg.Env[service] = env
	}
	if f.TmpFS != "" {
		cfg.RedisDir = filepath.Join(dir, "tmpfs")
		if err := os.MkdirAll(cfg.RedisDir, 0o750); err != nil {
			return err
		}
		if err := syscall.Mount("tmpfs", cfg.RedisDir, "tmpfs", 0, "size="+f.TmpFS); err != nil {
			return fmt.Errorf("a disk to fill needs root: %w", err)
		}
		defer func() { err = errors.Join(err, syscall.Unmount(cfg.RedisDir, 0)) }()
	}
	r, err := rig.Open(ctx, s.kafka, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if res.Report, err = s.judge(ctx, f, &run{Rig: r, rnd: rnd}, res.Seed); err == nil && f.Megabytes > 0 {
		res.Megabytes, err = peaks(r)
	}
	return err
}

// judge runs load and fault side by side and waits until all has settled.
func (s *suite) judge(ctx context.Context, f *Fault, r *run, seed uint64) (*verify.Report, error) {
	cfg := load.Config{
		Seed: seed, URL: r.URL, Brokers: r.Kafka.Brokers(), Prefix: r.Prefix, Log: filepath.Join(r.Dir, rig.AckedLog),
		Users: 40, Messages: 150, Over: 15 * time.Second, Ahead: 12 * time.Second, Cancels: 20, Subscribe: r.Gateways.Subscribe,
	}
	if f.Load != nil {
		f.Load(&cfg)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	l, err := load.New(cfg)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	r.Context, r.load = ctx, l
	if err := l.Join(ctx); err != nil {
		return nil, err
	}
	loaded := make(chan error, 1)
	go func() { loaded <- l.Run(ctx) }()
	since := s.clock.Now()
	if f.Inject != nil {
		r.pause(cfg.Over / 3)
		if since, err = f.Inject(r); err != nil {
			return nil, fmt.Errorf("fault: %w", err)
		}
	}
	if err := <-loaded; err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	rep, err := s.settle(ctx, r, since, cfg.Ahead+f.Gate.Recovery+15*time.Second, max(f.Quiet, often))
	for _, p := range r.Services {
		err = errors.Join(err, p.Ended())
	}
	return rep, err
}

// often is the time between two looks.
const often = 3 * time.Second

// settle looks again and again until nothing is open, or time is up; then once more, for what comes late and twice. A cluster
// that does not answer yet is asked again: it may be what the fault has left.
func (s *suite) settle(ctx context.Context, r *run, since time.Time, limit, quiet time.Duration) (*verify.Report, error) {
	for begun := s.clock.Now(); ; {
		rep, err := s.look(ctx, r, since)
		over := s.clock.Since(begun) > limit
		if err != nil && over {
			return nil, err
		}
		if over || err == nil && rep.Settled() {
			break
		}
		if err := s.clock.Sleep(ctx, often); err != nil {
			return rep, err
		}
	}
	if err := s.clock.Sleep(ctx, quiet); err != nil {
		return nil, err
	}
	return s.look(ctx, r, since)
}

func (s *suite) look(ctx context.Context, r *run, since time.Time) (*verify.Report, error) {
	acked, err := verify.ReadLog[verify.Entry](filepath.Join(r.Dir, rig.AckedLog))
	if err != nil {
		return nil, err
	}
	pushes, err := r.pushes()
	if err != nil {
		return nil, err
	}
	rows, err := verify.Outcomes(ctx, r.Kafka.Brokers(), r.Prefix+"outcomes.v1")
	if err != nil {
		return nil, err
	}
	return verify.Judge(acked, pushes, rows, since), nil
}

// rowsOfCluster is after how many rows Kafka begins anew: each leaves its topics, and they make it slow.
const rowsOfCluster = 12

// cluster gives Kafka so many nodes.
func (s *suite) cluster(nodes int) error {
	if s.kafka != nil && len(s.kafka.Nodes) == nodes && s.rows < rowsOfCluster {
		s.rows++
		return nil
	}
	s.rows = 1
	s.close()
	dir, err := os.MkdirTemp(s.dir, "kafka-")
	if err != nil {
		return err
	}
	s.kafka, err = pipetest.OpenKafka(dir, pipetest.KafkaOptions{Nodes: nodes, Proxied: true})
	return err
}

func (s *suite) close() {
	if s.kafka != nil {
		s.kafka.Close()
		s.kafka = nil
	}
}
