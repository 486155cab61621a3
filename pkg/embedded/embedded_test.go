package embedded_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/embedded"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// victimDir makes the test binary a broker that writes until it is killed.
const victimDir = "KAIROS_TEST_VICTIM_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		victim(dir)
	}
	goleak.VerifyTestMain(m)
}

func client(cfg stream.Config) *stream.Client {
	c, err := stream.New(cfg, zerolog.Nop(), clock.Clock{}, prometheus.NewRegistry())
	if err != nil {
		panic(err)
	}
	return c
}

// victim prints the number of each record once it is acknowledged, and commits it for a group.
func victim(dir string) {
	ctx := context.Background()
	b, err := embedded.Kafka(ctx, embedded.KafkaOptions{DataDir: dir, SyncWrites: strings.HasSuffix(dir, "sync")})
	if err != nil {
		panic(err)
	}
	c := client(stream.Config{Brokers: []string{b.Addr}})
	if err := c.Apply(ctx, []topic.Topic{topic.Facts}, 1, 1); err != nil {
		panic(err)
	}
	go func() {
		panic(c.Consume(ctx, "g", []topic.Topic{topic.Facts}, func(ctx context.Context, p *stream.Partition) error {
			for {
				recs, err := p.Fetch(ctx)
				if err != nil {
					return err
				}
				next := recs[len(recs)-1].Offset + 1
				if err := p.Commit(next); err != nil {
					return err
				}
				fmt.Println("committed", next)
			}
		}))
	}()
	for i := 0; ; i++ {
		if err := c.Publish(ctx, []stream.Record{{Topic: topic.Facts.Name, Value: fmt.Append(nil, i)}}); err != nil {
			panic(err)
		}
		fmt.Println("acknowledged", i)
	}
}

// TestKillLosesNothing kills a process that runs the broker, at full speed, several times in a row.
func TestKillLosesNothing(t *testing.T) {
	for _, kind := range []string{"nosync", "sync"} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir() + "/" + kind
			for range 3 {
				var acked, committed int64 = -1, -1
				kill(t, dir, func(word string, n int64) (enough bool) {
					if word == "committed" {
						committed = n
					} else {
						acked = n
					}
					return acked >= 200 && committed >= 100
				})
				b, err := embedded.Kafka(t.Context(), embedded.KafkaOptions{DataDir: dir})
				require.NoError(t, err)
				c := client(stream.Config{Brokers: []string{b.Addr}})
				last := int64(-1)
				require.NoError(t, c.Read(t.Context(), topic.Facts, 0, -1, -1, func(recs []stream.Record) error {
					for _, r := range recs {
						before := last
						_, err := fmt.Sscan(string(r.Value), &last)
						require.NoError(t, err)
						if last != 0 { // a new victim begins at 0
							require.Equal(t, before+1, last)
						}
					}
					return nil
				}))
				require.GreaterOrEqual(t, last, acked)
				rows, err := c.Lag(t.Context(), "g", []topic.Topic{topic.Facts})
				require.NoError(t, err)
				require.GreaterOrEqual(t, rows[0].Committed, committed)
				require.NoError(t, c.Close())
				b.Close()
			}
		})
	}
}

// kill runs a victim and kills it as soon as it has said enough; what it said before it died counts as well.
func kill(t *testing.T, dir string, said func(word string, n int64) (enough bool)) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), victimDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	killed := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var word string
		var n int64
		if _, err := fmt.Sscan(lines.Text(), &word, &n); err != nil {
			continue // cut by the kill
		}
		if said(word, n) && !killed {
			require.NoError(t, cmd.Process.Kill())
			killed = true
		}
	}
	require.True(t, killed)
	_ = cmd.Wait()
}

func TestAdvertise(t *testing.T) {
	for listen, want := range map[string]string{"127.0.0.1:0": "127.0.0.1:", "0.0.0.0:0": "127.0.0.1:", "[::]:0": "127.0.0.1:"} {
		b, err := embedded.Kafka(t.Context(), embedded.KafkaOptions{Listen: listen})
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(b.Addr, want), "%s: %s", listen, b.Addr)
		b.Close()
	}
	b, err := embedded.Kafka(t.Context(), embedded.KafkaOptions{Advertise: "kafka.example:9092"})
	require.NoError(t, err)
	require.Equal(t, "kafka.example:9092", b.Addr)
	b.Close()
	_, err = embedded.Kafka(t.Context(), embedded.KafkaOptions{Advertise: "kafka.example"})
	require.ErrorContains(t, err, "must be host:port")
}

// TestKcat has a client that is not written in Go write and read.
func TestKcat(t *testing.T) {
	kcat, err := exec.LookPath("kcat")
	if err != nil {
		t.Skip("kcat is not installed")
	}
	b, err := embedded.Kafka(t.Context(), embedded.KafkaOptions{Listen: "0.0.0.0:0"})
	require.NoError(t, err)
	defer b.Close()
	c := client(stream.Config{Brokers: []string{b.Addr}})
	defer c.Close()
	require.NoError(t, c.Apply(t.Context(), []topic.Topic{topic.Facts}, 8, 1))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	produce := exec.CommandContext(ctx, kcat, "-P", "-b", b.Addr, "-t", topic.Facts.Name, "-K", ":", "-X", "topic.partitioner=murmur2_random")
	var lines strings.Builder
	for i := range 200 {
		fmt.Fprintf(&lines, "demo|user-%d:%d\n", i, i)
	}
	produce.Stdin = strings.NewReader(lines.String())
	out, err := produce.CombinedOutput()
	require.NoError(t, err, string(out))
	theirs := map[string]int{}
	for p := range 8 {
		require.NoError(t, c.Read(ctx, topic.Facts, p, -1, -1, func(recs []stream.Record) error {
			for _, r := range recs {
				theirs[string(r.Key)] = p
			}
			return nil
		}))
	}
	require.Len(t, theirs, 200)
	var recs []stream.Record
	for key := range theirs {
		recs = append(recs, stream.Record{Topic: topic.Facts.Name, Key: []byte(key), Value: []byte("ours")})
	}
	require.NoError(t, c.Publish(ctx, recs))
	for _, r := range recs {
		require.Equal(t, theirs[string(r.Key)], r.Partition, "librdkafka's Java-compatible partitioner")
	}
	out, err = exec.CommandContext(ctx, kcat, "-C", "-e", "-q", "-b", b.Addr, "-t", topic.Facts.Name).Output()
	require.NoError(t, err)
	require.Equal(t, 200, strings.Count(string(out), "ours"))
}
