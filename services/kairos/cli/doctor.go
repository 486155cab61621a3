package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/pkg/stream"
)

// Doctor is "kairos doctor".
type Doctor struct {
	Apps      string        `name:"apps-file" help:"Apps file to check." group:"Files"`
	Policy    string        `help:"Policy file to check." group:"Files"`
	Redis     service.Redis `embed:"" prefix:"redis-" group:"Connection"`
	WithoutDB bool          `name:"no-redis" help:"Leave Redis out: kairos up keeps its own inside."`
	Watch     time.Duration `help:"How long to watch whether services make progress." default:"10s"`
	Kafka     `embed:""`
}

// level of a finding.
type level int

const (
	fine level = iota
	warning
	failure
)

// finding is one result: what was looked at, what was seen, and what to do about it.
type finding struct {
	level level
	what  string
	seen  string
	do    string
}

// report collects findings.
type report struct{ findings []finding }

func (r *report) ok(what, seen string, args ...any) {
	r.findings = append(r.findings, finding{fine, what, fmt.Sprintf(seen, args...), ""})
}

func (r *report) warn(what, do, seen string, args ...any) {
	r.findings = append(r.findings, finding{warning, what, fmt.Sprintf(seen, args...), do})
}

func (r *report) fail(what, do, seen string, args ...any) {
	r.findings = append(r.findings, finding{failure, what, fmt.Sprintf(seen, args...), do})
}

// Run checks everything that it can reach; one failed check does not hide the next.
func (d *Doctor) Run(ctx context.Context, o *IO) error {
	rep := &report{}
	apps := d.config(rep)
	d.policy(rep)
	if !d.WithoutDB {
		d.redis(ctx, o, rep)
	}
	err := d.With(ctx, o, func(ctx context.Context, c *stream.Client) error {
		if d.topics(ctx, c, apps, rep) {
			d.progress(ctx, o, c, apps, rep)
			d.input(ctx, o, c, apps, rep)
		}
		return nil
	})
	if err != nil {
		rep.fail("kafka", "start it or correct the --kafka-… settings", "%v", err)
	}
	return rep.print(o)
}

func (r *report) print(o *IO) error {
	worst := fine
	for _, f := range r.findings {
		mark := Good.Render("ok  ")
		switch f.level {
		case warning:
			mark = Warn.Render("warn")
		case failure:
			mark = Wrong.Render("FAIL")
		default:
		}
		o.Printf("%s  %-16s %s\n", mark, f.what, f.seen)
		if f.do != "" {
			o.Printf("      %-16s %s\n", "", Bold.Render("→ "+f.do))
		}
		worst = max(worst, f.level)
	}
	if worst == failure {
		return ErrFindings
	}
	return nil
}
