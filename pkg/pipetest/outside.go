package pipetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
)

// These are for programs that are no test: whoever starts servers ends them.

// OpenKafka starts a cluster that keeps its data in dir.
func OpenKafka(dir string, o KafkaOptions) (*Kafka, error) { return startKafka(dir, o) }

// OpenRedis starts servers that keep their data in dir.
func OpenRedis(dir string, o RedisOptions) (*Redis, error) { return startRedis(dir, o) }

// Restart starts a killed node again on its data. It does not wait until it serves.
func (n *KafkaNode) Restart() error { return n.proc.Start() }

// Restart starts a killed server again and waits until it answers.
func (n *RedisNode) Restart(ctx context.Context) error {
	if err := n.proc.Start(); err != nil {
		return err
	}
	return n.await(ctx)
}

// Do runs one command.
func (n *RedisNode) Do(ctx context.Context, args ...any) error { return n.do(ctx, args...) }

// LoseTail removes the last bytes of a killed server's append-only file: what a power cut loses and a kill does not.
func (n *RedisNode) LoseTail(bytes int64) error {
	files, err := filepath.Glob(filepath.Join(n.dir, "appendonlydir", "*.incr.aof"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("redis at %s has no append-only file", n.Addr)
	}
	last := files[len(files)-1]
	info, err := os.Stat(last)
	if err != nil {
		return err
	}
	return os.Truncate(last, max(0, info.Size()-bytes))
}

// Toxify makes a proxy faulty. The toxic has the name of its kind and stream.
func Toxify(p *toxiproxy.Proxy, kind, stream, attributes string) (name string, err error) {
	name = kind + "-" + stream
	_, err = p.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(
		`{"name":%q,"type":%q,"stream":%q,"toxicity":1,"attributes":%s}`, name, kind, stream, attributes)))
	return name, err
}

// Ports are ports of 127.0.0.1 that nobody listened on a moment ago.
func Ports(n int) ([]int, error) { return freePorts(n) }
