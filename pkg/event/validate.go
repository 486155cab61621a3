package event

import (
	"errors"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // the same zones on every machine that has none of its own

	"github.com/go-json-experiment/json/jsontext"
)

// rules gathers the broken rules of a record, in the order of its fields.
type rules struct{ broken []error }

func (r *rules) err() error { return errors.Join(r.broken...) }

func (r *rules) fail(field, rule, value string) {
	r.broken = append(r.broken, &Invalid{Field: field, Rule: rule, Value: value})
}

// id is a required identifier or name.
func (r *rules) id(field, v string) {
	if v == "" {
		r.fail(field, "is required", "")
		return
	}
	r.name(field, v, 128)
}

func (r *rules) required(field, v string) {
	if v == "" {
		r.fail(field, "is required", "")
	}
}

// names is a list of identifiers.
func (r *rules) names(field string, list []string, limit int) {
	if len(list) > limit {
		r.fail(field, "must have at most "+strconv.Itoa(limit)+" entries", strconv.Itoa(len(list)))
	}
	for i, v := range list {
		r.id(field+"."+strconv.Itoa(i), v)
	}
}

// name is an optional identifier: a key of Kafka and Redis, a path segment, a header; so no control characters.
func (r *rules) name(field, v string, limit int) {
	r.length(field, v, limit)
	if hasControl(v) {
		r.fail(field, "must not contain control characters", seen(field, []byte(quote(v))))
	}
}

// hasControl looks for U+0000 to U+001F and U+007F to U+009F in UTF-8.
func hasControl(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c == 0x7f || c == 0xc2 && i+1 < len(s) && s[i+1] < 0xa0 {
			return true
		}
	}
	return false
}

func (r *rules) length(field, v string, limit int) {
	if len(v) > limit {
		r.fail(field, "must have at most "+quantity(limit), quantity(len(v)))
	}
}

func (r *rules) oneOf(field, v string, allowed ...string) {
	if slices.Contains(allowed, v) {
		return
	}
	r.fail(field, "must be one of "+strings.Join(allowed, ", "), seen(field, []byte(quote(v))))
}

// maybe is oneOf for a member that may be absent.
func (r *rules) maybe(field, v string, allowed ...string) {
	if v != "" {
		r.oneOf(field, v, allowed...)
	}
}

// at is a required time.
func (r *rules) at(field string, t time.Time) {
	if t.IsZero() {
		r.fail(field, "is required", "")
		return
	}
	r.time(field, t)
}

func (r *rules) time(field string, t time.Time) {
	if !t.IsZero() && !possible(t) {
		r.fail(field, errYear.Error(), t.Format(time.RFC3339))
	}
}

// order wants first not to be after second, if both are there.
func (r *rules) order(field string, first time.Time, other string, second time.Time) {
	if !first.IsZero() && !second.IsZero() && first.After(second) {
		r.fail(field, "must not be after "+other, first.Format(time.RFC3339))
	}
}

func (r *rules) zone(field, v string) {
	if v == "" {
		return
	}
	if _, err := Zone(v); err != nil {
		r.fail(field, zoneRule, quote(v))
	}
}

func (r *rules) object(field string, o Object) {
	if x := overflow(o); x != "" {
		r.fail(field, "must hold numbers that fit 64-bit floats", clip(x))
	}
}

func (r *rules) window(field string, w *Window) {
	if w != nil && (!w.Start.valid() || !w.End.valid()) {
		r.fail(field, "must lie within 00:00 to 23:59", strconv.Itoa(int(w.Start))+", "+strconv.Itoa(int(w.End)))
	}
}

func (l LocalTime) valid() bool { return l >= 0 && l < 24*60 }

// possible times are those that a clock of our age may show, as written. How far a time may be from now is ingest's.
func possible(t time.Time) bool { return t.Year() >= 2000 && t.Year() <= 2100 }

const zoneRule = `must be an IANA time zone such as "Europe/Berlin"`

var (
	// A name of the IANA database. Go would also take "Local", and files that live beside the zones.
	zoneName = regexp.MustCompile(`^[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$`)
	zones    sync.Map // name → *time.Location, of zones that exist
)

// Zone is the time zone of an IANA name. Zones are kept, as finding one reads a file.
func Zone(name string) (*time.Location, error) {
	if loc, ok := zones.Load(name); ok {
		return loc.(*time.Location), nil
	}
	if zoneName.MatchString(name) && name != "Local" {
		if loc, err := time.LoadLocation(name); err == nil {
			zones.Store(name, loc)
			return loc, nil
		}
	}
	return nil, &Invalid{Rule: zoneRule, Value: quote(name)}
}

// wholeNumber reads a JSON number that is an integer by value: 2, 2.0, 2e0.
func wholeNumber(v jsontext.Value) (int, bool) {
	if v.Kind() != jsontext.KindNumber {
		return 0, false
	}
	if i, err := strconv.Atoi(string(v)); err == nil {
		return i, true
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int(f), true
}

// overflow finds a number in o that is too large for a float64. Whoever decodes the object later would stumble on it.
func overflow(o Object) string {
	for i := 0; i < len(o); i++ {
		switch c := o[i]; {
		case c == '"':
			for i++; i < len(o) && o[i] != '"'; i++ {
				if o[i] == '\\' {
					i++
				}
			}
		case c == '-' || '0' <= c && c <= '9':
			start := i
			for i < len(o) && strings.IndexByte("+-.eE0123456789", o[i]) >= 0 {
				i++
			}
			number := string(o[start:i])
			if _, err := strconv.ParseFloat(number, 64); err != nil {
				return number
			}
			i--
		}
	}
	return ""
}

// quote shows a string as JSON does, so that control characters can be seen.
func quote(s string) string {
	b, err := jsontext.AppendQuote(nil, clip(s))
	if err != nil {
		return clip(s)
	}
	return clip(string(b))
}
