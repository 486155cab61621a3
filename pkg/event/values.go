package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time in Go's notation: "90m", "24h".
type Duration time.Duration

// MarshalText writes the Go notation.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads the Go notation.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("want a duration such as \"90m\" or \"24h\"")
	}
	*d = Duration(v)
	return nil
}

// LocalTime is a time of day in minutes since midnight, written "HH:MM".
type LocalTime int16

// MarshalText writes "HH:MM".
func (l LocalTime) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%02d:%02d", int(l)/60, int(l)%60), nil
}

// UnmarshalText reads "HH:MM", 00:00 to 23:59.
func (l *LocalTime) UnmarshalText(b []byte) error {
	h, m, ok := strings.Cut(string(b), ":")
	hh, err1 := strconv.ParseUint(h, 10, 8)
	mm, err2 := strconv.ParseUint(m, 10, 8)
	if !ok || len(h) != 2 || len(m) != 2 || err1 != nil || err2 != nil || hh > 23 || mm > 59 {
		return errors.New("want a time of day such as \"22:30\"")
	}
	*l = LocalTime(hh*60 + mm)
	return nil
}

// Window is a span of local time; it crosses midnight when Start is after End. Start equal to End is empty.
type Window struct {
	Start LocalTime `json:"start" cbor:"1,keyasint"`
	End   LocalTime `json:"end" cbor:"2,keyasint"`
}

// Contains says whether the minute of day m lies in the window; Start is in, End is not.
func (w Window) Contains(m LocalTime) bool {
	if w.Start <= w.End {
		return w.Start <= m && m < w.End
	}
	return m >= w.Start || m < w.End
}

// Object is a JSON object that Kairos carries without looking into it.
type Object []byte

// MarshalJSON returns the object as it came.
func (o Object) MarshalJSON() ([]byte, error) {
	if len(o) == 0 {
		return []byte("{}"), nil
	}
	return o, nil
}

// UnmarshalJSON keeps a copy of the object.
func (o *Object) UnmarshalJSON(b []byte) error {
	if len(b) == 0 || b[0] != '{' {
		return errors.New("want an object")
	}
	*o = append((*o)[:0:0], b...)
	return nil
}

// IsZero says that there is no object or an empty one.
func (o Object) IsZero() bool { return len(o) == 0 || string(o) == "{}" }

// Map decodes the object.
func (o Object) Map() (map[string]any, error) {
	m := map[string]any{}
	if len(o) == 0 {
		return m, nil
	}
	if err := json.Unmarshal(o, &m); err != nil {
		return nil, err
	}
	return m, nil
}

// Scalar is a JSON string or number, as text. Signals carry one: "walking", 80, "Europe/Berlin".
type Scalar struct {
	Text   string `cbor:"1,keyasint,omitempty"`
	Number bool   `cbor:"2,keyasint,omitempty"`
}

// MarshalJSON writes the string or the number.
func (s Scalar) MarshalJSON() ([]byte, error) {
	if s.Number {
		return []byte(s.Text), nil
	}
	return json.Marshal(s.Text)
}

// UnmarshalJSON reads a string or a number.
func (s *Scalar) UnmarshalJSON(b []byte) error {
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	switch v := v.(type) {
	case string:
		*s = Scalar{Text: v}
	case float64:
		*s = Scalar{Text: string(b), Number: true}
	default:
		return errors.New("want a string or a number")
	}
	return nil
}

// IsZero says that no value was given.
func (s Scalar) IsZero() bool { return s.Text == "" && !s.Number }

// Float is the number that the scalar holds.
func (s Scalar) Float() (float64, bool) {
	if !s.Number {
		return 0, false
	}
	f, err := strconv.ParseFloat(s.Text, 64)
	return f, err == nil
}
