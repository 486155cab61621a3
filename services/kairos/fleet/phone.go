package fleet

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
)

// Rhythm of an awake person. Real phones see a session every ten minutes or so; this is about four times as busy.
const (
	gapMedian     = 2 * time.Minute
	sessionMedian = 75 * time.Second
	spread        = 0.8 // of the logarithm, of both
	appShare      = 0.3 // of the sessions visit the app
)

// Phone is one person with one device. Its methods are pure but for the random numbers that it owns: they take the time
// and return what to tell the API.
type Phone struct {
	UserID, DeviceID string
	Device           event.Device
	zone             *time.Location
	shift            int     // hours by which this person's day is early or late
	keen             float64 // how readily a push is opened
	rng              *rand.Rand

	on      bool
	inApp   bool
	next    time.Time // when the current session, or the pause, ends
	waiting []Push    // notifications that nobody has looked at
	replies []reply
	count   int // of the records sent, for their ids
	born    time.Time
}

// reply is what a person is going to do about a push.
type reply struct {
	at   time.Time
	kind string
	push Push
}

// NewPhone makes the i-th phone; the same seed and index give the same person.
func NewPhone(i int, seed uint64, subscribe func(device string) (string, error)) (*Phone, error) {
	name := userName(i)
	zone, err := time.LoadLocation(zones[i%len(zones)])
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(seed, uint64(i)))
	p := &Phone{UserID: name, DeviceID: name + "-phone", zone: zone, shift: rng.IntN(5) - 2, keen: 0.2 + 0.6*rng.Float64(), rng: rng}
	p.Device = event.Device{
		DeviceID: p.DeviceID, UserID: name, TimeZone: zone.String(), Locale: "en", AppVersion: "1.0.0", Permission: "granted",
	}
	switch i % 5 {
	case 0, 2:
		p.Device.Platform, p.Device.Channel = "android", "fcm"
		p.Device.AddressType, p.Device.Address = "token", fmt.Sprintf("%s:APA91b%0120d", name, i)
	case 4:
		p.Device.Platform, p.Device.Channel = "web", "webpush"
		p.Device.AddressType, p.Device.Address = "subscription", ""
		if p.Device.Address, err = subscribe(p.DeviceID); err != nil {
			return nil, err
		}
	default:
		p.Device.Platform, p.Device.Channel = "ios", "apns"
		p.Device.AddressType, p.Device.Address = "token", fmt.Sprintf("%064x", i+1)
	}
	return p, nil
}

// Join registers the person and the device. Some people have preferences, so that gates can be seen at work.
func (p *Phone) Join(now time.Time) []Request {
	p.born = now
	user := event.User{UserID: p.UserID, TimeZone: p.zone.String(), Cohort: "demo"}
	switch p.rng.IntN(6) {
	case 0:
		user.QuietHours = &event.Window{Start: 22 * 60, End: 7 * 60}
	case 1:
		user.OptedOutCategories = []string{"offers"}
	}
	p.Device.UpdatedAt = now
	// Half of those who are up have the phone in their hands when we start watching.
	if p.rng.Float64() < 0.5*awake(now.In(p.zone), p.shift) {
		p.next = now.Add(time.Duration(p.rng.Int64N(int64(5 * time.Second))))
	} else {
		p.next = now.Add(p.pause(now))
	}
	return []Request{
		{http.MethodPut, "/v1/users/" + p.UserID, user},
		{http.MethodPut, "/v1/devices/" + p.DeviceID, p.Device},
	}
}

// Due is when Step wants to be called next.
func (p *Phone) Due() time.Time {
	due := p.next
	for _, r := range p.replies {
		if r.at.Before(due) {
			due = r.at
		}
	}
	return due
}

// Step lives up to now: picks the phone up or puts it down, and answers pushes.
func (p *Phone) Step(now time.Time) []Request {
	var out []Request
	if !p.next.After(now) {
		if p.on {
			out = p.putDown(now)
		} else {
			out = p.pickUp(now)
		}
	}
	rest := p.replies[:0]
	for _, r := range p.replies {
		if r.at.After(now) {
			rest = append(rest, r)
			continue
		}
		out = append(out, p.receipt(r.kind, r.push, now))
		if r.kind == "opened" && p.on && !p.inApp {
			out = append(out, p.enterApp(now)...)
		}
	}
	p.replies = rest
	return out
}

// Receive takes a push. Whether it is looked at depends on whether the phone is in use, and for how long: in the first
// half minute people are busy with what they picked it up for.
func (p *Phone) Receive(push Push, now time.Time) []Request {
	out := []Request{p.receipt("delivered", push, now)}
	if !p.on {
		p.waiting = append(p.waiting, push)
		return out
	}
	out = append(out, p.receipt("displayed", push, now))
	p.decide(push, now, p.keen)
	return out
}

func (p *Phone) decide(push Push, now time.Time, keen float64) {
	after := now.Add(p.draw(9*time.Second, 0.7))
	switch u := p.rng.Float64(); {
	case u < keen:
		p.replies = append(p.replies, reply{after, "opened", push})
	case u < keen+0.15:
		p.replies = append(p.replies, reply{after, "dismissed", push})
	}
}

func (p *Phone) pickUp(now time.Time) []Request {
	p.on = true
	p.next = now.Add(min(p.draw(sessionMedian, spread), 10*time.Minute))
	out := []Request{p.signals(now, "screen_on", "unlocked")}
	for _, push := range p.waiting { // what waits on the lock screen is answered less often than what comes at its moment
		out = append(out, p.receipt("displayed", push, now))
		p.decide(push, now, p.keen/2)
	}
	p.waiting = nil
	if p.rng.Float64() < appShare {
		out = append(out, p.enterApp(now)...)
	}
	return out
}

func (p *Phone) enterApp(now time.Time) []Request {
	p.inApp = true
	out := []Request{p.signals(now, "app_foreground"), p.event("app_opened", now)}
	if p.rng.Float64() < 0.12 {
		out = append(out, p.event("purchase", now))
	}
	return out
}

func (p *Phone) putDown(now time.Time) []Request {
	var out []Request
	if p.inApp {
		out = append(out, p.event("session_ended", now), p.signals(now, "app_background", "screen_off", "locked"))
	} else {
		out = append(out, p.signals(now, "screen_off", "locked"))
	}
	p.on, p.inApp = false, false
	p.next = now.Add(p.pause(now))
	return out
}

// pause until the next session. It is looked at again after half an hour, as the day goes on meanwhile.
func (p *Phone) pause(now time.Time) time.Duration {
	busy := awake(now.In(p.zone), p.shift)
	return min(time.Duration(float64(p.draw(gapMedian, spread))/busy), time.Hour)
}

// draw is lognormal.
func (p *Phone) draw(median time.Duration, sigma float64) time.Duration {
	return time.Duration(float64(median) * math.Exp(sigma*p.rng.NormFloat64()))
}

func (p *Phone) id() string {
	p.count++
	return fmt.Sprintf("%s-%x-%d", p.DeviceID, p.born.UnixMilli(), p.count)
}

func (p *Phone) signals(now time.Time, kinds ...string) Request {
	list := make([]event.Signal, len(kinds))
	for i, k := range kinds {
		list[i] = event.Signal{SignalID: p.id(), UserID: p.UserID, DeviceID: p.DeviceID, Kind: k, ObservedAt: now}
	}
	return Request{http.MethodPost, "/v1/signals", list}
}

func (p *Phone) event(name string, now time.Time) Request {
	return Request{http.MethodPost, "/v1/events", []event.Event{
		{EventID: p.id(), UserID: p.UserID, DeviceID: p.DeviceID, Name: name, OccurredAt: now},
	}}
}

func (p *Phone) receipt(kind string, push Push, now time.Time) Request {
	return Request{http.MethodPost, "/v1/receipts", []event.Receipt{{
		ReceiptID: p.id(), MessageID: push.MessageID, UserID: p.UserID, DeviceID: p.DeviceID, Kind: kind, OccurredAt: now, Token: push.Token,
	}}}
}
