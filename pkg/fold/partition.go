package fold

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/kairos-push/kairos/pkg/fold/failpoint"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
)

// partition is what the owner of a partition knows: the pure half of the shell. It says what to publish and to store;
// owner does it. After an error, or a step that was not carried out, it is thrown away.
type partition[S, I any] struct {
	stage  *Stage[S, I]
	id     int
	fences state.Fences
	cache  *cache[*user[S]]
	due    *dues
	// marks: topic/partition → offset before which everything is in the states of all buckets. For the input it is
	// where to go on, for an echo topic where decisions may be that the last checkpoint does not know.
	marks map[string]int64
	// dirty are the users that changed since the last checkpoint, published those whose outbox is published and still
	// in Redis.
	dirty     map[string]struct{}
	published map[string]struct{}
	said      map[stream.Cause]time.Time // see heard
	rebuild   *rebuild                   // nil while running
}

func newPartition[S, I any](stage *Stage[S, I], id, cached int, fences state.Fences) *partition[S, I] {
	return &partition[S, I]{
		stage: stage, id: id, fences: fences, cache: newCache[*user[S]](cached), due: newDues(),
		marks: map[string]int64{}, dirty: map[string]struct{}{}, published: map[string]struct{}{},
		said: map[stream.Cause]time.Time{},
	}
}

// resume takes over the marks that all buckets agree on.
func (p *partition[S, I]) resume(committed int64) {
	for _, f := range p.fences {
		for name := range f.Marks {
			low := f.Marks[name]
			for _, other := range p.fences {
				low = min(low, other.Marks[name])
			}
			p.marks[name] = low
		}
	}
	p.marks[p.inputMark()] = max(committed, 0)
}

func (p *partition[S, I]) inputMark() string { return state.Mark(p.stage.Input.Name, p.id) }

// next is the offset of the input to go on with.
func (p *partition[S, I]) next() int64 { return p.marks[p.inputMark()] }

// heard takes in when an owner that did not come to store it applied an input: the time of the first row that it published.
// Who applies the input again does not go back behind that, or the rows that follow would be earlier than those before.
func (p *partition[S, I]) heard(r *stream.Record) error {
	text := r.Header(stream.HeaderCause)
	if text == "" || r.Header(stream.HeaderSource) != sourceName(p.stage.Name) {
		return nil
	}
	cause, err := stream.ParseCause(text)
	if err != nil {
		return err
	}
	f := p.fences[state.Bucket(string(r.Key))]
	if _, known := p.said[cause]; !known && f != nil && cause.Offset >= f.Marks[state.Mark(cause.Topic, cause.Partition)] {
		p.said[cause] = r.Time
	}
	return nil
}

// input is a decoded record that its bucket has not applied.
type input[I any] struct {
	rec    *stream.Record
	key    string
	value  I
	source stream.Cause // by which duplicates are told
}

// batch is what a fetch comes to.
type batch[I any] struct {
	inputs  []input[I]
	dead    []stream.Record
	dropped int
	marks   map[string]int64 // after the batch
}

// read decodes records, drops what is applied and turns what cannot be applied into dead letters.
func (p *partition[S, I]) read(recs []stream.Record) batch[I] {
	b := batch[I]{inputs: make([]input[I], 0, len(recs)), marks: map[string]int64{}}
	for i := range recs {
		r := &recs[i]
		b.marks[p.inputMark()] = r.Offset + 1
		in, err := p.decode(r)
		if err != nil {
			if p.rebuild == nil || r.Offset >= p.rebuild.committed {
				b.dead = append(b.dead, stream.DeadLetter(r, p.stage.Name, err.Error()))
			}
			continue
		}
		mark := state.Mark(in.source.Topic, in.source.Partition)
		b.marks[mark] = max(b.marks[mark], in.source.Offset+1)
		have := p.fences[state.Bucket(in.key)].Marks
		if (in.source.Offset < have[mark] || r.Offset < have[p.inputMark()]) && !failpoint.Off(failpoint.Cause) {
			b.dropped++
			continue
		}
		b.inputs = append(b.inputs, in)
	}
	return b
}

func (p *partition[S, I]) decode(r *stream.Record) (input[I], error) {
	in := input[I]{rec: r, key: string(r.Key), source: stream.CauseOf(r)}
	if len(r.Key) == 0 {
		return in, errors.New("key: must be app|user, got none")
	}
	if _, mine := p.fences[state.Bucket(in.key)]; !mine {
		return in, fmt.Errorf("key: belongs to another partition than %d, by the Java client's murmur2", p.id)
	}
	if p.stage.Source.Name != "" {
		var err error
		if in.source, err = stream.ParseCause(r.Header(stream.HeaderCause)); err != nil {
			return in, err
		}
		if in.source.Topic != p.stage.Source.Name {
			return in, fmt.Errorf("header %s: must name a record of %s, got %.60q", stream.HeaderCause, p.stage.Source.Name, in.source.String())
		}
	}
	value, err := p.stage.Decode(r.Value)
	in.value = value
	return in, err
}

// keys of the inputs, each once.
func (b *batch[I]) keys() []string {
	seen := make(map[string]struct{}, len(b.inputs))
	for _, in := range b.inputs {
		seen[in.key] = struct{}{}
	}
	return slices.Collect(maps.Keys(seen))
}

// cached gives the users that are in the cache, and the keys of those that must be loaded.
func (p *partition[S, I]) cached(keys []string) (users map[string]*user[S], missing []string) {
	users = make(map[string]*user[S], len(keys))
	for _, k := range keys {
		if u, ok := p.cache.get(k); ok {
			users[k] = u
		} else {
			missing = append(missing, k)
		}
	}
	return users, missing
}

// admit takes loaded blobs in.
func (p *partition[S, I]) admit(users map[string]*user[S], missing []string, blobs map[string][]byte) error {
	for _, k := range missing {
		u, err := p.unpack(k, blobs[k])
		if err != nil {
			return err
		}
		if p.rebuild != nil {
			u.outbox = p.rebuild.unpublished(k, u.outbox)
		}
		users[k] = u
	}
	return nil
}

// takeDue gives up to n users that are due. They are no longer in the heap: their plan puts them back.
func (p *partition[S, I]) takeDue(now time.Time, n int) []string {
	items := p.due.take(now, n)
	keys := make([]string, len(items))
	for i, it := range items {
		keys[i] = it.key
	}
	return keys
}
