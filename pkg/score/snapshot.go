package score

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
)

// maxWeight of a model that is believed: log-odds of 20 are one in 500 million.
const maxWeight = 20

// snapshot is a model as a record of the models topic.
type snapshot struct {
	Version   string             `json:"version"`
	CreatedAt time.Time          `json:"created_at,omitzero"`
	Seen      map[string]float64 `json:"seen"`
	Open      map[string]float64 `json:"open"`
	// Hashed lists the weights that are not 0: for each, the distance of its slot to the one before as uvarint, and
	// the weight as little-endian float32.
	Hashed []byte `json:"hashed,omitzero"`
	// Weeks are those of Model, packed.
	Weeks map[string][]byte `json:"weeks,omitempty"`
	// Learner is what learn needs to go on from here; nobody else looks into it.
	Learner []byte `json:"learner,omitzero"`
}

// Encode writes the model as a record of the models topic, with what its learner wants to find again. Weights of 0 are left
// out. The same model gives the same bytes.
func (m *Model) Encode(createdAt time.Time, learner []byte) ([]byte, error) {
	s := snapshot{
		Version: m.Version, CreatedAt: createdAt, Seen: m.Seen.byName(), Open: m.Open.byName(),
		Learner: learner,
	}
	for cohort, w := range m.Weeks {
		if s.Weeks == nil {
			s.Weeks = map[string][]byte{}
		}
		s.Weeks[cohort] = w.Packed()
	}
	next := 0
	for slot, w := range m.Hashed {
		if w != 0 {
			s.Hashed = binary.AppendUvarint(s.Hashed, uint64(slot-next))
			s.Hashed = binary.LittleEndian.AppendUint32(s.Hashed, math.Float32bits(w))
			next = slot
		}
	}
	return event.Encode(s)
}

// Parse reads a snapshot to decide by. It refuses an unknown feature, and a weight that is not finite or beyond ±20: the
// caller then keeps the model it has. A model with a feature that this program does not know is half a model: the other
// weights were learned beside those that would be missing, the bias among them, so that what is left promises chances that it
// does not have; and nobody judges it before it decides. learn does: see ParseSnapshot.
func Parse(data []byte) (*Model, error) {
	m, _, unknown, err := ParseSnapshot(data)
	if err == nil && len(unknown) > 0 {
		field, name, _ := strings.Cut(unknown[0], ".")
		return nil, fmt.Errorf("model: %s: unknown feature %q", field, name)
	}
	return m, err
}

// ParseSnapshot reads a snapshot to learn on from, with what the learner put there. Unknown features are left out and
// listed, as seen.name or open.name: what is left is only where learning begins, and what comes of it is judged first.
func ParseSnapshot(data []byte) (m *Model, learner []byte, unknown []string, err error) {
	var s snapshot
	if err := event.Decode(data, &s); err != nil {
		return nil, nil, nil, fmt.Errorf("model: %w", err)
	}
	m = &Model{Version: s.Version}
	if s.Version == "" {
		return nil, nil, nil, errors.New("model: version: is required")
	}
	seen, badSeen := m.Seen.set("seen", s.Seen)
	open, badOpen := m.Open.set("open", s.Open)
	if err := errors.Join(badSeen, badOpen, m.unpack(s.Hashed), m.unpackWeeks(s.Weeks)); err != nil {
		return nil, nil, nil, err
	}
	return m, s.Learner, append(seen, open...), nil
}

// Check says why the model cannot be believed: the rules of Parse, before it is written.
func (m *Model) Check() error {
	var errs []error
	for _, w := range []struct {
		field   string
		weights *Weights
	}{{"seen", &m.Seen}, {"open", &m.Open}} {
		for f, v := range w.weights {
			if !trusted(v) {
				errs = append(errs, distrust(w.field+"."+names[f], v))
			}
		}
	}
	for slot, v := range m.Hashed {
		if !trusted(float64(v)) {
			errs = append(errs, distrust(fmt.Sprintf("hashed[%d]", slot), float64(v)))
		}
	}
	return errors.Join(errs...)
}

// trusted says no to NaN as well.
func trusted(v float64) bool { return math.Abs(v) <= maxWeight }

func distrust(name string, v float64) error {
	return fmt.Errorf("model: %s: want a weight within ±%d, got %v", name, maxWeight, v)
}

func (w *Weights) byName() map[string]float64 {
	out := map[string]float64{}
	for f, v := range w {
		if v != 0 {
			out[names[f]] = v
		}
	}
	return out
}

// set takes in the weights of known features, and lists the others.
func (w *Weights) set(field string, from map[string]float64) (unknown []string, err error) {
	for _, name := range slices.Sorted(maps.Keys(from)) {
		f, ok := Named(name)
		if !ok {
			unknown = append(unknown, field+"."+name)
			continue
		}
		if !trusted(from[name]) {
			return nil, distrust(field+"."+name, from[name])
		}
		w[f] = from[name]
	}
	return unknown, nil
}

func (m *Model) unpackWeeks(weeks map[string][]byte) error {
	for _, cohort := range slices.Sorted(maps.Keys(weeks)) {
		w, err := profile.UnpackWeek(weeks[cohort])
		if err != nil {
			return fmt.Errorf("model: weeks: %.128q: %w", cohort, err)
		}
		if m.Weeks == nil {
			m.Weeks = map[string]*profile.Week{}
		}
		m.Weeks[cohort] = w
	}
	return nil
}

func (m *Model) unpack(packed []byte) error {
	if len(packed) == 0 {
		return nil
	}
	m.Hashed = make([]float32, 1<<HashBits)
	for slot := uint64(0); len(packed) > 0; {
		step, n := binary.Uvarint(packed)
		if n <= 0 || len(packed) < n+4 || step > 1<<HashBits {
			return errors.New("model: hashed: cut off")
		}
		if slot += step; slot >= 1<<HashBits {
			return fmt.Errorf("model: hashed: slot %d is beyond %d", slot, 1<<HashBits-1)
		}
		w := math.Float32frombits(binary.LittleEndian.Uint32(packed[n:]))
		if !trusted(float64(w)) {
			return distrust(fmt.Sprintf("hashed[%d]", slot), float64(w))
		}
		m.Hashed[slot] = w
		packed = packed[n+4:]
	}
	return nil
}
