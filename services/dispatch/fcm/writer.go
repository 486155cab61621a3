package fcm

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/kairos-push/kairos/services/dispatch/push"
)

// writer appends JSON. It counts what the device gets, by which Google limits a message: the names and values of data,
// notifications and payloads.
type writer struct {
	b    []byte
	size int
	err  error
}

func (w *writer) raw(s string) { w.b = append(w.b, s...) }

// name of a member, behind a comma unless it is the first.
func (w *writer) name(name string) {
	if w.b[len(w.b)-1] != '{' {
		w.raw(",")
	}
	w.raw(`"`)
	w.raw(name)
	w.raw(`":`)
}

func (w *writer) object(name string) {
	w.name(name)
	w.raw("{")
}

// attr is a member that does not count.
func (w *writer) attr(name, value string) {
	if value == "" || w.err != nil {
		return
	}
	w.name(name)
	w.b, w.err = push.AppendString(w.b, name, value)
}

// text is a member that counts.
func (w *writer) text(name, value string) {
	if value != "" {
		w.attr(name, value)
		w.size += len(name) + len(value)
	}
}

func (w *writer) number(name, value string) {
	w.name(name)
	w.raw(value)
	w.size += len(name) + len(value)
}

// own writes the message's data. FCM takes strings only, so other values travel as JSON text. The names that Kairos
// needs itself are left out.
func (w *writer) own(p *push.Push) {
	dec := jsontext.NewDecoder(bytes.NewReader(p.Message.Data))
	open, err := dec.ReadToken()
	if err == nil && open.Kind() != jsontext.KindBeginObject {
		err = fmt.Errorf("not an object")
	}
	for err == nil && dec.PeekKind() == jsontext.KindString {
		var key jsontext.Token
		var v jsontext.Value
		if key, err = dec.ReadToken(); err != nil {
			break
		}
		name := key.String()
		if v, err = dec.ReadValue(); err == nil {
			w.item(name, v, p)
		}
	}
	if err == nil {
		_, err = dec.ReadToken()
	}
	if err != nil && w.err == nil {
		w.err = push.Refuse(push.ReasonBadPayload, "data: %v", err)
	}
}

// reserved says that Google keeps a name in data for itself.
func reserved(name string) bool {
	return name == "from" || name == "message_type" || strings.HasPrefix(name, "google.") || strings.HasPrefix(name, "gcm.")
}

func (w *writer) item(name string, v jsontext.Value, p *push.Push) {
	switch {
	case w.err != nil, strings.HasPrefix(name, "kairos_"), name == "deep_link" && p.Message.DeepLink != "":
		return
	case reserved(name):
		w.err = push.Refuse(push.ReasonBadPayload, "data.%.100s: FCM keeps this name for itself", name)
		return
	}
	var text []byte
	if v.Kind() == jsontext.KindString {
		text, w.err = jsontext.AppendUnquote(nil, v)
	} else {
		w.err = v.Compact()
		text = v
	}
	if w.err != nil {
		return
	}
	if w.b[len(w.b)-1] != '{' {
		w.raw(",")
	}
	if w.b, w.err = jsontext.AppendQuote(w.b, name); w.err != nil {
		return
	}
	w.raw(":")
	w.b, w.err = jsontext.AppendQuote(w.b, text)
	w.size += len(name) + len(text)
}

// payloadSize counts as writer does, for a message that overrides were merged into.
func payloadSize(msg map[string]any) int {
	n := weigh(msg["data"]) + weigh(msg["notification"])
	for _, k := range []string{"android", "apns", "webpush"} {
		if part, ok := msg[k].(map[string]any); ok {
			n += weigh(part["data"]) + weigh(part["notification"]) + weigh(part["payload"])
		}
	}
	return n
}

func weigh(v any) int {
	switch v := v.(type) {
	case nil:
		return 0
	case string:
		return len(v)
	case map[string]any:
		n := 0
		for k, e := range v {
			n += len(k) + weigh(e)
		}
		return n
	case []any:
		n := 0
		for _, e := range v {
			n += weigh(e)
		}
		return n
	default:
		return len(fmt.Sprint(v))
	}
}
