package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"

	"github.com/kairos-push/kairos/services/kairos/faults/rig"
)

// servers that die, forget, or are full.
func servers() []Fault {
	return []Fault{
		{Name: "kill-kafka", Quick: true, Gate: strict, Inject: func(r *run) (time.Time, error) { return r.killKafka(0, true) }},
		{Name: "kill-kafka-1-of-3", Nodes: 3, Gate: strict, Inject: func(r *run) (time.Time, error) { return r.killKafka(r.rnd.IntN(3), false) }},
		{Name: "kill-redis", Gate: strict, Inject: func(r *run) (time.Time, error) { return r.killRedis(0) }},
		{Name: "aof-tail-cut", Gate: strict, Inject: cutTail(500, 20_500)},
		{Name: "flushall", Quick: true, Gate: strict, Inject: flush},
		{Name: "cluster-kill-redis", Masters: 3, Gate: strict, Inject: func(r *run) (time.Time, error) { return r.killRedis(0) }},
		{Name: "cluster-flush-master", Masters: 3, Gate: strict, Inject: flush},
		{Name: "disk-full", Gate: strict, TmpFS: "64m", Inject: diskFull},
	}
}

// killKafka kills a node. It stays away for a while if others remain.
func (r *run) killKafka(node int, alone bool) (time.Time, error) {
	n := r.Kafka.Nodes[node]
	n.Kill()
	at := r.clock.Now()
	if alone {
		r.pause(2 * time.Second)
	} else {
		r.pause(12 * time.Second)
	}
	if err := n.Restart(); err != nil {
		return at, err
	}
	ctx, cancel := context.WithTimeout(r, 3*time.Minute)
	defer cancel()
	if err := r.Kafka.AwaitReady(ctx); err != nil {
		return at, err
	}
	if alone {
		at = r.clock.Now() // nobody recovers while there is no broker
	}
	return at, nil
}

// killRedis kills the server; power loss takes the tail of its file as well.
func (r *run) killRedis(tail int64) (time.Time, error) {
	n := r.Redis.Nodes[0]
	n.Kill()
	if tail > 0 {
		if err := n.LoseTail(tail); err != nil {
			return time.Time{}, err
		}
	}
	r.pause(time.Second)
	err := n.Restart(r)
	return r.clock.Now(), err
}

// cutTail is a power cut that loses so many bytes of Redis's file, or more.
func cutTail(least, below int64) func(*run) (time.Time, error) {
	return func(r *run) (time.Time, error) { return r.killRedis(least + r.rnd.Int64N(below-least)) }
}

// diskFull leaves Redis no room for its file for a while.
func diskFull(r *run) (time.Time, error) {
	file := filepath.Join(r.Dir, "tmpfs", "filler")
	f, err := os.Create(file)
	if err != nil {
		return time.Time{}, err
	}
	chunk := make([]byte, 64<<10)
	for err == nil {
		_, err = f.Write(chunk)
	}
	_ = f.Close()
	if err = os.WriteFile(file+"2", make([]byte, 60<<10), 0o600); err == nil { // the rest
		err = errors.New("the disk is not full")
		if os.WriteFile(file+"3", make([]byte, 64<<10), 0o600) != nil {
			err = nil
		}
	} else {
		err = nil
	}
	r.pause(6 * time.Second)
	for _, name := range []string{file, file + "2", file + "3"} {
		_ = os.Remove(name)
	}
	return r.clock.Now(), err
}

// network between the services and their servers.
func network() []Fault {
	return []Fault{
		{Name: "redis-replies-lost", Gate: strict, Inject: lostReplies(false, true, "limit_data", `{"bytes":40}`)},
		{Name: "redis-reset", Gate: strict, Inject: lostReplies(false, true, "reset_peer", `{"timeout":5}`)},
		{Name: "kafka-replies-lost", Gate: strict, Inject: lostReplies(true, false, "limit_data", `{"bytes":60}`)},
		{Name: "redis-cut", Gate: strict, Inject: cut(false, true)},
		{Name: "kafka-cut", Gate: strict, Inject: cut(true, false)},
		{Name: "latency", Gate: strict, Inject: func(r *run) (time.Time, error) {
			undo, err := r.toxic(true, true, "latency", "downstream", `{"latency":200,"jitter":100}`)
			if err != nil {
				return time.Time{}, err
			}
			r.pause(10 * time.Second)
			return r.clock.Now(), undo()
		}},
	}
}

// lostReplies breaks connections again and again when the request has been carried out and the reply is on its way.
func lostReplies(kafka, redis bool, kind, attributes string) func(*run) (time.Time, error) {
	return func(r *run) (time.Time, error) {
		for range 8 {
			undo, err := r.toxic(kafka, redis, kind, "downstream", attributes)
			if err != nil {
				return time.Time{}, err
			}
			r.pause(300 * time.Millisecond)
			if err := undo(); err != nil {
				return time.Time{}, err
			}
			r.pause(600 * time.Millisecond)
		}
		return r.clock.Now(), nil
	}
}

func cut(kafka, redis bool) func(*run) (time.Time, error) {
	return func(r *run) (time.Time, error) {
		for _, p := range r.proxies(kafka, redis) {
			p.Stop()
		}
		r.pause(6 * time.Second)
		var errs []error
		for _, p := range r.proxies(kafka, redis) {
			errs = append(errs, p.Start())
		}
		return r.clock.Now(), errors.Join(errs...)
	}
}

func (r *run) proxies(kafka, redis bool) []*toxiproxy.Proxy {
	var out []*toxiproxy.Proxy
	if kafka {
		for _, n := range r.Kafka.Nodes {
			out = append(out, n.Proxy)
		}
	}
	if redis {
		out = append(out, r.RedisProxy)
	}
	return out
}

func await(ok func() error) error { return rig.Await(time.Minute, ok) }

func all(undo []func() error) error {
	var errs []error
	for _, u := range undo {
		errs = append(errs, u())
	}
	return errors.Join(errs...)
}
