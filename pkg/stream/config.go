package stream

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// Config of a Client. Only Brokers has no default.
type Config struct {
	// Brokers are host:port pairs to start from; the others are learned from them.
	Brokers []string
	// Prefix of every topic and group name, for example "kairos.". Several installations can share a cluster by it.
	Prefix   string
	ClientID string
	// Dial opens connections; nil is TCP. Tests pass an in-memory network.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	TLS  *tls.Config
	SASL SASL

	// MaxMessageBytes bounds a batch before compression, and so a record: below the broker's message.max.bytes
	// (1,048,588). Default 1,000,000.
	MaxMessageBytes int
	// MaxInFlightBytes bounds what all Publish calls together hold unacknowledged; a Publish beyond it waits.
	// Default 64 MiB.
	MaxInFlightBytes int64
	// FetchBytes bounds one answer of a partition, compressed; of small batches it is less. Default 1 MiB.
	FetchBytes int

	Timeouts Timeouts
}

// Timeouts of a Client; a zero field takes its default.
type Timeouts struct {
	Request   time.Duration // an answer of a broker; 10 s
	Metadata  time.Duration // how old the known layout of the cluster may get when nothing fails; 5 s
	MaxWait   time.Duration // how long a broker may hold a fetch when there is nothing new; 5 s
	Heartbeat time.Duration // of a group member; a rebalance is noticed after at most this long; 1 s
	Session   time.Duration // a member silent for so long has lost its partitions; 10 s
	Rebalance time.Duration // how long a rebalance waits for members to let go; 20 s
	Drain     time.Duration // what handlers get to finish their batch when Consume is asked to stop; 10 s
	Stall     time.Duration // a partition with lag that yields nothing for so long is reported and reconnected; 60 s
}

// SASL credentials. The zero value is no authentication.
type SASL struct {
	Mechanism string // "PLAIN", "SCRAM-SHA-256" or "SCRAM-SHA-512"
	Username  string
	Password  string
}

func (s SASL) mechanism() (sasl.Mechanism, error) {
	switch s.Mechanism {
	case "":
		return nil, nil //nolint:nilnil // kafka-go takes nil for no authentication
	case "PLAIN":
		return plain.Mechanism{Username: s.Username, Password: s.Password}, nil
	case "SCRAM-SHA-256":
		return scram.Mechanism(scram.SHA256, s.Username, s.Password)
	case "SCRAM-SHA-512":
		return scram.Mechanism(scram.SHA512, s.Username, s.Password)
	default:
		return nil, fmt.Errorf("stream: sasl mechanism %q: must be PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", s.Mechanism)
	}
}

func (cfg Config) withDefaults() Config {
	cfg.ClientID = cmp.Or(cfg.ClientID, "kairos")
	cfg.MaxMessageBytes = cmp.Or(cfg.MaxMessageBytes, 1_000_000)
	cfg.MaxInFlightBytes = cmp.Or(cfg.MaxInFlightBytes, 64<<20)
	cfg.FetchBytes = cmp.Or(cfg.FetchBytes, 1<<20)
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext
	}
	t := &cfg.Timeouts
	t.Request = cmp.Or(t.Request, 10*time.Second)
	t.Metadata = cmp.Or(t.Metadata, 5*time.Second)
	t.MaxWait = cmp.Or(t.MaxWait, 5*time.Second)
	t.Heartbeat = cmp.Or(t.Heartbeat, time.Second)
	t.Session = cmp.Or(t.Session, 10*time.Second)
	t.Rebalance = cmp.Or(t.Rebalance, 20*time.Second)
	t.Drain = cmp.Or(t.Drain, 10*time.Second)
	t.Stall = cmp.Or(t.Stall, time.Minute)
	return cfg
}

func (cfg Config) validate() error {
	switch {
	case len(cfg.Brokers) == 0:
		return errors.New("stream: brokers: at least one host:port is needed")
	case cfg.MaxMessageBytes < 1024:
		return fmt.Errorf("stream: max message bytes %d: must be at least 1024", cfg.MaxMessageBytes)
	case cfg.MaxInFlightBytes < int64(cfg.MaxMessageBytes):
		return fmt.Errorf("stream: max in flight bytes %d: must not be below the max message bytes, %d", cfg.MaxInFlightBytes, cfg.MaxMessageBytes)
	case cfg.Timeouts.Session < 2*cfg.Timeouts.Heartbeat:
		return fmt.Errorf("stream: session timeout %v: must be at least twice the heartbeat, %v", cfg.Timeouts.Session, cfg.Timeouts.Heartbeat)
	}
	for _, b := range cfg.Brokers {
		if _, _, err := net.SplitHostPort(b); err != nil {
			return fmt.Errorf("stream: broker %q: must be host:port: %w", b, err)
		}
	}
	return nil
}
