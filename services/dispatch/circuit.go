package dispatch

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/kairos-push/kairos/services/dispatch/push"
)

// Circuits of an app and provider: open after so many failures in a row, tried again after a while.
const (
	circuitFailures = 10
	configFailures  = 3
	circuitTimeout  = 15 * time.Second
	circuitProbes   = 2
)

// circuit guards one app's way to one provider. It opens on transport errors and 5xx, which are the provider's, and on
// wrong credentials, which are the operator's: at once if they have never worked, otherwise when it is not just one
// odd message.
type circuit struct {
	breaker *gobreaker.CircuitBreaker[push.Verdict]
	sender  push.Sender
	worked  atomic.Bool
	last    atomic.Pointer[push.Verdict]
}

// errVerdict tells the breaker of a failure; the verdict itself is the result.
var errVerdict = errors.New("dispatch: attempt failed")

func newCircuit(name string, sender push.Sender, changed func(name string, open bool, last push.Verdict)) *circuit {
	c := &circuit{sender: sender}
	c.breaker = gobreaker.NewCircuitBreaker[push.Verdict](gobreaker.Settings{
		Name: name, MaxRequests: circuitProbes, Timeout: circuitTimeout,
		ReadyToTrip: func(n gobreaker.Counts) bool {
			if v := c.last.Load(); v != nil && v.Class == push.Config {
				return n.ConsecutiveFailures >= configFailures || !c.worked.Load()
			}
			return n.ConsecutiveFailures >= circuitFailures
		},
		OnStateChange: func(name string, _, to gobreaker.State) {
			var last push.Verdict
			if v := c.last.Load(); v != nil {
				last = *v
			}
			changed(name, to == gobreaker.StateOpen, last)
		},
	})
	return c
}

// send makes an attempt through the circuit; false says that it is open and nothing was sent.
func (c *circuit) send(attempt func(push.Sender) push.Verdict) (push.Verdict, bool) {
	v, err := c.breaker.Execute(func() (push.Verdict, error) {
		v := attempt(c.sender).Fit()
		if v.Class == push.Config || v.Class == push.Ambiguous || v.Class == push.Retry || v.Status >= 500 {
			c.last.Store(&v)
			return v, errVerdict
		}
		if v.Class == push.Sent {
			c.worked.Store(true)
		}
		return v, nil
	})
	if err != nil && !errors.Is(err, errVerdict) {
		return push.Verdict{}, false
	}
	return v, true
}

// closed says whether an attempt would be made now.
func (c *circuit) closed() bool { return c.breaker.State() != gobreaker.StateOpen }

// reason is why the circuit opened.
func (c *circuit) reason() string {
	if v := c.last.Load(); v != nil {
		return v.Reason
	}
	return ""
}
