package push

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Rule says what one answer of a provider means.
type Rule struct {
	Status int
	Reason string // "" matches any reason that no other rule of the status names
	Class  Class
	After  time.Duration // least wait of a RetryAfter without a Retry-After header
	Note   string        // why, or with Config what to fix
}

// Table is the whole contract with one provider: its documented answers, one rule each.
type Table []Rule

// Judge finds the rule of an answer. Answers that no rule names go by their status: 2xx is sent, 429 and 5xx are
// retried, a redirect is a wrong endpoint, and any other refusal is final.
func (t Table) Judge(status int, reason string, after time.Duration) Verdict {
	v := Verdict{Status: status, Reason: reason, After: after}
	rule, ok := t.find(status, reason)
	switch {
	case ok:
		v.Class = rule.Class
		v.After = max(after, rule.After)
		if rule.Class == Config {
			v.Fix = rule.Note
		}
	case status >= 200 && status < 300:
		v.Class = Sent
	case status == 429:
		v.Class = RetryAfter
	case status >= 500:
		v.Class = Retry
	case status >= 300 && status < 400:
		v.Class, v.Fix = Config, "the endpoint answers with a redirect: check its URL"
	default:
		v.Class = Drop
	}
	if v.Class == Retry && v.After > 0 {
		v.Class = RetryAfter
	}
	if v.Reason == "" && v.Class != Sent {
		v.Reason = fmt.Sprintf("http_%d", status)
	}
	return v
}

func (t Table) find(status int, reason string) (Rule, bool) {
	var general Rule
	var found bool
	for _, r := range t {
		switch {
		case r.Status != status:
		case r.Reason == reason:
			return r, true
		case r.Reason == "":
			general, found = r, true
		}
	}
	return general, found
}

// Markdown renders the table as the docs show it.
func (t Table) Markdown() string {
	var b strings.Builder
	b.WriteString("| status | reason | class | note |\n|--:|--|--|--|\n")
	for _, r := range t {
		note := r.Note
		if r.After > 0 {
			note = strings.TrimSpace(fmt.Sprintf("%s at least %s", note, r.After))
		}
		reason := r.Reason
		if reason == "" {
			reason = "any other"
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s |\n", r.Status, reason, r.Class, note)
	}
	return b.String()
}

// WaitOf reads a Retry-After header: seconds or an HTTP date; 0 if it is neither. A day is the most that is believed.
func WaitOf(h string, now time.Time) time.Duration {
	const most = 24 * time.Hour
	if h == "" {
		return 0
	}
	if secs, err := strconv.Atoi(h); err == nil {
		return time.Duration(min(max(secs, 0), int(most/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(h); err == nil {
		return min(max(at.Sub(now), 0), most)
	}
	return 0
}
