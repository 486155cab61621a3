package learn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/score"
)

var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// row is a record of the log: one of the two is set.
type row struct {
	at       time.Time
	enriched *profile.Enriched
	outcome  *event.Outcome
	cause    int64
}

// life plays one person, of another family than the model: sittings with Pareto pauses and log-normal lengths in a time
// of their own that stands still at night; a push is opened by a chance for the person, a factor for the category and one
// for what the phone is doing, all of them multiplied.
func life(app string, n, days int, seed uint64) []row {
	rng := rand.New(rand.NewPCG(seed, uint64(n)))
	user := fmt.Sprintf("u%03d", n)
	w := &world{app: app, user: user, rng: rng, interest: math.Pow(rng.Float64(), 1.5) * 0.5}
	w.profile.TimeZone = []string{"Europe/Berlin", "Asia/Tokyo", "America/New_York"}[n%3]
	w.profile.Devices = []profile.Device{{DeviceID: "d", Platform: "android", Channel: "fcm"}}
	loc := w.profile.Location()
	pace, glances := math.Exp(0.5*rng.NormFloat64()), 0.3+0.4*rng.Float64()
	end := monday.AddDate(0, 0, days)
	push := monday.Add(time.Duration(rng.IntN(6*3600)) * time.Second)
	for at := monday; at.Before(end); {
		awake := 1.0
		if h := at.In(loc).Hour(); h >= 23 || h < 7 {
			awake = 0.04
		}
		gap := 8 * 60 * (math.Pow(1-rng.Float64(), -1/1.6) - 1) / pace / awake
		next := at.Add(time.Duration(min(gap, 3600/awake)+5) * time.Second)
		for push.Before(next) {
			w.push(push, false)
			push = push.Add(time.Duration(3+rng.IntN(6)) * time.Hour)
		}
		at = next
		mean := 4.8
		if rng.Float64() < glances {
			mean = 2.6
		}
		length := time.Duration(math.Exp(mean+0.9*rng.NormFloat64())+2) * time.Second
		w.signal(event.SignalUnlocked, at)
		for push.Before(at.Add(length)) {
			w.push(push, true)
			push = push.Add(time.Duration(3+rng.IntN(6)) * time.Hour)
		}
		at = at.Add(length)
		w.signal(event.SignalLocked, at)
	}
	return w.rows
}

type world struct {
	app, user string
	rng       *rand.Rand
	interest  float64
	profile   profile.Profile
	rows      []row
	n         int
}

func (w *world) fact(f event.Fact, at time.Time) {
	w.n++
	f.AppID, f.UserID, f.ReceivedAt = w.app, w.user, at
	p := w.profile
	p.Devices = append([]profile.Device(nil), w.profile.Devices...)
	w.rows = append(w.rows, row{at: at, enriched: &profile.Enriched{Fact: f, Profile: p}, cause: int64(w.n)})
}

func (w *world) signal(kind string, at time.Time) {
	live, loc := &w.profile.Devices[0].Live, w.profile.Location()
	switch kind {
	case event.SignalScreenOn:
		live.Screen.Set("on", at)
	case event.SignalScreenOff:
		live.Screen.Set("off", at)
	case event.SignalUnlocked:
		live.Lock.Set("unlocked", at)
		w.profile.Recency.Unlock(at)
		w.profile.Recency.SeenAt = at
		w.profile.Presence.Count(at, loc)
	case event.SignalLocked:
		live.Lock.Set("locked", at)
		w.profile.Recency.LockAt = at
		w.profile.Recency.Sitting()
	}
	w.fact(event.Fact{Kind: event.KindSignal, Signal: &event.Signal{
		SignalID: fmt.Sprintf("s%d", w.n), UserID: w.user, DeviceID: "d", Kind: kind, ObservedAt: at,
	}}, at)
}

var categories = []string{"chat", "news", "offers"}

func (w *world) push(at time.Time, inUse bool) {
	id, category := fmt.Sprintf("message-%d", w.n), w.rng.IntN(len(categories))
	c := score.Sense(&w.profile, at)
	var x score.Vector
	week := w.profile.Presence.Week(&everybody, at)
	c.At(0, score.Logit(float64(week[profile.HourOfWeek(at, w.profile.Location())])), &x)
	features := event.Features{"value": 1, "opens_user": 0.1}
	for f, v := range x.All() {
		features[f.String()] = v
	}
	w.fact(event.Fact{Kind: event.KindResult, Result: &event.Result{MessageID: id, Status: event.ResultSent, At: at}}, at)
	open := w.interest * []float64{1.4, 0.7, 0.15}[category]
	if !inUse {
		open *= 0.35
	}
	typ := event.OutcomeIgnored
	switch u := w.rng.Float64(); {
	case u < open:
		typ = event.OutcomeOpened
	case u < open+0.15:
		typ = event.OutcomeDismissed
	}
	w.rows = append(w.rows, row{at: at.Add(time.Second), outcome: &event.Outcome{
		OutcomeID: id + typ, AppID: w.app, UserID: w.user, MessageID: id, Category: categories[category], CampaignID: "c" + categories[category],
		Priority: event.Promotional, Type: typ, OccurredAt: at.Add(time.Second), Features: features,
	}})
}
