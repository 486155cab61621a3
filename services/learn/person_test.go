package learn

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/score"
)

func TestLabelsOfPresence(t *testing.T) {
	t.Parallel()
	at := func(d time.Duration) time.Time { return monday.Add(d) }
	came := func(d time.Duration) sign { return sign{at: at(d), came: true} }
	left := func(d time.Duration) sign { return sign{at: at(d), left: true} }
	nothing := func(d time.Duration) sign { return sign{at: at(d)} }
	const open, dropped = -1, -2
	for name, c := range map[string]struct {
		inUse bool
		signs []sign
		want  float64
	}{
		"comes within five minutes, stays": {false, []sign{came(5 * time.Minute), left(6 * time.Minute)}, 1},
		"comes for a glance":               {false, []sign{came(time.Minute), left(90 * time.Second), nothing(15 * time.Minute)}, 0},
		"glances, comes again and stays":   {false, []sign{came(time.Minute), left(90 * time.Second), came(4 * time.Minute), left(6 * time.Minute)}, 1},
		"comes, no end in sight":           {false, []sign{came(time.Minute), nothing(time.Hour)}, open},
		"comes later":                      {false, []sign{came(6 * time.Minute), nothing(15 * time.Minute)}, 0},
		"came before":                      {false, []sign{came(-time.Second), nothing(15 * time.Minute)}, 0},
		"not known yet":                    {false, []sign{nothing(14 * time.Minute)}, open},
		"stays":                            {true, []sign{left(time.Minute)}, 1},
		"leaves at once":                   {true, []sign{left(59 * time.Second)}, 0},
		"leaves and comes back":            {true, []sign{left(10 * time.Second), came(4 * time.Minute)}, 0},
		"is at it, no end in sight":        {true, []sign{nothing(time.Hour)}, open},
		"its end was lost: comes again":    {true, []sign{came(40 * time.Minute)}, dropped},
		"its end was lost: nothing":        {true, []sign{nothing(patience)}, dropped},
		"a sign that is late, but in time": {false, []sign{nothing(14 * time.Minute), {at: at(time.Minute), came: true}, left(2 * time.Minute)}, 1},
	} {
		q := pending{at: monday, inUse: c.inUse}
		if c.inUse {
			q.from = monday
		}
		p := &person{pending: []pending{q}}
		got := float64(open)
		now := monday
		for _, s := range c.signs {
			now = later(now, s.at)
			p.decide(s, now, func(_ *pending, label float64) { got = label })
		}
		if got == open && len(p.pending) == 0 {
			got = dropped
		}
		require.InDelta(t, c.want, got, 0, name)
	}
}

// What a push is worth is asked for instants that no record chose, and with what was known at that time.
func TestInstantsKnowOnlyThePast(t *testing.T) {
	t.Parallel()
	w := &world{app: "demo", user: "ada"}
	w.profile.TimeZone = "UTC"
	w.profile.Devices = []profile.Device{{DeviceID: "d"}}
	w.signal(event.SignalUnlocked, monday)
	w.signal(event.SignalLocked, monday.Add(time.Minute))
	w.signal(event.SignalUnlocked, monday.Add(47*time.Minute))
	w.signal(event.SignalLocked, monday.Add(3*time.Hour))
	l := NewLearner(DefaultLimits())
	var got []*example
	for _, r := range w.rows {
		l.apply(r)
	}
	tr := l.apps["demo"]
	got = append(got, tr.held[taskSeen]...)
	if len(got) == 0 {
		l.judges = func(uint64) bool { return true }
		l.people, l.apps = map[string]*person{}, map[string]*trainer{}
		for _, r := range w.rows {
			l.apply(r)
		}
		got = l.apps["demo"].held[taskSeen]
	}
	got = slices.DeleteFunc(got, func(e *example) bool { return e.stranger != nil })
	require.GreaterOrEqual(t, len(got), 14)
	for i, e := range got[:4] {
		in := map[score.Feature]float64{}
		for _, x := range e.inputs {
			in[x.feature] = x.value
		}
		require.Zero(t, in[score.InUse0], "instant %d: the phone lay there since 00:01, whatever came at 00:47", i)
		require.NotZero(t, in[score.Away0]+in[score.Away600]+in[score.Away2400])
	}
	ones := 0.0
	for _, e := range got {
		ones += e.label
	}
	require.Greater(t, ones, 10.0, "two hours in the hand")
}

func TestAPersonMayNotBeLearnedFrom(t *testing.T) {
	t.Parallel()
	no := false
	for name, consent := range map[string]event.Consent{"device data": {DeviceData: &no}, "user data": {UserData: &no}} {
		l := NewLearner(DefaultLimits())
		for _, r := range crowd("demo", 3, 1, 5) {
			if r.enriched != nil {
				r.enriched.Profile.Consent = consent
			}
			l.apply(r)
		}
		if name == "device data" {
			require.Zero(t, l.Counts.Examples[taskSeen], name)
		} else {
			require.Zero(t, l.Counts.Examples[taskOpen], name)
		}
	}
}

// A person without consent to user data is there when the phone says so; what they do in the app, or with a push, tells
// nothing. Without consent to device data nothing is labelled from then on, not even what was in question before.
func TestWithdrawnConsentLeavesNoSign(t *testing.T) {
	t.Parallel()
	no := false
	all, noUserData, noDeviceData := event.Consent{}, event.Consent{UserData: &no}, event.Consent{DeviceData: &no}
	asked := monday.Add(time.Hour) // whether the person came to a phone that was put away before
	opened := event.Fact{Receipt: &event.Receipt{Kind: event.ReceiptOpened, OccurredAt: asked.Add(time.Minute)}}
	visited := event.Fact{Event: &event.Event{Name: "app_opened", OccurredAt: asked.Add(time.Minute)}}
	said := event.Fact{User: &event.User{}}
	for name, c := range map[string]struct {
		does    event.Fact
		after   time.Duration
		consent event.Consent
		want    []float64
	}{
		"opened":                  {opened, time.Minute, all, []float64{1}},
		"opened, no user data":    {opened, time.Minute, noUserData, []float64{0}},
		"visited":                 {visited, time.Minute, all, []float64{1}},
		"visited, no user data":   {visited, time.Minute, noUserData, []float64{0}},
		"visited, no device data": {visited, time.Minute, noDeviceData, nil},
		"only said so":            {said, time.Minute, all, []float64{0}},
		"withdrawn":               {said, within + lateness, noDeviceData, nil},
	} {
		l := NewLearner(DefaultLimits())
		l.judges = func(uint64) bool { return true }
		w := &world{app: "demo", user: "ada", profile: profile.Profile{Devices: []profile.Device{{DeviceID: "d"}}}}
		w.signal(event.SignalUnlocked, asked.Add(-2*time.Minute))
		w.signal(event.SignalLocked, asked.Add(-time.Minute))
		for _, r := range w.rows {
			l.apply(r)
		}
		p := l.people[event.Key("demo", "ada")]
		l.apps = map[string]*trainer{}
		p.pending, p.at = []pending{{at: asked}}, asked.Add(time.Minute)
		w.profile.Consent = c.consent
		w.rows = nil
		w.fact(c.does, asked.Add(c.after))
		w.signal(event.SignalLocked, asked.Add(3*time.Minute))
		w.fact(said, asked.Add(within+lateness))
		for _, r := range w.rows {
			l.apply(r)
		}
		var got []float64
		if tr := l.apps["demo"]; tr != nil {
			for _, e := range tr.held[taskSeen] {
				got = append(got, e.label)
			}
		}
		require.Equal(t, c.want, got, name)
	}
}

// Of a phone that never tells the end of its use only ever "stays" would be known, and of one that tells all at night only
// what it was not late to tell: neither is labelled. One that tells its screen, but no locks, is asked while it is dark.
func TestOnlyPhonesThatTellBothEndsInTimeAreLabelled(t *testing.T) {
	t.Parallel()
	const lock, unlock, on, off = event.SignalLocked, event.SignalUnlocked, event.SignalScreenOn, event.SignalScreenOff
	both := map[float64]bool{0: true, 1: true}
	for name, c := range map[string]struct {
		begin, end  []string
		late        float32
		inUse, away map[float64]bool
	}{
		"locks":        {[]string{unlock}, []string{lock}, 0.4, both, both},
		"screen":       {[]string{on, unlock}, []string{off}, 0, nil, both},
		"both":         {[]string{on, unlock}, []string{off, lock}, 0, both, both},
		"no ends":      {[]string{unlock}, nil, 0, nil, nil},
		"screen on":    {[]string{on, unlock}, nil, 0, nil, nil},
		"only ends":    {nil, []string{lock}, 0, nil, nil},
		"all at night": {[]string{unlock}, []string{lock}, 0.5, nil, nil},
	} {
		l := NewLearner(DefaultLimits())
		l.judges = func(uint64) bool { return true }
		w := &world{app: "demo", user: "ada", profile: profile.Profile{Devices: []profile.Device{{DeviceID: "d"}}}}
		w.profile.Recency.Late = c.late
		at := monday
		w.profile.Recency.LockAt = at.Add(-49 * time.Hour)
		for n := range 300 {
			for _, kind := range c.begin {
				w.signal(kind, at)
			}
			at = at.Add([]time.Duration{40 * time.Second, 11 * time.Minute, 90 * time.Second}[n%3])
			for _, kind := range c.end {
				w.signal(kind, at)
			}
			at = at.Add(time.Duration(2+n%17) * time.Minute)
		}
		for _, r := range w.rows {
			l.apply(r)
		}
		var inUse, away map[float64]bool
		if tr := l.apps["demo"]; tr != nil {
			for _, e := range tr.held[taskSeen] {
				labels := &away
				if slices.ContainsFunc(e.inputs, func(in input) bool { return in.feature >= score.InUse0 && in.feature <= score.InUse2400 }) {
					labels = &inUse
				}
				if *labels == nil {
					*labels = map[float64]bool{}
				}
				(*labels)[e.label] = true
			}
		}
		require.Equal(t, c.inUse, inUse, name)
		require.Equal(t, c.away, away, name)
	}
}

// What is held back of a person to judge by goes with them, at once.
func TestErasedPeopleAreForgotten(t *testing.T) {
	t.Parallel()
	l := NewLearner(DefaultLimits())
	l.judges = func(uint64) bool { return true }
	for _, r := range crowd("demo", 2, 1, 5) {
		l.apply(r)
	}
	require.Len(t, l.people, 2)
	l.Enriched(&profile.Enriched{Fact: event.Fact{
		AppID: "demo", UserID: "u001", ReceivedAt: monday.AddDate(0, 0, 1), User: &event.User{UserID: "u001", Erase: true},
	}}, 1<<40)
	require.Len(t, l.people, 1)
	for _, tr := range []*trainer{l.global, l.apps["demo"]} {
		for task, held := range tr.held {
			require.NotEmpty(t, held)
			for _, e := range held {
				require.Equal(t, hash(event.Key("demo", "u000")), e.person, task)
			}
		}
	}
}

func TestRowsCountOnce(t *testing.T) {
	t.Parallel()
	rows := life("demo", 1, 2, 5)
	l := NewLearner(DefaultLimits())
	for _, r := range rows {
		l.apply(r)
		l.apply(r)
	}
	once := NewLearner(DefaultLimits())
	for _, r := range rows {
		once.apply(r)
	}
	require.Equal(t, once.Counts.Examples, l.Counts.Examples)
	require.Positive(t, l.Counts.Duplicates)
	require.Equal(t, once.global.weights, l.global.weights)
	old := *rows[len(rows)-1].enriched
	require.Positive(t, old.Fact.ReceivedAt.Unix())
	l.Outcome(&event.Outcome{
		AppID: "demo", UserID: "u001", MessageID: "of last week", Type: event.OutcomeOpened, OccurredAt: monday.AddDate(0, 0, -7),
		Features: event.Features{"bias": 1},
	})
	require.Equal(t, 1, l.Counts.Late)
}

// However many people there are, and whatever they send: memory stays bounded, and the sample is by person.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	limits := Limits{People: 100, Hashed: 64, Held: 50}
	l := NewLearner(limits)
	for i := range 2000 {
		user := fmt.Sprintf("u%d", i)
		f := event.Fact{AppID: "demo", UserID: user, ReceivedAt: monday.Add(time.Duration(i) * time.Second)}
		for k := range 40 {
			f.Kind, f.Result = event.KindResult, &event.Result{MessageID: fmt.Sprint(k), Status: event.ResultSent, At: f.ReceivedAt}
			l.Enriched(&profile.Enriched{Fact: f}, int64(k))
			l.Outcome(&event.Outcome{
				AppID: "demo", UserID: user, MessageID: fmt.Sprint(k), CampaignID: fmt.Sprintf("c%d-%d", i, k), Type: event.OutcomeIgnored,
				OccurredAt: f.ReceivedAt, Features: event.Features{"bias": 1e300, "in_use_0s": 1},
			})
		}
		require.LessOrEqual(t, len(l.people), limits.People)
	}
	require.Positive(t, l.level)
	for key, p := range l.people {
		require.True(t, l.Wants(key))
		require.LessOrEqual(t, len(p.watches), maxWatches)
		require.LessOrEqual(t, len(p.closed), maxClosed)
	}
	round(t, l, monday.Add(time.Hour))
	require.LessOrEqual(t, len(l.global.weights.Hashed), limits.Hashed)
	l.now = l.now.Add(memory + time.Hour)
	round(t, l, monday.Add(2*time.Hour))
	require.Empty(t, l.people, "nobody is remembered longer than needed")
}
