// Package rig is what the fault suite runs against: a real Apache Kafka and redis-server behind proxies, the services as
// processes of their own, and the gateways in another.
package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
	"github.com/kairos-push/kairos/services/kairos/faults/verify"
)

// Config of a rig.
type Config struct {
	Bin    string            // directory of the services' programs
	Dir    string            // of logs and data
	Prefix string            // of topics
	Env    map[string]string // of a process, by its name: failpoints, guards off, a clock that is wrong
	// Beside are processes beside ingest, enrich, timing and dispatch: learn, console, or a second one of any, as "timing-2".
	Beside []string
	Policy string // text of the policy file
	// Masters > 0 is a Redis Cluster of so many, without a proxy.
	Masters int
	// RedisDir is where Redis keeps its file, if not under Dir.
	RedisDir string
}

// Partitions of every topic.
const Partitions = 8

// Rig is everything that runs for one row.
type Rig struct {
	cfg    Config
	Dir    string
	Prefix string
	Kafka  *pipetest.Kafka

	Redis      *pipetest.Redis
	RedisProxy *toxiproxy.Proxy // nil for a cluster
	redisArgs  []string

	Gateways *Gateways
	Services map[string]*Process
	URL      string // of ingest
}

// Open starts everything and waits until it is ready.
func Open(ctx context.Context, kafka *pipetest.Kafka, cfg Config) (*Rig, error) {
	r := &Rig{cfg: cfg, Dir: cfg.Dir, Prefix: cfg.Prefix, Kafka: kafka, Services: map[string]*Process{}}
	if err := os.MkdirAll(r.Dir, 0o750); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{r.redis, r.gateways, r.topics, r.services} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, r.Close())
		}
	}
	return r, nil
}

func (r *Rig) redis(context.Context) (err error) {
	dir := r.cfg.RedisDir
	if dir == "" {
		dir = r.Dir
	}
	if r.Redis, err = pipetest.OpenRedis(dir, pipetest.RedisOptions{AOF: "everysec", Masters: r.cfg.Masters}); err != nil {
		return err
	}
	if r.cfg.Masters > 0 {
		r.redisArgs = []string{"--redis-cluster", "--redis-addrs", join(r.Redis.Config().Addrs)}
		return nil
	}
	if r.RedisProxy, err = pipetest.NewProxy(r.Redis.Nodes[0].Addr); err != nil {
		return err
	}
	r.redisArgs = []string{"--redis-addrs", r.RedisProxy.Listen}
	return nil
}

func (r *Rig) gateways(context.Context) (err error) {
	r.Gateways, err = openGateways(r.Dir)
	return err
}

func (r *Rig) topics(ctx context.Context) error {
	c, err := stream.New(stream.Config{Brokers: r.Kafka.Brokers(), Prefix: r.Prefix}, zerolog.Nop(), clock.Clock{}, prometheus.NewRegistry())
	if err != nil {
		return err
	}
	defer c.Close()
	replicas := 1
	if len(r.Kafka.Nodes) >= 3 {
		replicas = 3
	}
	if err := c.Apply(ctx, topic.WithDLQs(), Partitions, replicas); err != nil {
		return err
	}
	outcomes := r.Prefix + topic.Outcomes.Name
	return Await(time.Minute, func() error { // not every broker may know of the topic yet
		if err := verify.BrokersTime(ctx, r.Kafka.Brokers(), outcomes); err != nil {
			return err
		}
		return verify.HasBrokersTime(ctx, r.Kafka.Brokers(), outcomes)
	})
}

func (r *Rig) services(context.Context) error {
	names := append([]string{"ingest", "enrich", "timing", "dispatch"}, r.cfg.Beside...)
	ports, err := pipetest.Ports(len(names) + 2)
	if err != nil {
		return err
	}
	policy := filepath.Join(r.Dir, "policy.yaml")
	if err := os.WriteFile(policy, []byte(r.cfg.Policy), 0o600); err != nil {
		return err
	}
	listen := fmt.Sprintf("127.0.0.1:%d", ports[len(names)])
	r.URL = "http://" + listen
	flags := map[string][]string{
		"ingest":  {"--listen", listen},
		"enrich":  {"--checkpoint", "5s"},
		"timing":  {"--listen", "", "--checkpoint", "5s", "--policy", policy},
		"learn":   {"--every", "5s"},
		"console": {"--listen", fmt.Sprintf("127.0.0.1:%d", ports[len(names)+1])},
	}
	for i, name := range names {
		r.Services[name] = r.program(name, ports[i], flags[base(name)]...)
	}
	for name, p := range r.Services {
		if err := p.start(strings.Fields(r.cfg.Env[name])); err != nil {
			return err
		}
	}
	for _, p := range r.Services {
		if err := Await(time.Minute, p.Ready); err != nil {
			return err
		}
	}
	return nil
}

// Restart starts a dead service again, without failpoints and with the right clock.
func (r *Rig) Restart(name string) error {
	var env []string
	for e := range strings.FieldsSeq(r.cfg.Env[name]) {
		if !strings.HasPrefix(e, "KAIROS_FAILPOINTS=") && !strings.HasPrefix(e, "KAIROS_CLOCK_SKEW=") {
			env = append(env, e)
		}
	}
	return r.Services[name].start(env)
}

// Stop kills the services.
func (r *Rig) Stop() {
	for _, p := range r.Services {
		p.End(syscall.SIGKILL)
	}
}

// Close ends everything but Kafka.
func (r *Rig) Close() error {
	r.Stop()
	var err error
	if r.Gateways != nil {
		err = r.Gateways.Close()
	}
	if r.RedisProxy != nil {
		r.RedisProxy.Stop()
	}
	if r.Redis != nil {
		r.Redis.Close()
	}
	return err
}

func base(name string) string { return strings.TrimSuffix(name, "-2") }

func join(list []string) string { return strings.Join(list, ",") }
