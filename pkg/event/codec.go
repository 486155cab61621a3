package event

import (
	"bytes"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Limits of a public record.
const (
	MaxBytes = 64 << 10 // of JSON
	MaxDepth = 16       // of nested objects and arrays, the record itself counted
)

// Validator is a public record; its pointer knows the rules that its JSON type alone does not say.
// The error joins one *Invalid per broken rule.
type Validator interface{ Validate() error }

var (
	encoding = json.Deterministic(true)
	// strict reads integers by value (1.0 is 1, as JSON Schema has it) and refuses impossible times where they are
	// written, since a zero time.Time could not be told from an absent one afterwards.
	strict = json.JoinOptions(json.RejectUnknownMembers(true), json.WithUnmarshalers(json.JoinUnmarshalers(
		json.UnmarshalFromFunc(readInt), json.UnmarshalFromFunc(readTime))))
)

// Encode writes a record as compact JSON, the same bytes for the same record.
func Encode(v any) ([]byte, error) { return json.Marshal(v, encoding) }

// Decode reads an internal record. Unknown members are ignored, so that records may grow; everything else is strict:
// names are case-sensitive, duplicate names and bad UTF-8 are errors. The error is an *Invalid.
func Decode(data []byte, v any) error {
	if err := json.Unmarshal(data, v); err != nil {
		return explain(data, err)
	}
	return nil
}

// DecodeStrict reads a public record: at most MaxBytes and MaxDepth, no unknown members, no nulls, no empty strings
// where leaving the member out is meant; then it validates. The error joins one *Invalid per fault (see Faults).
func DecodeStrict(data []byte, v Validator) error {
	if err := limits(data); err != nil {
		return err
	}
	if err := json.Unmarshal(data, v, strict); err != nil {
		return explain(data, err)
	}
	if err := blanks(data); err != nil {
		return err
	}
	return v.Validate()
}

// ParseMessages reads a record of the messages topic, which carries messages and cancels: a cancel says "type":"cancel".
// Without an error, exactly one of the two is set.
func ParseMessages(data []byte) (*Message, *Cancel, error) {
	if isCancel(data) {
		c := new(Cancel)
		if err := DecodeStrict(data, c); err != nil {
			return nil, nil, err
		}
		return nil, c, nil
	}
	m := new(Message)
	if err := DecodeStrict(data, m); err != nil {
		return nil, nil, err
	}
	return m, nil, nil
}

// isCancel looks for "type":"cancel" in the record itself. Malformed input is left for the decoder to name.
func isCancel(data []byte) bool {
	if len(data) > MaxBytes || !bytes.Contains(data, []byte(`"cancel"`)) {
		return false
	}
	dec := jsontext.NewDecoder(bytes.NewReader(data))
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != jsontext.KindBeginObject {
		return false
	}
	for {
		tok, err := dec.ReadToken()
		if err != nil || tok.Kind() != jsontext.KindString {
			return false
		}
		isType := tok.String() == "type"
		v, err := dec.ReadValue()
		if err != nil {
			return false
		}
		if isType {
			return string(v) == `"cancel"`
		}
	}
}

// limits checks size and depth before anything is parsed. Few records have more brackets than MaxDepth, so most are
// not scanned at all.
func limits(data []byte) error {
	if len(data) > MaxBytes {
		return &Invalid{Rule: "must have at most 65536 bytes", Value: quantity(len(data))}
	}
	if bytes.Count(data, []byte{'{'})+bytes.Count(data, []byte{'['}) <= MaxDepth {
		return nil
	}
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return &Invalid{Rule: "must nest at most 16 deep", Value: snippet(data[i:])}
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

// blanks refuses null and "" as the value of a member: both would read as absent, and only one way to leave something
// out is a contract. Free text may be empty; objects that Kairos only carries may hold anything.
func blanks(data []byte) error {
	if !bytes.Contains(data, []byte("null")) && !bytes.Contains(data, []byte(`""`)) {
		return nil
	}
	dec := jsontext.NewDecoder(bytes.NewReader(data))
	if dec.PeekKind() == jsontext.KindNull {
		return &Invalid{Rule: "must be an object", Value: "null"}
	}
	for {
		tok, err := dec.ReadToken()
		if err != nil {
			return nil //nolint:nilerr // the end: the record has been decoded once already
		}
		field := fieldOf(dec.StackPointer())
		name, isName := objectName(dec, tok)
		switch {
		case isName && carried[name]:
			if dec.PeekKind() != jsontext.KindNull {
				if err := dec.SkipValue(); err != nil {
					return explain(data, err)
				}
			}
		case isName:
		case tok.Kind() == jsontext.KindNull:
			return &Invalid{Field: field, Rule: "must not be null; leave it out", Value: "null"}
		case tok.Kind() == jsontext.KindString && tok.String() == "" && !freeText[field]:
			return &Invalid{Field: field, Rule: "must not be empty", Value: `""`}
		}
	}
}

var (
	carried  = map[string]bool{"data": true, "apns": true, "fcm": true, "webpush": true, "properties": true, "attributes": true}
	freeText = map[string]bool{"title": true, "body": true}
)

// objectName is tok's text if tok, just read, is the name of a member.
func objectName(dec *jsontext.Decoder, tok jsontext.Token) (string, bool) {
	kind, n := dec.StackIndex(dec.StackDepth())
	if tok.Kind() != jsontext.KindString || kind != jsontext.KindBeginObject || n%2 == 0 {
		return "", false
	}
	return tok.String(), true
}

func readInt(dec *jsontext.Decoder, n *int) error {
	v, err := dec.ReadValue()
	if err != nil {
		return err
	}
	i, ok := wholeNumber(v)
	if !ok {
		return errInteger
	}
	*n = i
	return nil
}

func readTime(dec *jsontext.Decoder, t *time.Time) error {
	tok, err := dec.ReadToken()
	if err != nil {
		return err
	}
	if tok.Kind() != jsontext.KindString || !parseTime([]byte(tok.String()), t) {
		return errTime
	}
	if !possible(*t) {
		return errYear
	}
	return nil
}

// parseTime is RFC 3339 to the letter. Package time alone also takes hours of one digit, a comma, and any offset.
func parseTime(b []byte, t *time.Time) bool {
	if t.UnmarshalText(b) != nil || b[len("2006-01-02T15")] != ':' || bytes.IndexByte(b, ',') >= 0 {
		return false
	}
	n := len(b)
	return b[n-1] == 'Z' || string(b[n-5:n-3]) <= "23" && string(b[n-2:]) <= "59"
}
