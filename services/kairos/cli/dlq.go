package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// DLQ is "kairos dlq".
type DLQ struct {
	List  DLQList  `cmd:"" help:"Which dead letter topics hold records, and why."`
	Show  DLQShow  `cmd:"" help:"The newest records of a dead letter topic, with their reasons."`
	Retry DLQRetry `cmd:"" help:"Bring records in again, with the same bytes and ids."`
}

// DLQList is "kairos dlq list".
type DLQList struct {
	Apps  string `name:"apps-file" help:"Apps file, for the input topics of the apps." group:"Files"`
	Kafka `embed:""`
}

// Run lists.
func (l *DLQList) Run(ctx context.Context, o *IO) error {
	apps, err := service.LoadApps(l.Apps)
	if err != nil {
		return err
	}
	return l.within(ctx, o, 5*time.Minute, func(ctx context.Context, c *stream.Client) error {
		t := newTable("topic", "records", "latest (UTC)", "by", "most frequent reason")
		total := 0
		for _, tp := range AllTopics(apps) {
			if !tp.IsDLQ() {
				continue
			}
			s, err := sumUp(ctx, c, tp)
			if err != nil {
				return err
			}
			if s.records == 0 {
				continue
			}
			total += s.records
			stage, reason, _ := strings.Cut(s.worst(), "\x00")
			t.Row(strings.TrimSuffix(tp.Name, ".dlq"), strconv.Itoa(s.records), s.latest.UTC().Format("2006-01-02 15:04:05"), stage, clip(reason, 90))
		}
		if total == 0 {
			o.Printf("%s no record was refused (kept for 14 days)\n", Good.Render("empty:"))
			return nil
		}
		o.Printf("%s\n\n%s\n", t, Soft.Render("kairos dlq show TOPIC"))
		return nil
	})
}

type dlqSum struct {
	records int
	latest  time.Time
	reasons map[string]int // by stage NUL reason without the value seen
}

func (s dlqSum) worst() string {
	return slices.MaxFunc(slices.Sorted(maps.Keys(s.reasons)), func(a, b string) int { return cmp.Compare(s.reasons[a], s.reasons[b]) })
}

func sumUp(ctx context.Context, c *stream.Client, t topic.Topic) (dlqSum, error) {
	s := dlqSum{reasons: map[string]int{}}
	err := readAll(ctx, c, t, func(r *stream.Record) error {
		s.records++
		if r.Time.After(s.latest) {
			s.latest = r.Time
		}
		reason, _, _ := strings.Cut(r.Header(topic.DeadReason), "\n")
		reason, _, _ = strings.Cut(reason, " (got ")
		s.reasons[r.Header(topic.DeadStage)+"\x00"+reason]++
		return nil
	})
	return s, err
}

// DLQShow is "kairos dlq show".
type DLQShow struct {
	Topic string `arg:"" help:"Topic, without prefix: in.messages.v1."`
	Last  int    `help:"How many records." default:"10"`
	Kafka `embed:""`
}

// Run shows.
func (s *DLQShow) Run(ctx context.Context, o *IO) error {
	return s.within(ctx, o, 5*time.Minute, func(ctx context.Context, c *stream.Client) error {
		var letters []letter
		err := readAll(ctx, c, deadLetters(s.Topic), func(r *stream.Record) error {
			letters = append(letters, letterOf(r))
			if len(letters) > 2*s.Last+1000 { // the newest of each partition are enough
				letters = newest(letters, s.Last)
			}
			return nil
		})
		for _, l := range newest(letters, s.Last) {
			o.Printf("%s", l.text)
		}
		if err == nil && len(letters) > 0 {
			o.Printf("%s\n", Soft.Render("kairos dlq retry "+s.Topic+" PARTITION/OFFSET…   or --all"))
		}
		return err
	})
}

// letter is what is shown of a record: the record itself may have a megabyte, of which 2,000 characters are.
type letter struct {
	at   time.Time
	text string
}

func letterOf(r *stream.Record) letter {
	return letter{r.Time, fmt.Sprintf("%s  %s  by %s, from %s/%s/%s, key %s\n  %s\n  %s\n\n",
		Bold.Render(position(r)), r.Time.UTC().Format("2006-01-02 15:04:05"),
		r.Header(topic.DeadStage), r.Header(topic.DeadTopic), r.Header(topic.DeadPartition), r.Header(topic.DeadOffset), compact(r.Key),
		Warn.Render(strings.ReplaceAll(r.Header(topic.DeadReason), "\n", "\n  ")), clip(compact(r.Value), 2000))}
}

func newest(letters []letter, n int) []letter {
	slices.SortStableFunc(letters, func(a, b letter) int { return a.at.Compare(b.at) })
	return letters[max(0, len(letters)-n):]
}

// deadLetters accepts a topic's name with or without version and suffix.
func deadLetters(name string) topic.Topic {
	name = strings.TrimSuffix(name, ".dlq")
	if !strings.HasSuffix(name, ".v1") {
		name += ".v1"
	}
	return topic.Topic{Name: name}.DLQ()
}

func position(r *stream.Record) string { return fmt.Sprintf("%d/%d", r.Partition, r.Offset) }

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
