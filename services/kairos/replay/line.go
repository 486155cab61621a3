package replay

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/kairos-push/kairos/pkg/event"
)

// Topics that a line may name beside the input topics of apps.
const topicClock = "clock"

// Topics are the values of a line's "topic", in the order of the design.
var Topics = []string{"messages", "events", "signals", "receipts", "devices", "users", topicClock}

// Line is one line of input: which topic it would come by, when it comes, and the public record as the app wrote it.
type Line struct {
	Topic  string
	At     time.Time
	Record []byte
}

// ParseLine takes "topic" and "at" out of one line. What is left is the record; whether it is a good one is for
// ingest to say. The error names the member that is wrong: an *event.Invalid.
func ParseLine(raw []byte) (Line, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(raw))
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return Line{}, &event.Invalid{Rule: "must be a JSON object"}
	}
	var line Line
	var at string
	record := append(make([]byte, 0, len(raw)), '{')
	for dec.PeekKind() == '"' {
		tok, err := dec.ReadToken()
		if err != nil {
			return Line{}, &event.Invalid{Rule: "must be JSON: " + err.Error()}
		}
		name := tok.String()
		value, err := dec.ReadValue()
		if err != nil {
			return Line{}, &event.Invalid{Rule: "must be JSON: " + err.Error()}
		}
		switch name {
		case "topic":
			line.Topic, err = text(name, value)
		case "at":
			at, err = text(name, value)
		default:
			if len(record) > 1 {
				record = append(record, ',')
			}
			record, err = jsontext.AppendQuote(record, name)
			record = append(append(record, ':'), value...)
		}
		if err != nil {
			return Line{}, err
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return Line{}, &event.Invalid{Rule: "must be JSON: " + err.Error()}
	}
	if len(bytes.TrimSpace(raw[dec.InputOffset():])) > 0 {
		return Line{}, &event.Invalid{Rule: "must be one JSON value"}
	}
	line.Record = append(record, '}')
	if !slices.Contains(Topics, line.Topic) {
		return Line{}, &event.Invalid{Field: "topic", Rule: "must be one of " + strings.Join(Topics, ", "), Value: clip(line.Topic)}
	}
	t, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return Line{}, &event.Invalid{Field: "at", Rule: "must be an RFC 3339 time", Value: clip(at)}
	}
	line.At = t.UTC()
	return line, nil
}

// text reads a JSON string.
func text(name string, value jsontext.Value) (string, error) {
	s, err := jsontext.AppendUnquote(nil, value)
	if err != nil || value.Kind() != '"' {
		return "", &event.Invalid{Field: name, Rule: "must be a string", Value: clip(string(value))}
	}
	return string(s), nil
}

// clip cuts what an error repeats.
func clip(s string) string { return strings.ToValidUTF8(s[:min(len(s), 200)], "") }
