package ingest

import (
	"bytes"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/kairos-push/kairos/pkg/event"
)

const maxShown = 200 // bytes of a value that an error repeats

// firstLine of an error whose other lines draw a picture.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return clip(line)
}

// clip cuts s to maxShown bytes between characters.
func clip(s string) string {
	if len(s) <= maxShown {
		return s
	}
	n := maxShown
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// named is what can be read of a message that was refused.
type named struct {
	messageID, userID, campaignID, category, priority, kind string
	revision                                                int
}

// nameOf looks for the names of a refused message among its own members, as far as it is JSON.
func nameOf(data []byte) named {
	var n named
	members := map[string]*string{
		"message_id": &n.messageID, "user_id": &n.userID, "campaign_id": &n.campaignID, "category": &n.category,
		"priority": &n.priority, "type": &n.kind,
	}
	dec := jsontext.NewDecoder(bytes.NewReader(data[:min(len(data), 2*event.MaxBytes)]))
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != jsontext.KindBeginObject {
		return n
	}
	for {
		tok, err := dec.ReadToken()
		if err != nil || tok.Kind() != jsontext.KindString {
			return n
		}
		name := tok.String()
		v, err := dec.ReadValue()
		if err != nil {
			return n
		}
		if into := members[name]; into != nil {
			if s, err := jsontext.AppendUnquote(nil, v); err == nil && len(s) <= 128 && !bytes.ContainsFunc(s, unicode.IsControl) {
				*into = string(s)
			}
		} else if name == "revision" {
			if r, err := strconv.ParseUint(string(v), 10, 31); err == nil {
				n.revision = int(r)
			}
		}
	}
}

// Rejected is the outcome of a message that was refused, if it can be named: its campaign's figures then show it.
func Rejected(data []byte, app App, reason error, now time.Time) (*event.Outcome, bool) {
	n := nameOf(data)
	if n.messageID == "" || n.userID == "" || n.kind == event.KindCancel {
		return nil, false
	}
	if n.priority != event.Critical && n.priority != event.Transactional && n.priority != event.Promotional {
		n.priority = ""
	}
	var rules []string
	for _, f := range event.Faults(reason) {
		rules = append(rules, strings.TrimSpace(f.Field+" "+f.Rule)) // not the value: it may be personal
	}
	return &event.Outcome{
		OutcomeID:  event.OutcomeID(app.ID, n.userID, n.messageID, n.revision, event.OutcomeRejected, "", 0),
		OccurredAt: now, OccurredAtMS: now.UnixMilli(),
		AppID: app.ID, UserID: n.userID, MessageID: n.messageID, Revision: n.revision,
		CampaignID: n.campaignID, Category: n.category, Priority: n.priority,
		Type: event.OutcomeRejected, Reason: strings.Join(rules, "; "),
	}, true
}
