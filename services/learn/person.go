package learn

import (
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/score"
)

// How a label of presence comes about, and for how long anything is kept of a person.
const (
	spacing   = 10 * time.Minute // one instant in each stretch of this length is an example
	within    = 5 * time.Minute  // a push counts as seen if the person is there by then
	asides    = 4                // one such instant in so many also tells of those of whom nothing is known
	stay      = time.Minute      // a sitting has to go on for so long to count
	lateness  = 10 * time.Minute // signs that arrive later do not count any more
	patience  = 2 * time.Hour    // after which a sitting without an end is no longer believed
	memory    = 26 * time.Hour   // what is kept of a person: a day, which is also how long an answer counts, and a margin
	testimony = 24 * time.Hour   // how long a held-back example judges

	maxWatches = 16
	maxClosed  = 16
)

// person is what is kept of one person: only what the next labels need.
type person struct {
	hash    uint64
	app     string
	at      time.Time // of the last fact
	kept    time.Time // of the last row of any kind
	context score.Context
	habit   profile.Presence
	loc     *time.Location
	cohort  string
	tells   bool // the phone tells when its use begins and ends, and may
	answers bool // the person's behaviour may be used
	pending []pending
	watches []watch
	closed  []uint64 // answers taken in
	cause   int64    // offset of the last fact taken in; facts of a person lie in one partition
}

// pending is an instant whose label is not known yet.
type pending struct {
	at    time.Time
	inUse bool
	from  time.Time // beginning of the sitting that the label waits for; at, if it was in progress; zero if there is none
	x     score.Vector
	aside *stranger // the instant is that of a stranger, whatever is known of the person
}

// watch is a message that was held out, for the visit to the app that may follow it. Of one that was sent, the row that
// closes it says so.
type watch struct {
	message uint64
	at      time.Time
	visited bool
}

// sign is what a record says of the person's presence.
type sign struct {
	at         time.Time
	came, left bool
}

// signOf reads a fact of a person whose phone may be looked at. What they do in the app, and with pushes, is a sign if that
// may be used as well. A screen also goes on by itself, so that it does not count.
func signOf(in *profile.Enriched, received time.Time) sign {
	var s sign
	f, user := &in.Fact, in.Profile.AllowsUserData()
	switch {
	case f.Event != nil:
		s = sign{at: f.Event.OccurredAt, came: user}
	case f.Receipt != nil:
		s = sign{at: f.Receipt.OccurredAt, came: user && (f.Receipt.Kind == event.ReceiptOpened || f.Receipt.Kind == event.ReceiptDismissed)}
	case f.Signal != nil:
		s.at = f.Signal.ObservedAt
		switch f.Signal.Kind {
		case event.SignalUnlocked, event.SignalAppForeground, event.SignalCallEnded:
			s.came = true
		case event.SignalLocked, event.SignalScreenOff:
			s.left = true
		}
	}
	if s.at.After(received) {
		s.at = received
	}
	return s
}

// ask turns the time since the last record into instants in question, with what timing knew then: the profile of that
// record, grown older. The week that it is shrunk to is the built-in one, as that of the model is another in each round, and a
// learner that is started again would not know it.
func (p *person) ask(now time.Time) {
	if !p.tells || p.at.IsZero() {
		return
	}
	phase := time.Duration(p.hash>>16%uint64(spacing/time.Second)) * time.Second
	first := p.at.Add(-phase).Truncate(spacing).Add(spacing + phase)
	var week profile.Week
	for at := first; !at.After(now) && at.Sub(p.at) < memory; at = at.Add(spacing) {
		if week == (profile.Week{}) {
			week = p.habit.Week(&everybody, p.at)
		}
		q := pending{at: at, inUse: p.context.InUse < score.Never}
		hour := profile.HourOfWeek(at, p.loc)
		if q.inUse {
			q.from = at
		}
		p.context.At(at.Sub(p.at).Seconds(), score.Logit(float64(week[hour])), &q.x)
		p.pending = append(p.pending, q)
		if at.Unix()/int64(spacing/time.Second)%asides == 0 {
			q.x, q.aside = score.Vector{}, &stranger{p.cohort, hour}
			p.pending = append(p.pending, q)
		}
	}
}

var everybody = profile.DefaultWeek()

// decide labels what a sign, or the lack of one by now, tells of.
//
// A person who is at the phone attends if they stay for a minute more, so that p_seen of a phone in use also says how long
// sittings last. One who is not attends if they come within five minutes and then stay for a minute. A sitting whose end
// is never told is no evidence of either: the next beginning, or two hours, show that the end was lost.
func (p *person) decide(s sign, now time.Time, emit func(*pending, float64)) {
	open := p.pending[:0]
	for i := range p.pending {
		q := p.pending[i]
		after, stayed, age := s.at.Sub(q.at), s.at.Sub(q.from), now.Sub(q.at)
		using := !q.from.IsZero()
		switch {
		case using && s.left && stayed >= stay, using && s.came && stayed >= stay && after <= within:
			emit(&q, 1)
		case using && s.left && stayed > 0 && q.inUse, !using && age >= within+lateness:
			emit(&q, 0)
		case using && (s.came && after > within || age >= patience):
		default:
			if using && s.left && stayed > 0 {
				q.from = time.Time{} // a short look; they may come again
			} else if !using && s.came && after > 0 && after <= within {
				q.from = s.at
			}
			open = append(open, q)
		}
	}
	p.pending = open
}

// visited says whether a visit is the first after a message that was held out.
func (p *person) visited(message uint64) bool {
	i := slices.IndexFunc(p.watches, func(w watch) bool { return w.message == message && !w.visited })
	if i < 0 {
		return false
	}
	p.watches[i].visited = true
	return true
}

// watch remembers a message that was held out; the oldest gives way.
func (p *person) watch(message uint64, at time.Time) {
	if len(p.watches) == maxWatches {
		p.watches = slices.Delete(p.watches, 0, 1)
	}
	p.watches = append(p.watches, watch{message: message, at: at})
}

// close says whether a row that closes a message is the first.
func (p *person) close(message uint64) bool {
	if slices.Contains(p.closed, message) {
		return false
	}
	if len(p.closed) == maxClosed {
		p.closed = slices.Delete(p.closed, 0, 1)
	}
	p.closed = append(p.closed, message)
	return true
}

// follow remembers the profile: what timing knows from now on.
func (p *person) follow(in *profile.Profile, now time.Time) {
	p.at, p.habit, p.loc, p.cohort = now, in.Presence, in.Location(), in.Cohort
	p.context = score.Sense(in, now)
	p.answers = in.AllowsUserData()
	p.tells = in.TellsSittings(now)
	if !in.AllowsDeviceData() {
		p.tells, p.pending = false, nil
	}
	if !p.answers {
		p.watches = nil
	}
}

func hash(parts ...string) uint64 {
	var d xxhash.Digest
	d.Reset()
	for _, part := range parts {
		_, _ = d.WriteString(part)
		_, _ = d.WriteString("|")
	}
	return d.Sum64()
}
