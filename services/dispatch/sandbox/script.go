package sandbox

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault is how a gateway misbehaves.
type Fault string

// Faults.
const (
	DropBefore  Fault = "drop_before" // the connection breaks, the push is not taken
	DropAfter   Fault = "drop_after"  // the push is taken, then the connection breaks: the answer is lost
	GoAway      Fault = "goaway"      // the push is taken, and the connection is to be left
	Silence     Fault = "silence"     // no answer, ever
	Garbage     Fault = "garbage"     // status 200 with a body that is no JSON
	HalfAnswer  Fault = "half_answer" // the push is taken; the body breaks off
	Redirection Fault = "redirect"    // 307 to elsewhere
	HugeBody    Fault = "huge_body"   // status 200 and a gigabyte
)

var faults = []Fault{DropBefore, DropAfter, GoAway, Silence, Garbage, HalfAnswer, Redirection, HugeBody}

// Rule says what a gateway does to the pushes that it matches. The first rule that matches decides.
type Rule struct {
	Gateway string `json:"gateway,omitempty"` // "" is all
	Address string `json:"address,omitempty"` // the whole address or its beginning; "" is all
	Every   int    `json:"every,omitempty"`   // only each n-th push that matches; 0 and 1 are all
	Times   int    `json:"times,omitempty"`   // at most so many; 0 is no limit

	Latency time.Duration `json:"latency,omitempty"` // before anything else
	Fault   Fault         `json:"fault,omitempty"`
	// Status and Reason refuse the push with a provider's own words.
	Status     int           `json:"status,omitempty"`
	Reason     string        `json:"reason,omitempty"`
	RetryAfter time.Duration `json:"retry_after,omitempty"`

	seen, done int
}

// Validate says what no gateway could do.
func (r *Rule) Validate() error {
	switch {
	case r.Gateway != "" && r.Gateway != APNs && r.Gateway != FCM && r.Gateway != WebPush:
		return fmt.Errorf("gateway: apns, fcm or webpush, not %q", r.Gateway)
	case r.Every < 0 || r.Times < 0 || r.Latency < 0 || r.RetryAfter < 0:
		return errors.New("every, times, latency and retry_after: not below zero")
	case r.Status != 0 && (r.Status < 200 || r.Status > 599):
		return fmt.Errorf("status: 200 to 599, not %d", r.Status)
	case r.Fault != "" && !slices.Contains(faults, r.Fault):
		return fmt.Errorf("fault: one of %q, not %q", faults, r.Fault)
	}
	return nil
}

// Script is a list of rules, changed while the gateways run.
type Script struct {
	mu       sync.Mutex
	rules    []*Rule
	requests map[string]int
}

// Requests counts the well-formed requests that reached a gateway, answered or not.
func (s *Script) Requests(gateway string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[gateway]
}

// Add puts a rule behind the others.
func (s *Script) Add(r Rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = append(s.rules, &r)
}

// Rules lists the rules.
func (s *Script) Rules() []Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Rule, len(s.rules))
	for i, r := range s.rules {
		out[i] = *r
	}
	return out
}

// Reset removes all rules.
func (s *Script) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = nil
}

// match finds the rule for a push.
func (s *Script) match(gateway, address string) (Rule, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[gateway]++
	for _, r := range s.rules {
		if r.Gateway != "" && r.Gateway != gateway || !strings.HasPrefix(address, r.Address) || r.Times > 0 && r.done >= r.Times {
			continue
		}
		r.seen++
		if r.Every > 1 && r.seen%r.Every != 0 {
			continue
		}
		r.done++
		return *r, true
	}
	return Rule{}, false
}

// play does what the rule says. It reports whether the push has been answered; accept records it as taken.
func (g *Gateways) play(w http.ResponseWriter, r *http.Request, gateway, address string, refuse func(Rule), accept func()) bool {
	rule, ok := g.match(gateway, address)
	if !ok {
		return false
	}
	if rule.Latency > 0 && g.clock.Sleep(r.Context(), rule.Latency) != nil {
		return true
	}
	switch rule.Fault {
	case DropBefore:
		_ = connectionOf(r).conn.Close()
	case DropAfter:
		accept()
		_ = connectionOf(r).conn.Close()
	case GoAway:
		w.Header().Set("Connection", "close") // net/http says GOAWAY then
		return false
	case Silence:
		<-r.Context().Done()
	case Garbage:
		_, _ = w.Write([]byte("<html>{not json"))
	case HalfAnswer:
		accept()
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"name":"proj`))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case Redirection:
		w.Header().Set("Location", "https://127.0.0.1:1/elsewhere")
		w.WriteHeader(http.StatusTemporaryRedirect)
	case HugeBody:
		chunk := make([]byte, 64<<10)
		for range (1 << 30) / len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				break
			}
		}
	default:
		if rule.Status == 0 {
			return false
		}
		if rule.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(rule.RetryAfter/time.Second)))
		}
		refuse(rule)
	}
	return true
}
