package learn

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/kairos-push/kairos/pkg/score"
)

// Offsets are where the next round begins, by topic and partition.
type Offsets map[string][]int64

// Snapshot is a record of the models topic.
type Snapshot struct {
	App     string // "" is for all apps
	Version string
	Value   []byte
	// Refused says why the model is not what was learned since the last snapshot but the one before; "" if it is.
	Refused string
	verdict verdict
}

// saved is what a trainer goes on from. Weights go by the names of their features, so that those of another version of the
// score are found again or left out (Learner.LeftOut).
type saved struct {
	Through int64            `cbor:"1,keyasint"` // Unix milliseconds
	Seen    map[string]coord `cbor:"2,keyasint,omitempty"`
	Open    map[string]coord `cbor:"3,keyasint,omitempty"`
	Hashed  map[int]coord    `cbor:"4,keyasint,omitempty"`
	Visits  map[int]visits   `cbor:"8,keyasint,omitempty"` // 5 were those of all categories: compared what does not compare
	// Weeks are the tallies, by cohort.
	Weeks map[string]*tally `cbor:"9,keyasint,omitempty"`
	// Of the model of all apps only: it is written last, and so says where all of them stand.
	Offsets Offsets `cbor:"6,keyasint,omitempty"`
	Level   uint8   `cbor:"7,keyasint,omitempty"`
}

var (
	encoder = must(cbor.CoreDetEncOptions().EncMode())
	decoder = must(cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, MaxMapPairs: 1 << score.HashBits, MaxArrayElements: 1 << 16,
	}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // options that do not fit together: seen by any test
	}
	return v
}

// Round ends a round at an instant: it judges what was learned and returns the snapshots to publish, in this order. The
// last one, that of all apps, makes the round count: after a crash before it the round is learned again, but for the apps
// that are published already.
func (l *Learner) Round(end time.Time, next Offsets) ([]Snapshot, error) {
	l.sweep()
	l.recall(end)
	l.global.grow(end)
	verdict := l.global.settle(l.limits)
	var out []Snapshot
	for _, app := range slices.Sorted(maps.Keys(l.apps)) {
		t := l.apps[app]
		if t.Through.After(l.through) {
			t.prior = l.global.good
			continue
		}
		t.rebase(l.global.good)
		t.grow(end)
		v := t.settle(l.limits)
		t.Through = end
		s, err := t.snapshot(v, saved{})
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	l.through, l.global.Through = end, end
	s, err := l.global.snapshot(verdict, saved{Offsets: next, Level: l.level})
	return append(out, s), err
}

// Skip ends a round in which nothing was in the log.
func (l *Learner) Skip(end time.Time) { l.through = end }

func (t *trainer) snapshot(v verdict, s saved) (Snapshot, error) {
	s.Through, s.Visits, s.Hashed, s.Weeks = t.Through.UnixMilli(), t.visits, t.weights.Hashed, t.weeks
	s.Seen, s.Open = byName(&t.weights.Seen), byName(&t.weights.Open)
	blob, err := encoder.Marshal(s)
	if err != nil {
		return Snapshot{}, fmt.Errorf("learn: app %q: %w", t.app, err)
	}
	if err := t.name(); err != nil {
		return Snapshot{}, fmt.Errorf("learn: app %q: %w", t.app, err)
	}
	value, err := t.good.Encode(t.Through.UTC(), blob)
	if err != nil {
		return Snapshot{}, fmt.Errorf("learn: app %q: %w", t.app, err)
	}
	return Snapshot{App: t.app, Version: t.good.Version, Value: value, Refused: v.reason, verdict: v}, nil
}

// name gives the good model the hash of its content as its version.
func (t *trainer) name() error {
	if t.good.Version != "" {
		return nil
	}
	content, err := t.good.Encode(time.Time{}, nil)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	m := *t.good
	m.Version = hex.EncodeToString(sum[:6])
	t.good = &m
	return nil
}

func byName(w *[score.NumFeatures]coord) map[string]coord {
	out := map[string]coord{}
	for f, c := range w {
		if c != (coord{}) {
			out[score.Feature(f).String()] = c
		}
	}
	return out
}

// Load goes on from the newest records of the models topic, by key. It also takes a model that was put there by hand: that
// is then the good one, to learn from there. Features that the score does not know, of a record before or after this
// program, are left out and listed in LeftOut.
func Load(limits Limits, records map[string][]byte) (*Learner, Offsets, error) {
	l := NewLearner(limits)
	var offsets Offsets
	for _, app := range slices.Sorted(maps.Keys(records)) { // "" comes first
		t := l.global
		if app != "" {
			t = newTrainer(app, l.global.good)
			l.apps[app] = t
		}
		s, unknown, err := t.load(records[app])
		if err != nil {
			return nil, nil, fmt.Errorf("learn: models topic, key %q: %w", app, err)
		}
		if len(unknown) > 0 {
			l.LeftOut[app] = unknown
		}
		if app == "" {
			l.through, l.level, offsets = t.Through, s.Level, s.Offsets
		}
	}
	return l, offsets, nil
}

func (t *trainer) load(record []byte) (s saved, unknown []string, err error) {
	m, blob, unknown, err := score.ParseSnapshot(record)
	if err != nil {
		return s, nil, err
	}
	if t.good = m; len(unknown) > 0 {
		m.Version = "" // it is another model now
	}
	if len(blob) == 0 {
		t.restore()
		return s, unknown, nil
	}
	if err := decoder.Unmarshal(blob, &s); err != nil {
		return s, nil, fmt.Errorf("learner: %w", err)
	}
	if err := s.check(); err != nil {
		return s, nil, fmt.Errorf("learner: %w", err)
	}
	t.Through = time.UnixMilli(s.Through).UTC()
	maps.Copy(t.visits, s.Visits)
	maps.Copy(t.weeks, s.Weeks)
	unknown = append(unknown, take(&t.weights.Seen, "seen", s.Seen)...)
	unknown = append(unknown, take(&t.weights.Open, "open", s.Open)...)
	slices.Sort(unknown)
	unknown = slices.Compact(unknown)
	maps.Copy(t.weights.Hashed, s.Hashed)
	t.believed = t.weights.clone()
	return s, unknown, nil
}

// take finds the weights of known features again, and lists the others.
func take(w *[score.NumFeatures]coord, field string, from map[string]coord) (unknown []string) {
	for name, c := range from {
		if f, ok := score.Named(name); ok {
			w[f] = c
		} else {
			unknown = append(unknown, field+"."+name)
		}
	}
	return unknown
}

func (s *saved) check() error {
	var errs []error
	for _, kind := range []map[string]coord{s.Seen, s.Open} {
		for name, c := range kind {
			if !c.sane() {
				errs = append(errs, fmt.Errorf("%s: want finite sums, got %v, %v", name, c.Z, c.N))
			}
		}
	}
	for slot, c := range s.Hashed {
		if slot < 0 || slot >= 1<<score.HashBits || !c.sane() {
			errs = append(errs, fmt.Errorf("hashed[%d]: want a slot below %d and finite sums, got %v, %v", slot, 1<<score.HashBits, c.Z, c.N))
		}
	}
	for slot, v := range s.Visits {
		for _, n := range [...]share{v.Ignored, v.Control} {
			if slot < 0 || slot >= 1<<score.HashBits || !(n.Came >= 0 && n.Came <= n.N && n.N < 1<<53) {
				errs = append(errs, fmt.Errorf("visits[%d]: want a slot below %d and counts, got %v of %v", slot, 1<<score.HashBits, n.Came, n.N))
			}
		}
	}
	for cohort, x := range s.Weeks {
		if !x.sane() {
			errs = append(errs, fmt.Errorf("weeks: %.128q: want counts that are finite and not below 0", cohort))
		}
	}
	if s.Level > 63 {
		errs = append(errs, fmt.Errorf("level: want at most 63, got %d", s.Level))
	}
	return errors.Join(errs...)
}
