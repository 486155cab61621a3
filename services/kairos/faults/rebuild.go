package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/services/kairos/faults/rig"
	"github.com/kairos-push/kairos/services/kairos/faults/verify"
)

// rebuildCommand measures how long Redis takes to come back from the journals when all of it is gone.
type rebuildCommand struct {
	Users int    `help:"People, each with a phone." default:"100000"`
	Held  int    `help:"Messages held for each." default:"2"`
	Bin   string `help:"Directory with the services' programs; built if empty." type:"path" placeholder:"DIR"`
	Keep  string `help:"Directory for logs and data that are kept." type:"path" placeholder:"DIR"`
}

// probes are messages to send at once, to people in every partition, right after the loss: when the last has left, all
// partitions are back.
const probes = 200

// Run measures once.
func (c *rebuildCommand) Run(ctx context.Context) (err error) {
	s, done, err := newSuite(ctx, c.Bin, c.Keep)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	if err := s.cluster(1); err != nil {
		return err
	}
	r, err := rig.Open(ctx, s.kafka, rig.Config{Bin: s.bin, Dir: filepath.Join(s.dir, "rebuild"), Prefix: "rebuild.", Policy: policy, Env: map[string]string{}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return c.measure(ctx, r)
}

func (c *rebuildCommand) measure(ctx context.Context, r *rig.Rig) error {
	var clk clock.Clock
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.Kafka.Brokers()...), kgo.ConsumeTopics(r.Prefix+"outcomes.v1"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.MaxBufferedRecords(100_000))
	if err != nil {
		return err
	}
	defer cl.Close()
	begun := clk.Now()
	if err := c.fill(ctx, cl, r.Prefix, begun); err != nil {
		return err
	}
	want := c.Users * c.Held
	if err := count(ctx, cl, "accepted", want); err != nil {
		return err
	}
	fmt.Printf("%d people with %d held messages: in %s\n", c.Users, want, clk.Since(begun).Round(time.Second))
	if err := clk.Sleep(ctx, 15*time.Second); err != nil { // two checkpoints
		return err
	}
	lost := clk.Now()
	if err := r.Redis.Nodes[0].Do(ctx, "FLUSHALL"); err != nil {
		return err
	}
	for i := range probes {
		user := fmt.Sprintf("u%06d", i*c.Users/probes)
		produce(ctx, cl, r.Prefix+"in.messages.v1", user, map[string]any{
			"message_id": fmt.Sprintf("probe%d", i), "user_id": user, "timing": "now", "priority": "critical", "title": "probe", "data": map[string]any{"rev": "0"},
		})
	}
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	if err := count(ctx, cl, "sent", probes); err != nil {
		return err
	}
	fmt.Printf("all partitions serve again %s after FLUSHALL\n", clk.Since(lost).Round(time.Millisecond))
	return nil
}

// fill registers the people and sends their messages, to be held for hours.
func (c *rebuildCommand) fill(ctx context.Context, cl *kgo.Client, prefix string, now time.Time) error {
	for i := range c.Users {
		user := fmt.Sprintf("u%06d", i)
		produce(ctx, cl, prefix+"in.devices.v1", user, map[string]any{
			"device_id": user + "-d", "user_id": user, "platform": "android", "channel": "fcm", "address_type": "token", "address": "fcm-" + user,
			"permission": "granted", "time_zone": "Europe/Berlin", "updated_at": now.Format(time.RFC3339Nano),
		})
		for k := range c.Held {
			produce(ctx, cl, prefix+"in.messages.v1", user, map[string]any{
				"message_id": fmt.Sprintf("m%d-%06d", k, i), "user_id": user, "timing": "at", "send_at": now.Add(6 * time.Hour).Format(time.RFC3339Nano),
				"title": "Held for hours", "body": "A message of the usual size, with a title and a line or two of text.", "data": map[string]any{"rev": "0"},
			})
		}
	}
	return cl.Flush(ctx)
}

// produce is not waited for; Flush is.
func produce(ctx context.Context, cl *kgo.Client, topic, user string, record map[string]any) {
	body, _ := json.Marshal(record) // texts and times
	cl.Produce(ctx, &kgo.Record{Topic: topic, Key: []byte(user), Value: body}, nil)
}

// count reads on until there are n more rows of a type.
func count(ctx context.Context, cl *kgo.Client, typ string, n int) error {
	for n > 0 {
		fetches := cl.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%d rows %q are missing: %w", n, typ, err)
		}
		fetches.EachRecord(func(rec *kgo.Record) {
			var row verify.Row
			if json.Unmarshal(rec.Value, &row) == nil && row.Type == typ {
				n--
			}
		})
	}
	return nil
}
