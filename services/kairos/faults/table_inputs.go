package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kairos-push/kairos/pkg/topic"
	"github.com/kairos-push/kairos/services/kairos/faults/load"
)

// apart5m puts the clocks of two instances of dispatch wrong, each in its own direction. (One that is started again is right.)
var apart5m = map[string]string{"dispatch": "KAIROS_CLOCK_SKEW=-5m", "dispatch-2": "KAIROS_CLOCK_SKEW=5m"}

// inputs that are wrong, too many, or there twice; clocks that are wrong.
func inputs() []Fault {
	out := []Fault{
		{Name: "replayed-twice", Gate: strict, Load: func(c *load.Config) { c.Twice = true }},
		{Name: "burst-10x", Gate: strict, Megabytes: 128, Load: func(c *load.Config) { c.Burst, c.Messages, c.Over = true, 600, 40*time.Second }},
		{Name: "poison", Quick: true, Gate: strict, Inject: poison},
		// The owner dies whose clock is behind: the next one believes at once that what was under way is over. The other way
		// round it waits for as long as the clocks differ.
		{Name: "clock-dispatch-kill", Gate: destroys, Beside: []string{"dispatch-2"}, Inject: slowly(kill("dispatch")), Env: apart5m},
		{Name: "clock-dispatch-rebalance", Gate: strict, Beside: []string{"dispatch-2"}, Load: longer, Inject: slowly(rebalance("dispatch-2", syscall.SIGTERM)), Env: apart5m},
	}
	for _, skew := range []string{"5m", "-5m"} {
		other := map[string]string{"5m": "-5m", "-5m": "5m"}[skew]
		out = append(out,
			Fault{Name: "clock-others" + sign(skew), Gate: strict, Env: map[string]string{
				"ingest": "KAIROS_CLOCK_SKEW=" + skew, "enrich": "KAIROS_CLOCK_SKEW=" + other, "dispatch": "KAIROS_CLOCK_SKEW=" + skew,
			}},
			Fault{
				Name: "clock-timing" + sign(skew), Gate: strict, Load: func(c *load.Config) { c.Soon = skew[0] == '-' },
				Env: map[string]string{"timing": "KAIROS_CLOCK_SKEW=" + skew},
			},
			Fault{
				Name: "clock-timing" + sign(skew) + "-set-right", Gate: strict, Inject: kill("timing"),
				Env: map[string]string{"timing": "KAIROS_CLOCK_SKEW=" + skew},
			})
	}
	return out
}

func sign(skew string) string {
	if skew[0] == '-' {
		return skew
	}
	return "+" + skew
}

// poison writes what no decoder likes to the input topics, and to those between the services.
func poison(r *run) (time.Time, error) {
	// The largest that a broker takes, and not compressed.
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.Kafka.Brokers()...), kgo.ProducerBatchMaxBytes(1_048_588), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		return time.Time{}, err
	}
	defer cl.Close()
	bad, err := corpus("pkg/event/testdata/fuzz")
	if err != nil {
		return time.Time{}, err
	}
	bad = append(bad,
		"", "null", "{", "[]", `"text"`, "\xff\xfe{}", `{"message_id":"m","message_id":"n"}`, `{"user_id":1}`, `{"message_id":"x"}`,
		strings.Repeat("[", 100_000), `{"data":`+strings.Repeat(`{"a":`, 10_000),
		text(950_000), text(1_000_000), text(1_020_000), text(1_040_000),
	)
	for round := range 3 {
		for _, t := range []topic.Topic{
			topic.InMessages, topic.InEvents, topic.InSignals, topic.InReceipts, topic.InDevices, topic.InUsers, topic.Facts, topic.Enriched, topic.Releases, topic.Attempts,
		} {
			for i, value := range bad {
				cl.Produce(r, &kgo.Record{Topic: r.Prefix + t.Name, Key: fmt.Appendf(nil, "demo|u%04d", i*round), Value: []byte(value)}, func(rec *kgo.Record, e error) {
					if e != nil {
						err = errors.Join(err, fmt.Errorf("poison %s: %w", rec.Topic, e)) // called by one goroutine
					}
				})
			}
		}
		if err := errors.Join(cl.Flush(r), err); err != nil {
			return time.Time{}, err
		}
		r.pause(2 * time.Second)
	}
	return r.clock.Now(), nil
}

// text is a record of so many bytes: a broker takes 1,048,588 and Kairos publishes no more than 1,000,000.
func text(size int) string {
	const begin, end = `{"body":"`, `"}`
	return begin + strings.Repeat("x", size-len(begin)-len(end)) + end
}

// corpus reads the inputs that fuzzing has found, from the root of the repository.
func corpus(dir string) (values []string, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("no fuzz corpus in %s: run this in the root of the repository", dir)
	}
	for _, file := range files {
		data, e := os.ReadFile(file)
		if e != nil {
			return nil, e
		}
		for line := range strings.Lines(string(data)) {
			_, arg, ok := strings.Cut(strings.TrimSuffix(strings.TrimSpace(line), ")"), "(")
			if text, e := strconv.Unquote(arg); ok && e == nil {
				values = append(values, text)
			}
		}
	}
	return values, err
}
