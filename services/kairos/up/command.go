// Package up runs all of Kairos in one process: broker, Redis, provider gateways, every service, the page and a fleet of
// phones. Each part is what it is elsewhere; only the broker, the Redis and the gateways are embedded doubles, and the
// first two can be replaced by real ones.
package up

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/services/kairos/cli"
)

// Command is "kairos up".
type Command struct {
	Listen      string   `help:"Address of the page and the HTTP API." default:"127.0.0.1:8080" group:"Servers"`
	Kafka       []string `help:"Use these real brokers instead of the embedded one." placeholder:"HOST:PORT" group:"Servers"`
	KafkaListen string   `help:"Where the embedded broker takes other clients, such as kcat." default:"127.0.0.1:9092" group:"Servers"`
	KafkaConn   struct {
		Prefix string       `help:"Prefix of all topics and consumer groups." default:"kairos."`
		TLS    service.TLS  `embed:"" prefix:"tls-"`
		SASL   service.SASL `embed:"" prefix:"sasl-"`
	} `embed:"" prefix:"kafka-" group:"Servers"`
	Redis     []string `help:"Use this real Redis, or nodes of a cluster, instead of the embedded one." placeholder:"HOST:PORT" group:"Servers"`
	RedisConn struct {
		Cluster  bool        `help:"Redis Cluster."`
		Username string      `help:"User to log in as."`
		Password string      `help:"Password to log in with." secret:""`
		TLS      service.TLS `embed:"" prefix:"tls-"`
	} `embed:"" prefix:"redis-" group:"Servers"`
	Data        string        `help:"Folder in which the embedded broker keeps everything; \"none\" keeps nothing. Default: kairos in the user's state folder." group:"Servers"`
	Partitions  int           `help:"Partitions of each topic: a power of two up to 256." default:"8" group:"Servers"`
	Replication int           `help:"Replicas of each partition, with real brokers." default:"1" group:"Servers"`
	Fleet       int           `help:"Simulated phones that use the HTTP API and answer pushes; 0 for none." default:"25" group:"Demonstration"`
	PushLog     string        `help:"File to which every push that the sandbox gateways accept is added, one JSON line each." placeholder:"FILE" group:"Demonstration"`
	Seed        uint64        `help:"Seed of the fleet." default:"1" group:"Demonstration"`
	Policy      string        `help:"Policy file that replaces the defaults." group:"Files"`
	Apps        string        `name:"apps-file" help:"Apps to serve. Those without provider credentials push to the sandbox. Default: one app, demo." group:"Files"`
	OTLP        string        `name:"otlp-endpoint" help:"Where traces go, OTLP over HTTP." group:"Operation"`
	Drain       time.Duration `help:"How long a stop may take before the rest is cut off." default:"25s" group:"Operation"`
}

// Run starts everything, says so, and works until ctx ends.
func (c *Command) Run(ctx context.Context, o *cli.IO) error {
	s, err := Start(ctx, *c, o)
	if err != nil {
		return err
	}
	s.Banner(o)
	err = s.Wait(ctx)
	if err == nil {
		o.Printf("%s\n", cli.Soft.Render("stopped; "+s.after()))
	}
	return err
}

// embeddedKafka says whether the broker is ours.
func (c *Command) embeddedKafka() bool { return len(c.Kafka) == 0 }

// dataDir is where the broker keeps its files; empty for nowhere.
func (c *Command) dataDir() (string, error) {
	switch {
	case c.Data == "none" || !c.embeddedKafka():
		return "", nil
	case c.Data != "":
		return filepath.Abs(c.Data)
	}
	if state := os.Getenv("XDG_STATE_HOME"); state != "" {
		return filepath.Join(state, "kairos"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", errors.New("there is no home folder for the data: say --data DIR, or --data none")
	}
	return filepath.Join(home, ".local", "state", "kairos"), nil
}
