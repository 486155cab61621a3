package main

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/topic"
	"github.com/kairos-push/kairos/services/dispatch/sandbox"
	"github.com/kairos-push/kairos/services/kairos/faults/load"
	"github.com/kairos-push/kairos/services/kairos/faults/rig"
	"github.com/kairos-push/kairos/services/kairos/faults/verify"
)

// faults is the table, rows on one node of Kafka first.
func faults() []Fault {
	table := slices.Concat(kills(), failpoints(), servers(), network(), providers(), inputs(), controls())
	for i := range table {
		if table[i].Gate.Destroyed || table[i].Control != nil {
			table[i].Quiet = late
		}
	}
	return table
}

// kills of services: by signal, by freezing, by a rolling restart.
func kills() []Fault {
	var out []Fault
	for _, s := range []string{"ingest", "enrich", "timing"} {
		out = append(out, Fault{Name: "kill-" + s, Quick: s == "timing", Gate: strict, Inject: kill(s)})
	}
	return append(out,
		Fault{Name: "kill-dispatch", Quick: true, Gate: destroys, Inject: func(r *run) (time.Time, error) {
			// Attempts take a while, so that some are under way.
			if err := r.Gateways.Add(sandbox.Rule{Latency: time.Second}); err != nil {
				return time.Time{}, err
			}
			r.pause(2 * time.Second)
			at, err := kill("dispatch")(r)
			return at, errors.Join(err, r.Gateways.Reset())
		}},
		Fault{Name: "zombie-timing", Quick: true, Gate: strict, Quiet: late, Second: true, Load: apart, Inject: overtake, Env: map[string]string{
			"timing": "KAIROS_GUARDS_OFF=session KAIROS_FAILPOINTS=woken=stop:5", "timing-2": "KAIROS_GUARDS_OFF=session",
		}},
		Fault{Name: "kill-dispatch-and-flushall", Quick: true, Gate: destroys, Inject: loseBoth, Env: map[string]string{
			"dispatch": "KAIROS_FAILPOINTS=after_send=sleep:3s",
		}},
		Fault{Name: "zombie-enrich", Gate: strict, Quiet: late, Inject: freeze("enrich")},
		Fault{Name: "zombie-dispatch", Gate: destroys, Inject: freeze("dispatch")},
		Fault{Name: "rebalance-every-5s", Gate: strict, Second: true, Inject: func(r *run) (time.Time, error) {
			for range 4 {
				r.Services["timing-2"].End(syscall.SIGTERM)
				r.pause(5 * time.Second)
				if err := r.Restart("timing-2"); err != nil {
					return time.Time{}, err
				}
				r.pause(5 * time.Second)
			}
			return r.clock.Now(), nil
		}},
		Fault{Name: "rolling-restart", Gate: strict, Inject: func(r *run) (time.Time, error) {
			for _, s := range []string{"ingest", "enrich", "timing", "dispatch"} {
				r.Services[s].End(syscall.SIGTERM)
				if err := r.Restart(s); err != nil {
					return time.Time{}, err
				}
				if err := r.ready(s); err != nil {
					return time.Time{}, err
				}
			}
			return r.clock.Now(), nil
		}},
	)
}

// kill is kill -9; a supervisor starts the service again after a moment.
func kill(service string) func(*run) (time.Time, error) {
	return func(r *run) (time.Time, error) {
		r.Services[service].End(syscall.SIGKILL)
		at := r.clock.Now()
		r.pause(time.Second)
		return at, r.Restart(service)
	}
}

// freeze stops a service for longer than its session: when it wakes, others own what it believes to own.
func freeze(service string) func(*run) (time.Time, error) {
	return func(r *run) (time.Time, error) {
		r.Services[service].Signal(syscall.SIGSTOP)
		r.pause(15 * time.Second)
		r.Services[service].Signal(syscall.SIGCONT)
		return r.clock.Now(), nil
	}
}

// apart gives hardly anybody two messages, so that nothing else of a person is in the log while timing is frozen.
func apart(c *load.Config) { c.Users = 400 }

// overtake waits until timing freezes with a decision that it has not stored. The app takes back what has not left, and the
// next owner does as it says; then timing goes on with what it had decided.
func overtake(r *run) (time.Time, error) {
	if err := await(r.Services["timing"].Frozen); err != nil {
		return time.Time{}, err
	}
	pushes, err := r.pushes()
	if err != nil {
		return time.Time{}, err
	}
	recalled, err := r.load.Recall(r, func(message string) bool {
		return slices.ContainsFunc(pushes, func(p verify.Push) bool { return p.Message == message })
	})
	if err != nil {
		return time.Time{}, err
	}
	err = await(func() error { return r.ended(recalled) })
	r.Services["timing"].Signal(syscall.SIGCONT)
	return r.clock.Now(), err
}

func (r *run) pushes() ([]verify.Push, error) {
	return verify.ReadPushes(filepath.Join(r.Dir, rig.PushesLog))
}

// pushed says how many pushes are missing to n.
func (r *run) pushed(n int) error {
	pushes, err := r.pushes()
	if err == nil && len(pushes) < n {
		err = fmt.Errorf("%d pushes, not yet %d", len(pushes), n)
	}
	return err
}

// ended says which of the messages have no end.
func (r *run) ended(messages []string) error {
	rows, err := verify.Outcomes(r, r.Kafka.Brokers(), r.Prefix+topic.Outcomes.Name)
	if err != nil {
		return err
	}
	open := slices.DeleteFunc(slices.Clone(messages), func(id string) bool {
		return slices.ContainsFunc(rows, func(w verify.Row) bool { return w.Message == id && verify.Ends(w.Type) })
	})
	if len(open) > 0 {
		return fmt.Errorf("no end of %v", open)
	}
	return nil
}

// failpoints kill a service between two steps that must not be one.
func failpoints() []Fault {
	var out []Fault
	for service, places := range map[string][]string{
		"enrich":   {"after_publish", "after_store", "before_commit"},
		"timing":   {"after_publish", "after_store", "before_commit"},
		"dispatch": {"before_intent", "after_intent", "after_send"},
	} {
		for _, place := range places {
			f := Fault{Name: service + "-" + place, Gate: strict, Inject: revive(service)}
			if service == "dispatch" {
				f.Gate = destroys
			}
			f.Env = map[string]string{service: "KAIROS_FAILPOINTS=" + place + "=kill:%d"}
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b Fault) int { return slices.Compare([]string{a.Name}, []string{b.Name}) })
	return out
}

// revive waits until a failpoint has killed the service.
func revive(service string) func(*run) (time.Time, error) {
	return func(r *run) (time.Time, error) {
		timer := r.clock.Timer(time.Minute)
		defer timer.Stop()
		select {
		case <-r.Services[service].Dead():
		case <-timer.C:
			return time.Time{}, fmt.Errorf("%s has not come by its failpoint", service)
		}
		at := r.clock.Now()
		r.Services[service].End(syscall.SIGKILL)
		r.pause(time.Second)
		return at, r.Restart(service)
	}
}

// providers that refuse, are slow, or take a push and do not say so.
func providers() []Fault {
	const second = time.Second
	var out []Fault
	for name, rule := range map[string]sandbox.Rule{
		"apns-429":    {Gateway: sandbox.APNs, Every: 2, Status: 429, Reason: "TooManyRequests"},
		"apns-500":    {Gateway: sandbox.APNs, Every: 2, Status: 500, Reason: "InternalServerError"},
		"apns-503":    {Gateway: sandbox.APNs, Every: 2, Status: 503, Reason: "ServiceUnavailable"},
		"apns-goaway": {Gateway: sandbox.APNs, Every: 3, Fault: sandbox.GoAway},
		"apns-slow":   {Gateway: sandbox.APNs, Latency: 3 * second},
		"fcm-503":     {Gateway: sandbox.FCM, Every: 2, Status: 503, Reason: "UNAVAILABLE", RetryAfter: 2 * second},
		"webpush-429": {Gateway: sandbox.WebPush, Every: 2, Status: 429, RetryAfter: 2 * second},
	} {
		out = append(out, Fault{Name: name, Gate: strict, Inject: misbehave(rule)})
	}
	for name, rule := range map[string]sandbox.Rule{
		"apns-drop":    {Gateway: sandbox.APNs, Every: 3, Fault: sandbox.DropAfter},
		"fcm-drop":     {Gateway: sandbox.FCM, Every: 3, Fault: sandbox.DropAfter},
		"webpush-drop": {Gateway: sandbox.WebPush, Every: 3, Fault: sandbox.DropAfter},
		"apns-silence": {Gateway: sandbox.APNs, Every: 4, Fault: sandbox.Silence},
	} {
		out = append(out, Fault{Name: name, Quick: name == "webpush-drop", Gate: destroys, Inject: misbehave(rule)})
	}
	mortal := func(c *load.Config) { c.Deadline = 20 * second } // who has no address any more gets nothing
	out = append(out,
		Fault{
			Name: "apns-410", Gate: strict, Load: mortal,
			Inject: misbehave(sandbox.Rule{Gateway: sandbox.APNs, Every: 4, Times: 8, Status: 410, Reason: "Unregistered"}),
		},
		Fault{
			Name: "webpush-410", Gate: strict, Load: mortal,
			Inject: misbehave(sandbox.Rule{Gateway: sandbox.WebPush, Every: 4, Times: 8, Status: 410}),
		},
		// Google asks for a minute at least, and gets it.
		Fault{
			Name: "fcm-429", Gate: verify.Gate{Recovery: recovery + time.Minute},
			Inject: misbehave(sandbox.Rule{Gateway: sandbox.FCM, Every: 3, Status: 429, Reason: "QUOTA_EXCEEDED", RetryAfter: second}),
		},
	)
	slices.SortFunc(out, func(a, b Fault) int { return slices.Compare([]string{a.Name}, []string{b.Name}) })
	return out
}

func misbehave(rule sandbox.Rule) func(*run) (time.Time, error) {
	return func(r *run) (time.Time, error) {
		if err := r.Gateways.Add(rule); err != nil {
			return time.Time{}, err
		}
		r.pause(10 * time.Second)
		return r.clock.Now(), r.Gateways.Reset()
	}
}

// inputs that are wrong, too many, or there twice; clocks that are wrong.
func inputs() []Fault {
	out := []Fault{
		{Name: "replayed-twice", Gate: strict, Load: func(c *load.Config) { c.Twice = true }},
		{Name: "burst-10x", Gate: strict, Load: func(c *load.Config) { c.Burst, c.Messages, c.Over = true, 600, 40*time.Second }},
		{Name: "poison", Quick: true, Gate: strict, Inject: poison},
	}
	for _, skew := range []string{"5m", "-5m"} {
		other := map[string]string{"5m": "-5m", "-5m": "5m"}[skew]
		out = append(out,
			Fault{Name: "clock-others" + sign(skew), Gate: strict, Env: map[string]string{
				"ingest": "KAIROS_CLOCK_SKEW=" + skew, "enrich": "KAIROS_CLOCK_SKEW=" + other, "dispatch": "KAIROS_CLOCK_SKEW=" + skew,
			}},
			Fault{
				Name: "clock-timing" + sign(skew), Gate: strict, Load: func(c *load.Config) { c.Soon = true },
				Env: map[string]string{"timing": "KAIROS_CLOCK_SKEW=" + skew},
			})
	}
	return out
}

func sign(skew string) string {
	if skew[0] == '-' {
		return skew
	}
	return "+" + skew
}

// What a control shows.
var (
	lost             = func(r *verify.Report) bool { return r.Lost > 0 }
	cancelledYetSent = func(r *verify.Report) bool { return r.CancelledYetSent > 0 }
	sentTwice        = func(r *verify.Report) bool { return r.DroppedTwice+r.Unexplained > 0 }
)

// controls switch a guard off. What it prevents must be seen, or the rows above prove nothing.
func controls() []Fault {
	return []Fault{
		{Name: "control-claim", Quick: true, Control: sentTwice, Gate: destroys, Inject: revive("dispatch"), Env: map[string]string{
			"dispatch": "KAIROS_GUARDS_OFF=claim KAIROS_FAILPOINTS=after_send=kill:%d",
		}},
		{Name: "control-fence", Quick: true, Control: cancelledYetSent, Gate: strict, Second: true, Load: apart, Inject: overtake, Env: map[string]string{
			"timing": "KAIROS_GUARDS_OFF=fence,session KAIROS_FAILPOINTS=woken=stop:5", "timing-2": "KAIROS_GUARDS_OFF=fence,session",
		}},
		{Name: "control-commit", Quick: true, Control: lost, Gate: strict, Inject: func(r *run) (time.Time, error) {
			r.pause(8 * time.Second) // what is under way then are messages
			return kill("enrich")(r)
		}, Env: map[string]string{
			"enrich": "KAIROS_GUARDS_OFF=commit KAIROS_FAILPOINTS=before_publish=sleep:3s",
		}},
		{Name: "control-journal", Quick: true, Control: sentTwice, Gate: destroys, Inject: loseBoth, Env: map[string]string{
			"dispatch": "KAIROS_GUARDS_OFF=journal KAIROS_FAILPOINTS=after_send=sleep:3s",
		}},
		{Name: "control-echo", Control: sentTwice, Gate: strict, Inject: flush, Env: map[string]string{
			"timing": "KAIROS_GUARDS_OFF=echo,cause", "dispatch": "KAIROS_GUARDS_OFF=claim",
		}},
	}
}

// loseBoth kills dispatch and empties Redis: nobody is left who knows how attempts under way have gone.
func loseBoth(r *run) (time.Time, error) {
	if err := await(func() error { return r.pushed(10) }); err != nil {
		return time.Time{}, err
	}
	r.Services["dispatch"].End(syscall.SIGKILL)
	at, err := flush(r)
	r.pause(time.Second)
	return at, errors.Join(err, r.Restart("dispatch"))
}

// flush empties Redis.
func flush(r *run) (time.Time, error) { return r.clock.Now(), r.Redis.Nodes[0].Do(r, "FLUSHALL") }

// ready waits for a service.
func (r *run) ready(name string) error { return await(r.Services[name].Ready) }

// names lists the rows.
func names(list []Fault) []string {
	byName := map[string]bool{}
	for _, f := range list {
		byName[f.Name] = true
	}
	return slices.Sorted(maps.Keys(byName))
}

// toxic makes proxies faulty until the function returned is called.
func (r *run) toxic(kafka, redis bool, kind, stream, attributes string) (func() error, error) {
	var undo []func() error
	proxies := r.proxies(kafka, redis)
	for _, p := range proxies {
		name, err := pipetest.Toxify(p, kind, stream, attributes)
		if err != nil {
			return nil, err
		}
		undo = append(undo, func() error { return p.Toxics.RemoveToxic(r, name) })
	}
	return func() error { return all(undo) }, nil
}
