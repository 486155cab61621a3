package service

import (
	"context"
	"fmt"
	"strings"

	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
)

// Stream is the configuration of the Kafka client that k stands for.
func (k Kafka) Stream(clientID string) (stream.Config, error) {
	tls, err := k.TLS.Client()
	if err != nil {
		return stream.Config{}, fmt.Errorf("kafka: %w", err)
	}
	return stream.Config{
		Brokers:  k.Brokers,
		Prefix:   k.Prefix,
		ClientID: clientID,
		TLS:      tls,
		SASL:     stream.SASL{Mechanism: strings.ToUpper(k.SASL.Mechanism), Username: k.SASL.Username, Password: k.SASL.Password},
	}, nil
}

// State is the configuration of the Redis client that r stands for.
func (r Redis) State() (state.Config, error) {
	tls, err := r.TLS.Client()
	if err != nil {
		return state.Config{}, fmt.Errorf("redis: %w", err)
	}
	return state.Config{Addrs: r.Addrs, Cluster: r.Cluster, Username: r.Username, Password: r.Password, TLS: tls}, nil
}

// open connects what the service needs and registers how to close it.
func open(ctx context.Context, cfg Config, name string, needRedis bool, life *Lifecycle, admin *Admin, deps Deps) (Deps, error) {
	t, flush, err := Tracer(ctx, cfg.OTLP, name)
	if err != nil {
		return deps, err
	}
	deps.Tracer = t
	life.Defer("traces", flush)

	sc, err := cfg.Kafka.Stream("kairos-" + name)
	if err != nil {
		return deps, err
	}
	if deps.Kafka, err = stream.New(sc, deps.Log, deps.Clock, deps.Metrics); err != nil {
		return deps, err
	}
	life.Defer("kafka", func(context.Context) error { return deps.Kafka.Close() })

	if needRedis {
		rc, err := cfg.Redis.State()
		if err != nil {
			return deps, err
		}
		db, err := state.Open(rc)
		if err != nil {
			return deps, err
		}
		deps.Redis = db
		life.Defer("redis", func(context.Context) error { return db.Close() })
		admin.Check("redis", func(ctx context.Context) error {
			return db.Ping(ctx).Err()
		})
	}
	return deps, nil
}
