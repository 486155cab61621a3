package push

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/kairos-push/kairos/pkg/event"
)

// AppendString appends s as a JSON string. Bytes that are not UTF-8 are refused: no provider takes them.
func AppendString(b []byte, field, s string) ([]byte, error) {
	out, err := jsontext.AppendQuote(b, s)
	if err != nil {
		return b, Refuse(ReasonBadPayload, "%s is not UTF-8", field)
	}
	return out, nil
}

// Object decodes raw JSON of a message into a map, strictly.
func Object(field string, raw event.Object) (map[string]any, error) {
	if raw.IsZero() {
		return nil, nil
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, Refuse(ReasonBadPayload, "%s: %v", field, err)
	}
	return m, nil
}

// Merge puts over on top of base: objects merge key by key, everything else replaces, null removes.
func Merge(base, over map[string]any) map[string]any {
	if base == nil {
		base = make(map[string]any, len(over))
	}
	for k, v := range over {
		if v == nil {
			delete(base, k)
			continue
		}
		if o, ok := v.(map[string]any); ok {
			if b, ok := base[k].(map[string]any); ok {
				base[k] = Merge(b, o)
				continue
			}
		}
		base[k] = v
	}
	return base
}

// Marshal encodes with sorted keys, so that one push has one payload.
func Marshal(v any) ([]byte, error) {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return nil, Refuse(ReasonBadPayload, "%v", err)
	}
	return b, nil
}
