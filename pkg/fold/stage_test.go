package fold

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"testing"
	"time"

	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/topic"
)

func TestMain(m *testing.M) { pipetest.Main(m) }

// order is an input of the test stage: hold an item until a time, or cancel it.
type order struct {
	N      int    `json:"n"` // rises by one with each input of a user
	Item   string `json:"item"`
	Due    int64  `json:"due,omitzero"` // Unix milliseconds
	Cancel bool   `json:"cancel,omitzero"`
}

// book is the state of the test stage.
type book struct {
	Held  map[string]int64  `json:"held"`
	Ended map[string]string `json:"ended"` // item → what was decided
	Seen  int               `json:"seen"`
	Hash  uint64            `json:"hash"` // of all inputs in their order
	Wrong string            `json:"wrong,omitzero"`
}

type verdict struct {
	Item string `json:"item"`
	How  string `json:"how"`
}

const (
	released  = "released"
	cancelled = "cancelled"
	told      = "told-" // begins the id of a decision's row
)

// orders is a stage like timing in small: holds, wake-ups, cancels, decisions that must be made once. Every input, too,
// releases what is due.
func orders() Stage[*book, order] {
	return Stage[*book, order]{
		Name: "orders", Input: topic.Enriched, Source: topic.Facts, Journal: topic.Holds,
		Acts: topic.Releases, Echo: []topic.Topic{topic.Releases},
		New: func(string) *book { return &book{Held: map[string]int64{}, Ended: map[string]string{}} },
		Decode: func(value []byte) (order, error) {
			var o order
			err := json.Unmarshal(value, &o)
			return o, err
		},
		EncodeState: func(b *book) ([]byte, error) { return json.Marshal(b) },
		DecodeState: func(data []byte) (*book, error) {
			b := &book{}
			return b, json.Unmarshal(data, b)
		},
		Step: func(b *book, o order, now time.Time) (*book, []Effect) {
			b.take(o)
			var out []Effect
			switch _, held := b.Held[o.Item]; {
			case o.Cancel && held:
				out = append(out, b.end(o.Item, cancelled)...)
			case o.Cancel && b.Ended[o.Item] == "":
				b.Ended[o.Item] = "forbidden"
			case o.Cancel || held || b.Ended[o.Item] != "":
			default:
				b.Held[o.Item] = o.Due
				out = append(out, Effect{Topic: topic.Outcomes, ID: "accepted-" + o.Item, Type: "accepted", Value: verdict{o.Item, "accepted"}})
			}
			return b, append(out, b.release(now)...)
		},
		Wake: func(b *book, now time.Time) (*book, []Effect) { return b, b.release(now) },
		Due: func(b *book) time.Time {
			var due time.Time
			for _, ms := range b.Held {
				if t := time.UnixMilli(ms); due.IsZero() || t.Before(due) {
					due = t
				}
			}
			return due
		},
		Reconcile: func(b *book, _ topic.Topic, value []byte) *book {
			var v verdict
			if err := json.Unmarshal(value, &v); err != nil {
				b.Wrong = err.Error()
				return b
			}
			delete(b.Held, v.Item)
			b.Ended[v.Item] = v.How
			return b
		},
	}
}

func (b *book) take(o order) {
	if o.N != b.Seen+1 {
		b.Wrong = fmt.Sprintf("input %d after %d", o.N, b.Seen)
	}
	b.Seen = o.N
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %v", b.Hash, o)
	b.Hash = h.Sum64()
}

// end decides, and says so in a row that must be in the log before the decision is.
func (b *book) end(item, how string) []Effect {
	delete(b.Held, item)
	b.Ended[item] = how
	return []Effect{
		{Topic: topic.Releases, ID: how + "-" + item, Type: how, Value: verdict{item, how}, Once: true},
		{Topic: topic.Outcomes, ID: told + how + "-" + item, Type: how, Value: verdict{item, how}, Once: true},
	}
}

// release ends what is due.
func (b *book) release(now time.Time) (out []Effect) {
	for _, item := range b.items() {
		if b.Held[item] <= now.UnixMilli() {
			out = append(out, b.end(item, released)...)
		}
	}
	return out
}

func (b *book) items() []string {
	var items []string
	for item := range b.Held {
		items = append(items, item)
	}
	slices.Sort(items)
	return items
}

// usersIn finds n users whose key lies in partition id of so many, in more than one bucket.
func usersIn(id, partitions, n int) []string {
	var keys []string
	perBucket := map[int]int{}
	for i := 0; len(keys) < n; i++ {
		k := fmt.Sprintf("app|u%d", i)
		if b := state.Bucket(k); b%partitions == id && perBucket[b] <= n/2 {
			perBucket[b]++
			keys = append(keys, k)
		}
	}
	return keys
}
