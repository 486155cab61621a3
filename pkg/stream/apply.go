package stream

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/segmentio/kafka-go"

	"github.com/kairos-push/kairos/pkg/topic"
)

// maxPartitions is the number of buckets that users are spread over: a bucket has to lie in one partition.
const maxPartitions = 256

// Mismatch says that a topic exists and is not as Kairos needs it. It is never changed silently.
type Mismatch struct{ Topic, What, Fix string }

// Error implements error.
func (e *Mismatch) Error() string { return fmt.Sprintf("topic %s: %s; %s", e.Topic, e.What, e.Fix) }

// Apply creates the topics that do not exist, each with so many partitions and replicas, and returns when all brokers
// know them. With three replicas or more a write needs two of them. A topic that exists with another cleanup policy, or
// a pipeline topic with another partition count, is a Mismatch; all of them are reported together.
func (c *Client) Apply(ctx context.Context, topics []topic.Topic, partitions, replication int) error {
	if partitions < 1 || partitions > maxPartitions || bits.OnesCount(uint(partitions)) != 1 {
		return fmt.Errorf("stream: %d partitions: must be a power of two up to %d, so that a user's bucket never lies in two of them", partitions, maxPartitions)
	}
	there, err := c.Topics(ctx)
	if err != nil {
		return err
	}
	var missing []kafka.TopicConfig
	var old []topic.Topic
	for _, t := range topics {
		if _, ok := there[t.Name]; ok {
			old = append(old, t)
		} else {
			missing = append(missing, c.topicConfig(t, partitions, replication))
		}
	}
	if err := c.create(ctx, missing); err != nil {
		return err
	}
	mismatches, err := c.compare(ctx, old, there, partitions)
	return errors.Join(append(mismatches, err)...)
}

// Topics are the partition counts of the topics that exist, by name without prefix.
func (c *Client) Topics(ctx context.Context) (map[string]int, error) {
	var there map[string]int
	err := c.retry(ctx, "list topics", func(ctx context.Context) error {
		m, err := c.admin.Metadata(ctx, &kafka.MetadataRequest{})
		if err != nil {
			return err
		}
		if len(m.Brokers) == 0 {
			return kafka.BrokerNotAvailable
		}
		there = map[string]int{}
		for _, t := range m.Topics {
			if name, ours := strings.CutPrefix(t.Name, c.cfg.Prefix); ours {
				there[name] = len(t.Partitions)
			}
		}
		return nil
	})
	return there, err
}

func (c *Client) topicConfig(t topic.Topic, partitions, replication int) kafka.TopicConfig {
	cfg := kafka.TopicConfig{Topic: c.full(t.Name), NumPartitions: partitions, ReplicationFactor: replication}
	set := func(name, value string) {
		cfg.ConfigEntries = append(cfg.ConfigEntries, kafka.ConfigEntry{ConfigName: name, ConfigValue: value})
	}
	set("cleanup.policy", cleanup(t))
	if t.Compact {
		// Two owners may have written about one user; until the journal is repaired a rebuild needs both (package fold).
		set("min.compaction.lag.ms", "3600000")
	} else {
		set("retention.ms", strconv.Itoa(t.RetentionHours*3_600_000))
	}
	if replication >= 3 {
		set("min.insync.replicas", "2")
	}
	return cfg
}

func cleanup(t topic.Topic) string {
	if t.Compact {
		return "compact"
	}
	return "delete"
}

func (c *Client) create(ctx context.Context, missing []kafka.TopicConfig) error {
	if len(missing) == 0 {
		return nil
	}
	return c.retry(ctx, "create topics", func(ctx context.Context) error {
		res, err := c.admin.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: missing})
		if err != nil {
			return err
		}
		var errs []error
		for name, err := range res.Errors {
			if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) { // another process was faster
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
		}
		return errors.Join(errs...)
	})
}

func (c *Client) compare(ctx context.Context, old []topic.Topic, there map[string]int, partitions int) (mismatches []error, err error) {
	if len(old) == 0 {
		return nil, nil
	}
	ask := &kafka.DescribeConfigsRequest{}
	for _, t := range old {
		full := c.full(t.Name)
		if n := there[t.Name]; t.Pipeline && n != partitions {
			mismatches = append(mismatches, &Mismatch{
				Topic: full, What: fmt.Sprintf("has %d partitions and not %d", n, partitions),
				Fix: fmt.Sprintf("run with %d partitions, or stop the services, drain them and recreate the pipeline topics: users would change partition while their records are under way", n),
			})
		}
		ask.Resources = append(ask.Resources, kafka.DescribeConfigRequestResource{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: full, ConfigNames: []string{"cleanup.policy"},
		})
	}
	err = c.retry(ctx, "describe topics", func(ctx context.Context) error {
		res, err := c.admin.DescribeConfigs(ctx, ask)
		if err != nil {
			return err
		}
		for _, r := range res.Resources {
			if r.Error != nil {
				return r.Error
			}
			i := slices.IndexFunc(old, func(t topic.Topic) bool { return c.full(t.Name) == r.ResourceName })
			for _, e := range r.ConfigEntries {
				if want := cleanup(old[i]); e.ConfigName == "cleanup.policy" && e.ConfigValue != want {
					mismatches = append(mismatches, &Mismatch{
						Topic: r.ResourceName, What: fmt.Sprintf("has cleanup.policy %s and not %s", e.ConfigValue, want),
						Fix: "set it with kafka-configs, or use another prefix",
					})
				}
			}
		}
		return nil
	})
	return mismatches, err
}
