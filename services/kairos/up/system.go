package up

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rs/zerolog"

	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/services/console"
	"github.com/kairos-push/kairos/services/dispatch/sandbox"
	"github.com/kairos-push/kairos/services/kairos/cli"
)

// System is everything, running.
type System struct {
	URL   string // of the page and the HTTP API
	Kafka string // brokers
	Redis string // addresses
	Data  string // where the embedded broker keeps its files; empty for nowhere

	cmd   Command
	apps  *service.Apps
	base  zerolog.Logger
	deps  service.Deps
	life  *service.Lifecycle
	admin *service.Admin

	gateways *sandbox.Gateways
	page     *console.Console
	// mounted answers the port; services put their handlers in before it opens.
	mounted *http.ServeMux
}

// Start starts the parts in the order in which they need each other; they stop in the opposite order. If one fails, those
// before it are stopped.
func Start(ctx context.Context, cmd Command, o *cli.IO) (*System, error) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s := &System{
		cmd: cmd, base: o.Log, life: service.NewLifecycle(o.Log, o.Clock, cmd.Drain), admin: service.NewAdmin(reg),
		deps: service.Deps{Clock: o.Clock, Log: o.Log, Metrics: reg}, mounted: http.NewServeMux(),
	}
	for _, step := range []func(context.Context) error{
		s.load, s.startTraces, s.startKafka, s.startRedis, s.startGateways, s.startServices, s.openPort, s.startPage, s.startFleet,
	} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, s.life.Stop())
		}
	}
	return s, nil
}

// Wait works until ctx ends or a part fails, then stops everything.
func (s *System) Wait(ctx context.Context) error { return s.life.Wait(ctx) }

func (s *System) load(context.Context) (err error) {
	if s.Data, err = s.cmd.dataDir(); err != nil {
		return err
	}
	s.apps, err = service.LoadApps(s.cmd.Apps)
	return err
}

func (s *System) startTraces(ctx context.Context) (err error) {
	var flush func(context.Context) error
	if s.deps.Tracer, flush, err = service.Tracer(ctx, s.cmd.OTLP, "up"); err == nil {
		s.life.Defer("traces", flush)
	}
	return err
}

func (s *System) log(part string) zerolog.Logger { return s.base.With().Str("service", part).Logger() }

// depsOf are the dependencies of one service.
func (s *System) depsOf(name string) service.Deps {
	d := s.deps
	d.Log = s.log(name)
	return d
}

// goRun starts a service and makes its readiness part of /readyz.
func (s *System) goRun(name string, r service.Runner) {
	if ready, ok := r.(service.Readier); ok {
		s.admin.Check(name, ready.Ready)
	}
	s.life.Go(name, r.Run)
}

// openPort serves the page, the HTTP API and the admin paths on one port, once everything behind it runs.
func (s *System) openPort(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.cmd.Listen)
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("%w\nsay --listen 127.0.0.1:0 for a free port", err)
		}
		return err
	}
	for _, path := range []string{"/livez", "/readyz", "/metrics"} {
		s.mounted.Handle(path, s.admin)
	}
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); ip.IsLoopback() || ip.IsUnspecified() {
		host = "localhost"
	}
	s.URL = "http://" + net.JoinHostPort(host, port)
	s.life.Go("http", func(ctx context.Context) error { return service.Serve(ctx, l, s.mounted) })
	return nil
}
