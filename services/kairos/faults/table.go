package main

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
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
		Fault{Name: "kill-dispatch", Quick: true, Gate: destroys, Inject: slowly(kill("dispatch"))},
		Fault{Name: "zombie-timing", Quick: true, Gate: strict, Quiet: late, Beside: []string{"timing-2"}, Load: apart, Inject: overtake, Env: map[string]string{
			"timing": "KAIROS_GUARDS_OFF=session KAIROS_FAILPOINTS=woken=stop:5", "timing-2": "KAIROS_GUARDS_OFF=session",
		}},
		Fault{Name: "kill-dispatch-and-flushall", Quick: true, Gate: destroys, Inject: loseBoth(flush), Env: map[string]string{
			"dispatch": "KAIROS_FAILPOINTS=after_send=sleep:3s",
		}},
		// A power cut of a whole machine; the marks of dispatch are written every half a second, so one may outlive what follows it.
		Fault{Name: "kill-dispatch-and-aof-tail-cut", Gate: destroys, Inject: loseBoth(cutTail(20_000, 150_000)), Env: map[string]string{
			"dispatch": "KAIROS_FAILPOINTS=after_send=sleep:3s",
		}},
		Fault{Name: "zombie-enrich", Gate: strict, Quiet: late, Beside: []string{"enrich-2"}, Inject: outlive("enrich"), Env: map[string]string{
			"enrich": "KAIROS_GUARDS_OFF=session KAIROS_FAILPOINTS=before_publish=stop:50", "enrich-2": "KAIROS_GUARDS_OFF=session",
		}},
		Fault{Name: "zombie-dispatch", Gate: destroys, Beside: []string{"dispatch-2"}, Inject: slowly(outlive("dispatch")), Env: map[string]string{
			"dispatch": "KAIROS_FAILPOINTS=after_intent=stop:20",
		}},
		Fault{Name: "rebalance-every-5s", Gate: strict, Beside: []string{"timing-2"}, Load: longer, Inject: rebalance("timing-2", syscall.SIGTERM)},
		Fault{Name: "rebalance-dispatch", Gate: destroys, Beside: []string{"dispatch-2"}, Load: longer, Inject: slowly(rebalance("dispatch-2", syscall.SIGKILL))},
		Fault{Name: "kill-learn", Gate: strict, Beside: []string{"learn"}, Load: longer, Inject: func(r *run) (time.Time, error) {
			if err := await(r.trained); err != nil {
				return time.Time{}, err
			}
			at, err := kill("learn")(r)
			return at, errors.Join(err, await(r.trained))
		}},
		Fault{Name: "kill-console", Gate: strict, Beside: []string{"console"}, Inject: func(r *run) (time.Time, error) {
			at, err := kill("console")(r)
			return at, errors.Join(err, r.ready("console"))
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

// slowly makes the fault while attempts take a second, so that some are under way.
func slowly(fault func(*run) (time.Time, error)) func(*run) (time.Time, error) {
	return func(r *run) (time.Time, error) {
		if err := r.Gateways.Add(sandbox.Rule{Latency: time.Second}); err != nil {
			return time.Time{}, err
		}
		r.pause(2 * time.Second)
		at, err := fault(r)
		return at, errors.Join(err, r.Gateways.Reset())
	}
}

// outlive waits until a failpoint freezes the first of two instances in the middle of its work. When it wakes, the second
// owns everything that it believes to own, and has had the time to do again what was under way, calls of providers too.
func outlive(service string) func(*run) (time.Time, error) {
	return func(r *run) (time.Time, error) {
		if err := await(r.Services[service].Frozen); err != nil {
			return time.Time{}, err
		}
		frozen := r.clock.Now()
		err := await(r.Services[service+"-2"].Owns)
		_ = r.clock.Sleep(r, max(late-r.clock.Since(frozen), 5*time.Second))
		r.Services[service].Signal(syscall.SIGCONT)
		return r.clock.Now(), err
	}
}

// rebalance takes an instance away and brings it back, again and again.
func rebalance(instance string, signal syscall.Signal) func(*run) (time.Time, error) {
	return func(r *run) (time.Time, error) {
		for range 4 {
			r.Services[instance].End(signal)
			r.pause(5 * time.Second)
			if err := r.Restart(instance); err != nil {
				return time.Time{}, err
			}
			r.pause(5 * time.Second)
		}
		return r.clock.Now(), nil
	}
}

// longer keeps the load up for as long as the instances come and go.
func longer(c *load.Config) { c.Messages, c.Over = 300, 40*time.Second }

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
		{Name: "control-fence", Quick: true, Control: cancelledYetSent, Gate: strict, Beside: []string{"timing-2"}, Load: apart, Inject: overtake, Env: map[string]string{
			"timing": "KAIROS_GUARDS_OFF=fence,session KAIROS_FAILPOINTS=woken=stop:5", "timing-2": "KAIROS_GUARDS_OFF=fence,session",
		}},
		{Name: "control-commit", Quick: true, Control: lost, Gate: strict, Inject: func(r *run) (time.Time, error) {
			r.pause(8 * time.Second) // what is under way then are messages
			return kill("enrich")(r)
		}, Env: map[string]string{
			"enrich": "KAIROS_GUARDS_OFF=commit KAIROS_FAILPOINTS=before_publish=sleep:3s",
		}},
		{Name: "control-journal", Quick: true, Control: sentTwice, Gate: destroys, Inject: loseBoth(flush), Env: map[string]string{
			"dispatch": "KAIROS_GUARDS_OFF=journal KAIROS_FAILPOINTS=after_send=sleep:3s",
		}},
		{Name: "control-echo", Control: sentTwice, Gate: strict, Inject: flush, Env: map[string]string{
			"timing": "KAIROS_GUARDS_OFF=echo,cause", "dispatch": "KAIROS_GUARDS_OFF=claim",
		}},
	}
}

// loseBoth kills dispatch and has Redis forget: nobody is left who knows how attempts under way have gone.
func loseBoth(forget func(*run) (time.Time, error)) func(*run) (time.Time, error) {
	return func(r *run) (time.Time, error) {
		if err := await(func() error { return r.pushed(10) }); err != nil {
			return time.Time{}, err
		}
		r.Services["dispatch"].End(syscall.SIGKILL)
		at, err := forget(r)
		r.pause(time.Second)
		return at, errors.Join(err, r.Restart("dispatch"))
	}
}

// flush empties Redis.
func flush(r *run) (time.Time, error) { return r.clock.Now(), r.Redis.Nodes[0].Do(r, "FLUSHALL") }

// ready waits for a service.
func (r *run) ready(name string) error { return await(r.Services[name].Ready) }

// trained says no while learn has not published models since it began.
func (r *run) trained() error {
	text, err := r.Services["learn"].Metrics()
	if err == nil && !models.MatchString(text) {
		err = errors.New("learn has not published models yet")
	}
	return err
}

var models = regexp.MustCompile(`(?m)^kairos_stream_published_records_total\{topic="[^"]*models[^"]*"\} [1-9]`)

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
