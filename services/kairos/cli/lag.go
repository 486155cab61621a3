package cli

import (
	"context"
	"strconv"
	"time"

	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// Lag is "kairos lag".
type Lag struct {
	All   bool   `help:"Every partition, also those that are not behind."`
	Apps  string `name:"apps-file" help:"Apps file, for the input topics of the apps." group:"Files"`
	Kafka `embed:""`
}

// reader is a service and what it reads.
type reader struct {
	group  string
	topics []topic.Topic
}

// readers are the consumer groups in flow order.
func readers(apps *service.Apps) []reader {
	return []reader{
		{"ingest", apps.Inputs()},
		{"enrich", []topic.Topic{topic.Facts}},
		{"timing", []topic.Topic{topic.Enriched}},
		{"dispatch", []topic.Topic{topic.Releases}},
	}
}

// Run prints how many records lie before each service.
func (l *Lag) Run(ctx context.Context, o *IO) error {
	apps, err := service.LoadApps(l.Apps)
	if err != nil {
		return err
	}
	return l.within(ctx, o, time.Minute, func(ctx context.Context, c *stream.Client) error {
		t := newTable("service", "topic", "partition", "committed", "end", "behind")
		for _, r := range readers(apps) {
			rows, err := c.Lag(ctx, r.group, r.topics)
			if err != nil {
				return err
			}
			for _, s := range summarize(rows, l.All) {
				behind := Good.Render("0")
				if s.Lag > 0 {
					behind = Warn.Render(strconv.FormatInt(s.Lag, 10))
				}
				t.Row(r.group, s.Topic, s.partition, s.committed, s.end, behind)
			}
		}
		o.Printf("%s\n", t)
		return nil
	})
}

type lagLine struct {
	stream.LagRow
	partition, committed, end string
}

// summarize makes one line of all partitions of a topic, unless each is asked for.
func summarize(rows []stream.LagRow, all bool) []lagLine {
	var out []lagLine
	for _, r := range rows {
		if all {
			committed := "none"
			if r.Committed >= 0 {
				committed = strconv.FormatInt(r.Committed, 10)
			}
			out = append(out, lagLine{r, strconv.Itoa(r.Partition), committed, strconv.FormatInt(r.High, 10)})
			continue
		}
		if n := len(out); n == 0 || out[n-1].Topic != r.Topic {
			out = append(out, lagLine{LagRow: stream.LagRow{Topic: r.Topic}})
		}
		sum := &out[len(out)-1]
		sum.Lag += r.Lag
		sum.Committed += max(r.Committed, 0)
		sum.High += r.High
		sum.Partition++
		sum.partition = "all " + strconv.Itoa(sum.Partition)
		sum.committed, sum.end = strconv.FormatInt(sum.Committed, 10), strconv.FormatInt(sum.High, 10)
	}
	return out
}
