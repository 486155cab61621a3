package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rs/zerolog"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/fold/failpoint"
)

// Program is one service as a process. F is the struct of its own flags, with kong tags.
type Program[F any] struct {
	Name string // "ingest"
	Doc  string // one sentence for --help
	// Redis says that the service keeps state, and needs a connection.
	Redis bool
	// New builds the service from its own flags, what all share, and its dependencies.
	New func(flags F, cfg Config, apps *Apps, deps Deps) (Runner, error)
}

// Main runs p until SIGTERM or SIGINT and returns the exit code: 0 after a clean stop, 1 after a failure, 2 when the
// configuration is wrong.
func Main[F any](p Program[F]) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	// After the first signal the handler is taken off, so a second one kills.
	context.AfterFunc(ctx, stop)
	return p.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
}

// Run is Main without the process: it ends when ctx does.
func (p Program[F]) Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var cli struct {
		Config `embed:""`
		Flags  F `embed:""`
	}
	helped := false
	kctx, err := Parse(&cli, "kairos-"+p.Name, p.Doc, args, stdout, stderr, kong.Exit(func(int) { helped = true }))
	if helped {
		return 0
	}
	if err == nil && cli.PrintConfig {
		if err = PrintConfig(stdout, kctx); err == nil {
			return 0
		}
	}
	if err == nil && cli.Probe {
		return probe(ctx, cli.Admin, stderr)
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "kairos-%s: %v\n", p.Name, err)
		return 2
	}
	log, err := cli.Log.Logger(stderr, p.Name)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "kairos-%s: %v\n", p.Name, err)
		return 2
	}
	RedisLogs(log)
	if err := p.serve(ctx, cli.Flags, cli.Config, log); err != nil {
		log.Error().Err(err).Msg("stopped with an error")
		return 1
	}
	log.Info().Msg("stopped")
	return 0
}

func (p Program[F]) serve(ctx context.Context, flags F, cfg Config, log zerolog.Logger) (err error) {
	apps, err := LoadApps(cfg.Apps)
	if err != nil {
		return err
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	life := NewLifecycle(log, clock.Clock{}, cfg.Drain)
	admin := NewAdmin(reg)

	deps, err := open(ctx, cfg, p.Name, p.Redis, life, admin, Deps{Log: log, Metrics: reg, Clock: clock.Skewed(failpoint.Skew())})
	if err == nil {
		err = p.start(ctx, flags, cfg, apps, deps, life, admin)
	}
	if err != nil {
		return errors.Join(err, life.Stop())
	}
	return life.Wait(ctx)
}

func (p Program[F]) start(ctx context.Context, flags F, cfg Config, apps *Apps, deps Deps, life *Lifecycle, admin *Admin) error {
	run, err := p.New(flags, cfg, apps, deps)
	if err != nil {
		return err
	}
	if r, ok := run.(Readier); ok {
		admin.Check(p.Name, r.Ready)
	}
	if cfg.Admin != "" {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Admin)
		if err != nil {
			return fmt.Errorf("admin: %w", err)
		}
		life.Go("admin", func(ctx context.Context) error { return Serve(ctx, l, admin) })
	}
	life.Go(p.Name, run.Run)
	deps.Log.Info().Str("admin_addr", cfg.Admin).Strs("kafka_brokers", cfg.Kafka.Brokers).Int("apps", len(apps.All())).Msg("started")
	return nil
}
