// Package pipeline runs the whole of Kairos for tests: every service as it is, on the servers of package pipetest and
// before the sandbox gateways, each with clients of its own as if it were a process of its own. A Story tells what
// happens to one person, in records that an app writes and rows that an analyst reads; nothing in between is touched.
// The same stories run in memory and in virtual time, on embedded servers, and on real ones.
//
// It is not "kairos up", which has one client for all, an HTTP API and a page; up_test.go tests that.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/embedded"
	"github.com/kairos-push/kairos/pkg/fold"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
	"github.com/kairos-push/kairos/services/console"
	"github.com/kairos-push/kairos/services/dispatch"
	"github.com/kairos-push/kairos/services/dispatch/sandbox"
	"github.com/kairos-push/kairos/services/enrich"
	"github.com/kairos-push/kairos/services/ingest"
	"github.com/kairos-push/kairos/services/timing"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// Services in the order of a message's path.
var Services = []string{"ingest", "enrich", "timing", "dispatch", "console"}

// App is the one app of a world.
var App = service.App{AppID: "demo", APIKeys: []string{"demo"}, Topics: "in.", ReceiptSecret: "a secret of the tests"}

// Options of a world; the zero value is right.
type Options struct {
	Partitions int // of each topic; 8
	// Policy is the default one without exploration, unless given: stories know what is going to happen.
	Policy *policy.Policy
	// Fold says how often the folds look at Redis and write checkpoints; nil is often enough to see a loss soon.
	Fold *fold.Config
}

// World is a running Kairos.
type World struct {
	TB       testing.TB
	Servers  *pipetest.Servers
	Gateways *sandbox.Gateways
	Topics   *Topics

	opt     Options
	virtual bool
	kafka   *stream.Client
	network *embedded.Network // of the gateways, in virtual time
	apps    *service.Apps
	ingest  *ingest.Ingest
	timing  *timing.Timing
	console *console.Console
	views   *httptest.Server // where ingest asks console and timing; nil in virtual time
	running map[string]*process
}

// process is one service with its own connections.
type process struct {
	cancel context.CancelFunc
	ended  chan error
	kafka  *stream.Client
	redis  redis.UniversalClient
}

// Start runs everything; it ends with the test, and then the world is held to what must be true of any: see Check.
func Start(tb testing.TB, backend pipetest.Backend, opt Options) *World {
	tb.Helper()
	if opt.Partitions == 0 {
		opt.Partitions = 8
	}
	if opt.Policy == nil {
		p := policy.Default()
		p.Defaults.Exploration = policy.Exploration{}
		opt.Policy = &p
	}
	w := &World{
		TB: tb, Servers: pipetest.Start(tb, backend), opt: opt, virtual: backend == pipetest.Virtual,
		network: new(embedded.Network), running: map[string]*process{},
	}
	var err error
	w.apps, err = service.NewApps(App)
	require.NoError(tb, err)
	w.kafka = w.Servers.Stream(tb)
	require.NoError(tb, w.kafka.Apply(w.within(), topic.WithDLQs(), opt.Partitions, 1))
	w.startGateways()
	if !w.virtual {
		w.views = httptest.NewServer(http.HandlerFunc(w.serveViews))
		tb.Cleanup(w.views.Close)
	}
	followed := []topic.Topic{topic.Facts, topic.Outcomes, topic.Decisions}
	for _, in := range topic.Inputs {
		followed = append(followed, in.DLQ())
	}
	w.Topics = follow(tb, w.kafka, w.patience(), followed...)
	tb.Cleanup(func() {
		for _, name := range Services {
			w.Stop(name)
		}
		if !tb.Failed() {
			w.Check()
		}
	})
	for _, name := range Services {
		w.Run(name)
	}
	return w
}

// patience is how long something may take to happen that must happen; virtual time costs nothing.
func (w *World) patience() time.Duration {
	if w.virtual {
		return 36 * time.Hour
	}
	return time.Minute
}

// within bounds one step of a test, or of its end.
func (w *World) within() context.Context {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.TB.Context()), w.patience())
	w.TB.Cleanup(cancel)
	return ctx
}

func (w *World) startGateways() {
	w.TB.Helper()
	var opt sandbox.Options
	if w.virtual {
		ports := map[string]int{sandbox.APNs: 2197, sandbox.FCM: 443, sandbox.WebPush: 8443}
		opt.Listen = func(gateway string) (net.Listener, error) {
			return w.network.Listen("tcp", fmt.Sprintf("localhost:%d", ports[gateway]))
		}
	}
	var err error
	w.Gateways, err = sandbox.Start(context.WithoutCancel(w.TB.Context()), opt)
	require.NoError(w.TB, err)
	w.TB.Cleanup(func() { _ = w.Gateways.Close() })
}

// Run starts a service that is not running.
func (w *World) Run(name string) {
	w.TB.Helper()
	require.Nil(w.TB, w.running[name], "%s is running", name)
	log := zerolog.New(zerolog.NewTestWriter(w.TB)).Level(zerolog.WarnLevel).With().Str("service", name).Logger()
	kafka, err := stream.New(w.Servers.Kafka, log, clock.Clock{}, prometheus.NewRegistry())
	require.NoError(w.TB, err)
	db, err := state.Open(w.Servers.Redis)
	require.NoError(w.TB, err)
	runner, err := w.service(name, service.Deps{Kafka: kafka, Redis: db, Log: log, Metrics: prometheus.NewRegistry()})
	require.NoError(w.TB, err, name)
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.TB.Context()))
	p := &process{cancel: cancel, ended: make(chan error, 1), kafka: kafka, redis: db}
	go func() { p.ended <- runner.Run(ctx) }()
	w.running[name] = p
}

func (w *World) service(name string, deps service.Deps) (r service.Runner, err error) {
	switch name {
	case "ingest":
		cfg := ingest.Config{Apps: w.apps}
		if w.views != nil {
			cfg.Lookup, err = ingest.MessagesAt(w.views.URL)
			require.NoError(w.TB, err)
			cfg.Moments, err = ingest.MomentsAt(w.views.URL)
			require.NoError(w.TB, err)
		}
		w.ingest, err = ingest.New(cfg, deps)
		return w.ingest, err
	case "enrich":
		return enrich.New(enrich.Config{Fold: w.fold()}, deps)
	case "timing":
		w.timing, err = timing.New(timing.Config{Policy: *w.opt.Policy, Fold: w.fold()}, deps)
		return w.timing, err
	case "dispatch":
		return dispatch.New(w.dispatch(), deps)
	default:
		w.console, err = console.New(console.Config{}, deps)
		return w.console, err
	}
}

// serveViews answers ingest, each service at its own path.
func (w *World) serveViews(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/moments" {
		w.timing.ServeHTTP(rw, r)
		return
	}
	w.console.ServeHTTP(rw, r)
}

// Get asks the HTTP API.
func (w *World) Get(path string) (status int, body []byte) {
	r := httptest.NewRequestWithContext(w.TB.Context(), http.MethodGet, path, nil)
	r.Header.Set("Authorization", "Bearer "+App.APIKeys[0])
	answer := httptest.NewRecorder()
	w.ingest.ServeHTTP(answer, r)
	return answer.Code, answer.Body.Bytes()
}

// fold looks at Redis often enough to see a loss soon, or seldom where days go by.
func (w *World) fold() fold.Config {
	if w.opt.Fold != nil {
		return *w.opt.Fold
	}
	if w.virtual {
		return fold.Config{Verify: 6 * time.Hour, Checkpoint: time.Hour}
	}
	return fold.Config{Verify: time.Second, Checkpoint: 3 * time.Second}
}

func (w *World) dispatch() dispatch.Config {
	a, f, p := w.Gateways.APNsCredentials(), w.Gateways.FCMCredentials(), w.Gateways.WebPushCredentials()
	cfg := dispatch.Config{
		Apps: dispatch.Fixed(map[string]dispatch.App{
			App.AppID: {APNs: &a, FCM: &f, WebPush: &p, ReceiptSecret: []byte(App.ReceiptSecret)},
		}),
		Concurrency: 8, UrgentWorkers: 2, CommitEvery: 50 * time.Millisecond,
	}
	if w.virtual {
		cfg.Dial, cfg.CommitEvery, cfg.ReloadEvery = w.network.DialContext, 10*time.Minute, 24*time.Hour
	}
	return cfg
}

// Stop ends a service as SIGTERM does; nothing if it is not running.
func (w *World) Stop(name string) {
	w.TB.Helper()
	p := w.running[name]
	if p == nil {
		return
	}
	delete(w.running, name)
	p.cancel()
	if err := errors.Join(<-p.ended, p.kafka.Close(), p.redis.Close()); err != nil {
		w.TB.Errorf("%s: %v", name, err) // not fatal: the others are yet to be stopped
	}
}

// Restart stops a service and starts it anew.
func (w *World) Restart(name string) {
	w.TB.Helper()
	w.Stop(name)
	w.Run(name)
}

// ForgetRedis is FLUSHALL.
func (w *World) ForgetRedis() {
	w.TB.Helper()
	db := w.Servers.Store(w.TB)
	require.NoError(w.TB, db.FlushAll(w.TB.Context()).Err())
}
