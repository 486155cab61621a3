package up

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/kairos-push/kairos/pkg/embedded"
	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/services/kairos/cli"
)

// startKafka starts or finds the broker and creates the topics.
func (s *System) startKafka(ctx context.Context) error {
	brokers := s.cmd.Kafka
	if s.cmd.embeddedKafka() {
		if err := s.lockData(); err != nil {
			return err
		}
		b, err := embedded.Kafka(ctx, embedded.KafkaOptions{DataDir: s.Data, Listen: s.cmd.KafkaListen, Log: s.log("kafka")})
		if err != nil {
			if errors.Is(err, syscall.EADDRINUSE) {
				return fmt.Errorf("%w\nanother broker runs there: use it with --kafka %s, or let the embedded one listen elsewhere with --kafka-listen 127.0.0.1:0", err, s.cmd.KafkaListen)
			}
			return err
		}
		s.life.Defer("embedded kafka", func(context.Context) error { b.Close(); return nil })
		brokers = []string{b.Addr}
	}
	s.Kafka = strings.Join(brokers, ",")
	cfg, err := service.Kafka{Brokers: brokers, Prefix: s.cmd.KafkaConn.Prefix, TLS: s.cmd.KafkaConn.TLS, SASL: s.cmd.KafkaConn.SASL}.Stream("kairos-up")
	if err != nil {
		return err
	}
	if s.deps.Kafka, err = stream.New(cfg, s.log("kafka"), s.deps.Clock, s.deps.Metrics); err != nil {
		return err
	}
	s.life.Defer("kafka client", func(context.Context) error { return s.deps.Kafka.Close() })
	apply, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := s.deps.Kafka.Apply(apply, cli.AllTopics(s.apps), s.cmd.Partitions, s.cmd.Replication); err != nil {
		return fmt.Errorf("kafka at %s: %w", s.Kafka, err)
	}
	return nil
}

// lockData keeps two processes from one folder. The lock goes with the process, however it ends.
func (s *System) lockData() error {
	if s.Data == "" {
		return nil
	}
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(s.Data, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errors.Join(fmt.Errorf("%s is in use by another kairos up; say --data DIR for another folder", s.Data), f.Close())
	}
	s.life.Defer("data lock", func(context.Context) error { return f.Close() })
	return nil
}

// embeddedTimeout is how long the embedded Redis may take to answer. It runs one script after the other, each a few
// hundred times slower than the real one, on a machine that may be busy; it cannot hang for any other reason.
const embeddedTimeout = time.Minute

// startRedis starts or finds Redis.
func (s *System) startRedis(ctx context.Context) error {
	addrs, timeout := s.cmd.Redis, time.Duration(0)
	if len(addrs) == 0 {
		r, err := embedded.Redis(embedded.RedisOptions{})
		if err != nil {
			return err
		}
		s.life.Defer("embedded redis", func(context.Context) error { r.Close(); return nil })
		addrs, timeout = []string{r.Addr}, embeddedTimeout
	}
	s.Redis = strings.Join(addrs, ",")
	cfg, err := service.Redis{
		Addrs: addrs, Cluster: s.cmd.RedisConn.Cluster, Username: s.cmd.RedisConn.Username, Password: s.cmd.RedisConn.Password, TLS: s.cmd.RedisConn.TLS,
	}.State()
	if err != nil {
		return err
	}
	cfg.Timeout = timeout
	if s.deps.Redis, err = state.Open(cfg); err != nil {
		return err
	}
	s.life.Defer("redis client", func(context.Context) error { return s.deps.Redis.Close() })
	if err := state.Check(ctx, s.deps.Redis); err != nil {
		return fmt.Errorf("redis at %s: %w", s.Redis, err)
	}
	return nil
}
