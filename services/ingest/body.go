package ingest

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/event"
)

// Limits of a request; each record has those of package event besides.
const (
	maxBody    = 8 << 20 // bytes, also after decompression
	maxRecords = 500
	// bodyWithin bounds the wait for a body, which holds its room meanwhile: the largest one at 280 kB/s.
	bodyWithin = 30 * time.Second
)

// withBody reads the body of a request into room that is held until it is answered.
func (s *Ingest) withBody(h func(w http.ResponseWriter, r *http.Request, app App, body []byte) *problem) handler {
	return func(w http.ResponseWriter, r *http.Request, app App) *problem {
		// Of the machine's clock, as connections are. A writer without deadlines has no client to wait for.
		conn := http.NewResponseController(w)
		_ = conn.SetReadDeadline(clock.Clock{}.Now().Add(bodyWithin))
		held, p := s.admit(r)
		if p != nil {
			return p
		}
		defer s.gate.leave(held)
		body, p := readBody(w, r)
		if p != nil {
			return p // and the deadline stays: the server reads on to the body's end before it answers
		}
		_ = conn.SetReadDeadline(time.Time{})
		return h(w, r, app, body)
	}
}

// admit takes room for the request's body before it is read.
func (s *Ingest) admit(r *http.Request) (held int64, p *problem) {
	held = r.ContentLength
	if held > maxBody {
		return 0, tooLarge()
	}
	if held < 0 || r.Header.Get("Content-Encoding") != "" {
		held = maxBody // not known before it is read
	}
	if !s.gate.enter(held) {
		s.metrics.shed.Inc()
		return 0, &problem{Status: http.StatusTooManyRequests, Detail: "too much is waiting to be written; nothing of this request was taken", retryAfter: 1}
	}
	return held, nil
}

func tooLarge() *problem {
	return &problem{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("a request may have %d bytes", maxBody)}
}

// readBody reads JSON, plain or gzip.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *problem) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		w.Header().Set("Accept-Post", "application/json")
		return nil, &problem{Status: http.StatusUnsupportedMediaType, Detail: "Content-Type: want application/json"}
	}
	var body io.Reader = http.MaxBytesReader(w, r.Body, maxBody)
	switch r.Header.Get("Content-Encoding") {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, &problem{Status: http.StatusBadRequest, Detail: "Content-Encoding: the body is not gzip"}
		}
		body = z
	default:
		w.Header().Set("Accept-Encoding", "gzip, identity")
		return nil, &problem{Status: http.StatusUnsupportedMediaType, Detail: "Content-Encoding: want gzip or none"}
	}
	data, err := io.ReadAll(io.LimitReader(body, maxBody+1))
	if tooMany := (*http.MaxBytesError)(nil); errors.As(err, &tooMany) || len(data) > maxBody {
		return nil, tooLarge()
	}
	if err != nil {
		return nil, &problem{Status: http.StatusBadRequest, Detail: fmt.Sprintf("the body could not be read to its end within %s", bodyWithin)}
	}
	return data, nil
}

// lenient leaves duplicate names and bad UTF-8 to the check of each record, so that one bad item does not fail its array.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// split takes the records out of a body that is one object or an array. What is not JSON at all has no records.
func split(body []byte) (records [][]byte, array bool, p *problem) {
	dec := jsontext.NewDecoder(bytes.NewReader(body), lenient...)
	if dec.PeekKind() != jsontext.KindBeginArray {
		return [][]byte{body}, false, nil
	}
	_, err := dec.ReadToken()
	for err == nil && dec.PeekKind() != jsontext.KindEndArray {
		var v jsontext.Value
		if v, err = dec.ReadValue(); err == nil {
			records = append(records, v.Clone())
		}
		if len(records) > maxRecords {
			return nil, true, &problem{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("an array may have %d records", maxRecords)}
		}
	}
	if err == nil {
		_, err = dec.ReadToken()
	}
	if err == nil {
		if _, err = dec.ReadToken(); err == io.EOF { //nolint:errorlint // the decoder returns it bare
			err = nil
		} else if err == nil {
			err = errors.New("data after the array")
		}
	}
	switch {
	case err != nil:
		return nil, true, &problem{Status: http.StatusBadRequest, Detail: "the body is not JSON: " + clip(err.Error())}
	case len(records) == 0:
		return nil, true, &problem{Status: http.StatusBadRequest, Detail: "the array is empty"}
	}
	return records, true, nil
}

// withMember returns an object with the member set if it is not there, and the member's value, "" if it is no string.
func withMember(object []byte, name, value string) (out []byte, given string, isObject bool) {
	dec := jsontext.NewDecoder(bytes.NewReader(object), lenient...)
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != jsontext.KindBeginObject {
		return object, "", false
	}
	start := dec.InputOffset()
	empty := dec.PeekKind() == jsontext.KindEndObject
	for {
		tok, err := dec.ReadToken()
		if err != nil {
			return object, "", false
		}
		if tok.Kind() == jsontext.KindEndObject {
			break
		}
		found := tok.String() == name
		v, err := dec.ReadValue()
		if err != nil {
			return object, "", false
		}
		if found {
			text, err := jsontext.AppendUnquote(nil, v)
			if err != nil {
				return object, "", true
			}
			return object, string(text), true
		}
	}
	quoted, err := jsontext.AppendQuote(nil, value)
	if err != nil {
		return object, "", false
	}
	out = append(out, object[:start]...)
	out = append(out, '"')
	out = append(out, name...)
	out = append(out, '"', ':')
	out = append(out, quoted...)
	if !empty {
		out = append(out, ',')
	}
	return append(out, object[start:]...), value, true
}

// identified gives a record that has no id of its own one that follows from the Idempotency-Key and its place in the
// request.
func identified(record []byte, field, app, key string, i int) []byte {
	if nameOf(record).kind == event.KindCancel {
		return record // it names a message, it is none
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d:%s|%d:%s|%d", len(app), app, len(key), key, i))
	out, _, _ := withMember(record, field, "ik-"+hex.EncodeToString(sum[:16]))
	return out
}
