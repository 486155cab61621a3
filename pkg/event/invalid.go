package event

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const maxValue = 200 // bytes of the offending value that an error repeats

// Invalid is one broken rule of a record. It goes back to whoever wrote the record, so it repeats what was seen; of
// addresses, tokens, titles and bodies it tells only the length, as errors are logged.
type Invalid struct {
	Field string // "delivery_window.start"; empty for the record as a whole
	Rule  string // "must have at most 128 bytes"
	Value string // what was seen: valid UTF-8, at most 200 bytes
}

// Error is `field rule (got value)`.
func (e *Invalid) Error() string {
	s := e.Rule
	if e.Field != "" {
		s = e.Field + " " + s
	}
	if e.Value != "" {
		s += " (got " + e.Value + ")"
	}
	return s
}

// Faults lists the broken rules in an error of Decode, DecodeStrict or Validate, in the order of the fields.
func Faults(err error) []Invalid {
	var out []Invalid
	switch e := err.(type) { //nolint:errorlint // the tree is walked here, wrapper by wrapper
	case nil:
	case *Invalid:
		out = append(out, *e)
	case interface{ Unwrap() []error }:
		for _, e := range e.Unwrap() {
			out = append(out, Faults(e)...)
		}
	default:
		if next := errors.Unwrap(err); next != nil {
			return Faults(next)
		}
		out = append(out, Invalid{Rule: err.Error()})
	}
	return out
}

// Rules about the form of a value, as the decoders of the value types report them.
var (
	errInteger  = errors.New("must be an integer")
	errTime     = errors.New(`must be an RFC 3339 time such as "2026-05-01T09:30:00Z"`)
	errYear     = errors.New("must lie in the years 2000 to 2100")
	errDuration = errors.New(`must be a duration such as "90m" or "24h"`)
	errLocal    = errors.New(`must be a time of day such as "22:30"`)
	errWindow   = errors.New("must have both start and end")
	errObject   = errors.New("must be an object")
	errScalar   = errors.New("must be a string or a number")
)

// explain turns a codec's error into an *Invalid: what the reader of a dead letter needs, without names of Go types.
func explain(data []byte, err error) error {
	var (
		sem *json.SemanticError
		syn *jsontext.SyntacticError
	)
	switch {
	case errors.As(err, &syn):
		rule := "must be JSON: " + strings.TrimPrefix(syn.Err.Error(), "jsontext: ")
		if errors.Is(err, jsontext.ErrDuplicateName) {
			rule = "must not be there twice"
		}
		return &Invalid{Field: fieldOf(syn.JSONPointer), Rule: rule, Value: "byte " + strconv.FormatInt(syn.ByteOffset, 10)}
	case errors.As(err, &sem):
		field := fieldOf(sem.JSONPointer)
		return &Invalid{Field: field, Rule: ruleOf(sem), Value: seen(field, valueAt(data, sem.ByteOffset))}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &Invalid{Rule: "must be JSON: it ends too early", Value: quantity(len(data))}
	default:
		return &Invalid{Rule: err.Error()}
	}
}

func ruleOf(err *json.SemanticError) string {
	for _, known := range []error{errInteger, errTime, errYear, errDuration, errLocal, errWindow, errObject, errScalar} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if errors.Is(err, json.ErrUnknownName) {
		return "is not a known member"
	}
	if err.GoType == nil {
		return "is malformed"
	}
	switch t := err.GoType; t.Kind() {
	case reflect.String:
		return "must be a string"
	case reflect.Bool:
		return "must be true or false"
	case reflect.Int, reflect.Int16, reflect.Int64:
		return errInteger.Error()
	case reflect.Float32, reflect.Float64:
		return "must be a finite number"
	case reflect.Slice, reflect.Array:
		return "must be an array"
	default:
		return errObject.Error()
	}
}

// fieldOf writes a JSON pointer the way people name fields: "cancel_on.3".
func fieldOf(p jsontext.Pointer) string {
	var b strings.Builder
	for token := range p.Tokens() {
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(token)
	}
	return clip(b.String())
}

// valueAt is the raw value that starts at offset, or what there is of it.
func valueAt(data []byte, offset int64) []byte {
	rest := bytes.TrimLeft(data[min(max(offset, 0), int64(len(data))):], " \t\r\n,:")
	if v, err := jsontext.NewDecoder(bytes.NewReader(rest)).ReadValue(); err == nil {
		return v
	}
	return rest
}

var secret = map[string]bool{"address": true, "token": true, "title": true, "body": true}

// seen is a raw value as an error repeats it.
func seen(field string, value []byte) string {
	if secret[field] {
		return quantity(len(value))
	}
	return snippet(value)
}

func snippet(b []byte) string { return clip(string(b)) }

// clip cuts s to maxValue bytes of valid UTF-8, between characters.
func clip(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), 2*maxValue)], "\uFFFD")
	if len(s) <= maxValue {
		return s
	}
	cut := maxValue - len("…")
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

func quantity(n int) string { return strconv.Itoa(n) + " bytes" }
