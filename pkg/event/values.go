package event

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Duration is a length of time in Go's notation: "90m", "24h".
type Duration time.Duration

// AppendText writes the Go notation.
func (d Duration) AppendText(b []byte) ([]byte, error) {
	return append(b, time.Duration(d).String()...), nil
}

// MarshalText writes the Go notation, for encoders of configuration.
func (d Duration) MarshalText() ([]byte, error) { return d.AppendText(nil) }

// UnmarshalText reads the Go notation without a sign.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil || b[0] == '-' || b[0] == '+' {
		return errDuration
	}
	*d = Duration(v)
	return nil
}

// LocalTime is a time of day in minutes since midnight, written "HH:MM".
type LocalTime int16

// AppendText writes "HH:MM".
func (l LocalTime) AppendText(b []byte) ([]byte, error) {
	h, m := byte(l/60), byte(l%60)
	return append(b, '0'+h/10, '0'+h%10, ':', '0'+m/10, '0'+m%10), nil
}

// MarshalText writes "HH:MM", for encoders of configuration.
func (l LocalTime) MarshalText() ([]byte, error) { return l.AppendText(nil) }

// UnmarshalText reads "HH:MM", 00:00 to 23:59.
func (l *LocalTime) UnmarshalText(b []byte) error {
	if len(b) != 5 || b[2] != ':' {
		return errLocal
	}
	for _, i := range []int{0, 1, 3, 4} {
		if b[i] < '0' || b[i] > '9' {
			return errLocal
		}
	}
	h, m := int(b[0]-'0')*10+int(b[1]-'0'), int(b[3]-'0')*10+int(b[4]-'0')
	if h > 23 || m > 59 {
		return errLocal
	}
	*l = LocalTime(h*60 + m)
	return nil
}

// Window is a span of local time; it crosses midnight when Start is after End. Start equal to End is empty.
type Window struct {
	Start LocalTime `json:"start" cbor:"1,keyasint"`
	End   LocalTime `json:"end" cbor:"2,keyasint"`
}

// UnmarshalJSONFrom wants both ends: an absent one must not read as midnight.
func (w *Window) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	var v struct {
		Start *LocalTime `json:"start"`
		End   *LocalTime `json:"end"`
	}
	if err := json.UnmarshalDecode(dec, &v); err != nil {
		return err
	}
	if v.Start == nil || v.End == nil {
		return errWindow
	}
	w.Start, w.End = *v.Start, *v.End
	return nil
}

// Contains says whether the minute of day m lies in the window; Start is in, End is not.
func (w Window) Contains(m LocalTime) bool {
	if w.Start <= w.End {
		return w.Start <= m && m < w.End
	}
	return m >= w.Start || m < w.End
}

// Object is a JSON object that Kairos carries without looking into it, as it was written.
type Object []byte

// MarshalJSONTo writes the object as it came.
func (o Object) MarshalJSONTo(enc *jsontext.Encoder) error {
	if len(o) == 0 {
		return enc.WriteValue(jsontext.Value("{}"))
	}
	return enc.WriteValue(jsontext.Value(o))
}

// UnmarshalJSONFrom keeps a copy of the object.
func (o *Object) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	v, err := dec.ReadValue()
	if err != nil {
		return err
	}
	if v.Kind() != jsontext.KindBeginObject {
		return errObject
	}
	*o = Object(v.Clone())
	return nil
}

// IsZero says that there is no object or an empty one.
func (o Object) IsZero() bool { return len(o) == 0 || string(o) == "{}" }

// Map decodes the object: values are nil, bool, float64, string, []any and map[string]any.
func (o Object) Map() (map[string]any, error) {
	m := map[string]any{}
	if len(o) == 0 {
		return m, nil
	}
	if err := json.Unmarshal(o, &m); err != nil {
		return nil, explain(o, err)
	}
	return m, nil
}

// Scalar is a JSON string or number, as text. Signals carry one: "walking", 80, "Europe/Berlin".
type Scalar struct {
	Text   string `cbor:"1,keyasint,omitempty"`
	Number bool   `cbor:"2,keyasint,omitempty"`
}

// MarshalJSONTo writes the string or the number.
func (s Scalar) MarshalJSONTo(enc *jsontext.Encoder) error {
	if s.Number {
		return enc.WriteValue(jsontext.Value(s.Text))
	}
	return enc.WriteToken(jsontext.String(s.Text))
}

// UnmarshalJSONFrom reads a string or a number.
func (s *Scalar) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	switch dec.PeekKind() {
	case jsontext.KindString:
		tok, err := dec.ReadToken()
		if err != nil {
			return err
		}
		*s = Scalar{Text: tok.String()}
	case jsontext.KindNumber:
		v, err := dec.ReadValue()
		if err != nil {
			return err
		}
		*s = Scalar{Text: string(v), Number: true}
	default:
		if _, err := dec.ReadValue(); err != nil {
			return err
		}
		return errScalar
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
