package report

import (
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/dispatch/push"
	"github.com/kairos-push/kairos/services/kairos/replay"
	"github.com/kairos-push/kairos/services/kairos/replay/collegemsg"
	"github.com/kairos-push/kairos/services/kairos/report/stats"
	"github.com/kairos-push/kairos/services/timing"
)

// Rules that the log of private messages compares, in the order of the table.
var collegeRules = []string{"immediate", "global best hour", "user best hour", "ours", "oracle"}

// CollegeRow is one rule at one hold, over the messages of the last third of the time.
type CollegeRow struct {
	Hold                  time.Duration
	Rule                  string
	Within5m, Within30m   stats.Interval // share of messages whose person was there so soon after the send
	MedianSent, MedianSee stats.Interval // seconds from the message's arrival
}

// College plays the log: each message to a person may wait for hold, and a person is present when they write. Nobody
// looks ahead but the oracle: all rules, ours among them, know what happened before the moment at which they decide, and
// what is reported is the last third of the time, so that two thirds went into habits.
func College(log []collegemsg.Message, holds []time.Duration, engine *timing.Engine, seed uint64) ([]CollegeRow, error) {
	zone, err := time.LoadLocation(collegemsg.Zone)
	if err != nil {
		return nil, err
	}
	if len(log) < 3 {
		return nil, fmt.Errorf("a log of %d messages is too short", len(log))
	}
	c := &college{log: log, zone: zone, present: map[int][]time.Time{}}
	for _, m := range log {
		c.present[m.Src] = append(c.present[m.Src], m.At)
	}
	first, last := log[0].At, log[len(log)-1].At
	cut := first.Add(last.Sub(first) * 2 / 3)
	rows := make([][]CollegeRow, len(holds))
	var wg sync.WaitGroup
	for i, hold := range holds {
		wg.Go(func() {
			sent := [][]time.Time{c.immediate(), c.bestHour(hold, false), c.bestHour(hold, true), c.ours(engine, hold), c.oracle(hold)}
			rows[i] = c.measure(hold, sent, cut, last.Add(-hold), seed)
		})
	}
	wg.Wait()
	return slices.Concat(rows...), nil
}

type college struct {
	log     []collegemsg.Message
	zone    *time.Location
	present map[int][]time.Time // by person, in order of time
}

// next is when the person is there first from t on; false if never again.
func (c *college) next(person int, t time.Time) (time.Time, bool) {
	all := c.present[person]
	i := sort.Search(len(all), func(i int) bool { return !all[i].Before(t) })
	if i == len(all) {
		return time.Time{}, false
	}
	return all[i], true
}

func (c *college) immediate() []time.Time {
	out := make([]time.Time, len(c.log))
	for i, m := range c.log {
		out[i] = m.At
	}
	return out
}

// bestHour sends in that hour of day, of those in the window, in which most was written before: by anybody, or by the
// person, with everybody's habit deciding between equals.
func (c *college) bestHour(hold time.Duration, own bool) []time.Time {
	out := make([]time.Time, len(c.log))
	var global [24]float64
	people := map[int]*[24]float64{}
	for i, m := range c.log {
		habit := people[m.Dst]
		worth := func(h int) float64 {
			w := global[h] / float64(i+1)
			if own && habit != nil {
				w = 1e-3*w + habit[h]
			}
			return w
		}
		out[i] = c.slot(m.At, m.At.Add(hold), worth)
		if people[m.Src] == nil {
			people[m.Src] = new([24]float64)
		}
		hour := m.At.In(c.zone).Hour()
		people[m.Src][hour]++
		global[hour]++
	}
	return out
}

// slot is the earliest time in [from, to] in the best of the hours that it touches.
func (c *college) slot(from, to time.Time, worth func(int) float64) time.Time {
	at, best := from, worth(from.In(c.zone).Hour())
	for t := from.Truncate(time.Hour).Add(time.Hour); !t.After(to); t = t.Add(time.Hour) {
		if w := worth(t.In(c.zone).Hour()); w > best {
			at, best = t, w
		}
	}
	return at
}

func (c *college) oracle(hold time.Duration) []time.Time {
	out := make([]time.Time, len(c.log))
	for i, m := range c.log {
		out[i] = m.At.Add(hold)
		if t, ok := c.next(m.Dst, m.At); ok && t.Before(out[i]) {
			out[i] = t
		}
	}
	return out
}

// ours is the production core over the whole log. A message that it does not send keeps the zero time.
func (c *college) ours(engine *timing.Engine, hold time.Duration) []time.Time {
	out := make([]time.Time, len(c.log))
	place := map[string]int{}
	core := replay.NewCore(engine, replay.Sink{Deliver: func(r *event.Release, _ *push.Push, _ int, now time.Time) push.Verdict {
		out[place[r.Message.MessageID]] = now
		return push.Verdict{Class: push.Sent}
	}})
	known := map[int]bool{}
	feed := func(person int, at time.Time, f event.Fact) {
		f.AppID, f.UserID, f.ReceivedAt = replay.AppID, collegemsg.UserID(person), at
		core.Feed(&f, at)
	}
	for i, m := range c.log {
		for _, p := range []int{m.Src, m.Dst} {
			if known[p] {
				continue
			}
			known[p] = true
			feed(p, m.At, event.Fact{Kind: event.KindDevice, Device: &event.Device{
				DeviceID: "d", UserID: collegemsg.UserID(p), Platform: "android", Channel: "fcm", AddressType: "token", Address: "t",
				TimeZone: collegemsg.Zone, Permission: event.PermissionGranted, UpdatedAt: m.At,
			}})
		}
		feed(m.Src, m.At, event.Fact{Kind: event.KindEvent, Event: &event.Event{
			EventID: fmt.Sprintf("e%d", i), UserID: collegemsg.UserID(m.Src), DeviceID: "d", Name: "app_opened", OccurredAt: m.At,
		}})
		id := fmt.Sprintf("m%d", i)
		place[id] = i
		feed(m.Dst, m.At, event.Fact{Kind: event.KindMessage, Message: &event.Message{
			MessageID: id, UserID: collegemsg.UserID(m.Dst), Category: "message", Priority: event.Promotional, Title: "New message",
			Timing: event.TimingBestMoment, Deadline: m.At.Add(hold),
		}})
	}
	core.RunTo(c.log[len(c.log)-1].At.Add(hold))
	return out
}

// measure reports messages that came from cut to until.
func (c *college) measure(hold time.Duration, sent [][]time.Time, cut, until time.Time, seed uint64) []CollegeRow {
	place := map[int]int{}
	for _, m := range c.log {
		if !m.At.Before(cut) && !m.At.After(until) {
			if _, ok := place[m.Dst]; !ok {
				place[m.Dst] = len(place)
			}
		}
	}
	people := len(place)
	total := make([]float64, people)
	type sums struct {
		in5, in30 []float64
		out, seen *stats.Waits
	}
	all := make([]sums, len(sent))
	for k := range all {
		all[k] = sums{make([]float64, people), make([]float64, people), stats.NewWaits(people), stats.NewWaits(people)}
	}
	for i, m := range c.log {
		if m.At.Before(cut) || m.At.After(until) {
			continue
		}
		p := place[m.Dst]
		total[p]++
		for k := range sent {
			at, wait, seen := sent[k][i], time.Duration(-1), time.Duration(-1)
			if !at.IsZero() {
				wait = at.Sub(m.At)
				if there, ok := c.next(m.Dst, at); ok {
					seen = there.Sub(m.At)
					if there.Sub(at) <= 5*time.Minute {
						all[k].in5[p]++
					}
					if there.Sub(at) <= 30*time.Minute {
						all[k].in30[p]++
					}
				}
			}
			all[k].out.Add(p, wait)
			all[k].seen.Add(p, seen)
		}
	}
	values := stats.Bootstrap(people, rounds, seed, func(drawn []float64) []float64 {
		var v []float64
		n := stats.Sum(drawn, total)
		for k := range all {
			v = append(v, stats.Sum(drawn, all[k].in5)/n, stats.Sum(drawn, all[k].in30)/n,
				all[k].out.Quantile(drawn, 0.5).Seconds(), all[k].seen.Quantile(drawn, 0.5).Seconds())
		}
		return v
	})
	rows := make([]CollegeRow, len(sent))
	for k := range rows {
		v := values[4*k:]
		rows[k] = CollegeRow{Hold: hold, Rule: collegeRules[k], Within5m: v[0], Within30m: v[1], MedianSent: v[2], MedianSee: v[3]}
	}
	return rows
}

// rounds of a bootstrap.
const rounds = 400
