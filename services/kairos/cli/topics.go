package cli

import (
	"context"
	"time"

	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// Topics is "kairos topics".
type Topics struct {
	Apply TopicsApply `cmd:"" help:"Create the topics that do not exist; report those that are not as they have to be."`
}

// TopicsApply is "kairos topics apply".
type TopicsApply struct {
	Partitions  int    `help:"Partitions of each topic: a power of two up to 256." default:"8"`
	Replication int    `help:"Replicas of each partition." default:"1"`
	Apps        string `name:"apps-file" help:"Apps file, for the input topics of the apps." group:"Files"`
	Kafka       `embed:""`
}

// Run creates.
func (t *TopicsApply) Run(ctx context.Context, o *IO) error {
	apps, err := service.LoadApps(t.Apps)
	if err != nil {
		return err
	}
	all := AllTopics(apps)
	return t.within(ctx, o, time.Minute, func(ctx context.Context, c *stream.Client) error {
		if err := c.Apply(ctx, all, t.Partitions, t.Replication); err != nil {
			return err
		}
		for _, tp := range all {
			if !tp.IsDLQ() {
				o.Printf("%-32s %s\n", tp.Full(t.Prefix), Soft.Render(tp.Doc))
			}
		}
		o.Printf("%s %d topics, each with its dead letter topic\n", Good.Render("there are"), len(all)/2)
		return nil
	})
}

// AllTopics are the topics of an installation, each followed by its dead letter topic: those that every installation
// has, and the input topics of its apps.
func AllTopics(apps *service.Apps) []topic.Topic {
	all := topic.WithDLQs()
	have := map[string]bool{}
	for _, t := range all {
		have[t.Name] = true
	}
	for _, t := range apps.Inputs() {
		if !have[t.Name] {
			all = append(all, t, t.DLQ())
		}
	}
	return all
}

// within is with, for at most d.
func (k Kafka) within(ctx context.Context, o *IO, d time.Duration, fn func(context.Context, *stream.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return k.With(ctx, o, fn)
}
