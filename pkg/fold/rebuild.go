package fold

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// rebuild is what is known while the states of a partition are made anew from Kafka: the newest journal record of each
// user, and the decisions that were published, which must be neither made again nor contradicted.
type rebuild struct {
	committed int64         // inputs before it have had their effects published
	seq       map[int]int64 // bucket → sequence with which it opens
	marks     map[string]int64
	journaled map[string]int64 // user → sequence of the newest journal record
	echoes    map[string][]echo
	needs     map[string]int64 // mark of the source → offset up to which a published decision has seen it
}

// echo is a decision that was published.
type echo struct {
	id    string
	topic topic.Topic
	value []byte
	cause stream.Cause // the input it came of, or came after
	seq   int64
	known bool // the journal record of the user has it
}

func newRebuild(committed int64, fences state.Fences) *rebuild {
	r := &rebuild{
		committed: committed, seq: map[int]int64{}, marks: map[string]int64{}, journaled: map[string]int64{},
		echoes: map[string][]echo{}, needs: map[string]int64{},
	}
	for b, f := range fences {
		r.seq[b] = f.Owner // rises with time, as owner numbers do
	}
	return r
}

// checkpoints begin the keys of the checkpoint records, and no user's: their app has a name.
const checkpoints = "|checkpoint|"

func checkpointKey(partition int) string { return checkpoints + strconv.Itoa(partition) }

// encodeMarks and decodeMarks are the value of a checkpoint record: JSON, {"facts.v1/3": 117}.
func encodeMarks(marks map[string]int64) ([]byte, error) { return json.Marshal(marks) }

func decodeMarks(data []byte) (map[string]int64, error) {
	marks := map[string]int64{}
	if err := json.Unmarshal(data, &marks); err != nil {
		return nil, err
	}
	for name, offset := range marks {
		if offset < 0 {
			return nil, fmt.Errorf("%.60q: offset %d is negative", name, offset)
		}
	}
	return marks, nil
}

// checkpoint takes a checkpoint record in. The one that has come furthest counts: a zombie's may be in the log later.
func (r *rebuild) checkpoint(rec *stream.Record, inputMark string) error {
	marks, err := decodeMarks(rec.Value)
	if err != nil {
		return fmt.Errorf("fold: checkpoint in %s/%d at %d: %w", rec.Topic, rec.Partition, rec.Offset, err)
	}
	if len(r.marks) == 0 || marks[inputMark] > r.marks[inputMark] {
		r.marks = marks
	}
	return nil
}

// journal takes a journal record in: the user to write, if it is the newest by sequence. Places in the log do not
// count, as a zombie's may be later.
func (r *rebuild) journal(rec *stream.Record, fences state.Fences) (bucket int, u state.User, newest bool, err error) {
	u = state.User{Key: string(rec.Key)}
	bucket, seq, ok, err := parseFence(rec)
	switch {
	case err != nil:
		return 0, u, false, err
	case !ok:
		return 0, u, false, fmt.Errorf("fold: journal record in %s/%d at %d: header %s is missing", rec.Topic, rec.Partition, rec.Offset, headerFence)
	case fences[bucket] == nil:
		return 0, u, false, nil // of another partition since there are more of them
	}
	if have, seen := r.journaled[u.Key]; seen && have > seq {
		return bucket, u, false, nil
	}
	r.journaled[u.Key] = seq
	r.seq[bucket] = max(r.seq[bucket], seq+1)
	if len(rec.Value) > 0 {
		b, err := state.DecodeHeader(rec.Value)
		if err != nil {
			return 0, u, false, fmt.Errorf("fold: journal record in %s/%d at %d: %w", rec.Topic, rec.Partition, rec.Offset, err)
		}
		u.Due, u.Blob = b.Due, rec.Value
		state.Relive(u.Blob, fences[bucket].Life)
	}
	return bucket, u, true, nil
}

// ours says whether a record of an echo topic is a decision of this stage and these buckets.
func ours(rec *stream.Record, stage string, fences state.Fences) (bucket int, seq int64, ok bool, err error) {
	if rec.Header(stream.HeaderSource) != sourceName(stage) {
		return 0, 0, false, nil
	}
	bucket, seq, ok, err = parseFence(rec)
	return bucket, seq, ok && fences[bucket] != nil, err
}

// echo takes a published decision in, unless the user's journal record is newer. The journal has been read.
func (r *rebuild) echo(rec *stream.Record, t topic.Topic, stage string, fences state.Fences) error {
	bucket, seq, ok, err := ours(rec, stage, fences)
	if err != nil || !ok {
		return err
	}
	key := string(rec.Key)
	r.seq[bucket] = max(r.seq[bucket], seq+1)
	e := echo{id: rec.Header(stream.HeaderID), topic: t, value: rec.Value, seq: seq}
	if text := rec.Header(stream.HeaderCause); text != "" {
		if e.cause, err = stream.ParseCause(text); err != nil {
			return err
		}
		mark := state.Mark(e.cause.Topic, e.cause.Partition)
		r.needs[mark] = max(r.needs[mark], e.cause.Offset+1)
	}
	have := r.journaled[key]
	twice := slices.ContainsFunc(r.echoes[key], func(o echo) bool { return o.id == e.id })
	if seq < have || twice {
		return nil
	}
	e.known = seq == have
	r.echoes[key] = append(r.echoes[key], e)
	slices.SortStableFunc(r.echoes[key], func(a, b echo) int { return int(a.seq - b.seq) })
	return nil
}

// unpublished takes out of an outbox what was published.
func (r *rebuild) unpublished(key string, outbox []state.Pending) []state.Pending {
	return slices.DeleteFunc(outbox, func(e state.Pending) bool {
		return slices.ContainsFunc(r.echoes[key], func(o echo) bool { return o.id == e.ID })
	})
}

// decided says whether a decision that the replay comes to was published, and needs no telling then.
func (r *rebuild) decided(key, id string) bool {
	i := slices.IndexFunc(r.echoes[key], func(e echo) bool { return e.id == id })
	if i < 0 {
		return false
	}
	r.echoes[key][i].known = true
	return true
}

// before gives the decisions that the user's state must take in before an input: those that came of earlier ones and
// that the replay did not come to itself, for example because a wake-up made them.
func (r *rebuild) before(key string, next stream.Cause) []echo {
	return r.take(key, func(e echo) bool { return e.cause.Partition == next.Partition && e.cause.Offset < next.Offset })
}

// rest gives the decisions that are left for a user after the replay.
func (r *rebuild) rest(key string) []echo { return r.take(key, func(echo) bool { return true }) }

func (r *rebuild) take(key string, which func(echo) bool) []echo {
	var out []echo
	for i := range r.echoes[key] {
		if e := &r.echoes[key][i]; !e.known && which(*e) {
			e.known = true
			out = append(out, *e)
		}
	}
	return out
}

// left are the users with decisions that no input has brought up.
func (r *rebuild) left() []string {
	var keys []string
	for key, es := range r.echoes {
		if slices.ContainsFunc(es, func(e echo) bool { return !e.known }) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// seen says whether the last owner has certainly applied an input: it committed it, or published a decision that came after
// it. What it has not may be dated with the present: of its rows some may have been said already, with a later time than its
// own.
func (r *rebuild) seen(offset int64, source stream.Cause) bool {
	return offset < r.committed || source.Offset < r.needs[state.Mark(source.Topic, source.Partition)]
}

// reached says whether the replay has seen every input that a published decision had seen.
func (r *rebuild) reached(marks map[string]int64) bool {
	for mark, offset := range r.needs {
		if marks[mark] < offset {
			return false
		}
	}
	return true
}

func (p *partition[S, I]) reconcile(u *user[S], echoes []echo) {
	for _, e := range echoes {
		u.state = p.stage.Reconcile(u.state, e.topic, e.value)
	}
}
