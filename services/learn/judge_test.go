package learn

import (
	"bytes"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/score"
)

// heldBack are n examples of which so many share the label 1.
func heldBack(n int, share float64) []*example {
	var out []*example
	for i := range n {
		e := &example{app: "demo", inputs: []input{{score.Bias, 1}}}
		if float64(i) < share*float64(n) {
			e.label = 1
		}
		out = append(out, e)
	}
	return out
}

// wish makes the trainer's candidate have a weight.
func wish(t *trainer, f score.Feature, w float64) {
	t.weights.Seen[f].N = 100
	dense.set(&t.weights.Seen[f], w-t.prior.Seen[f])
}

func TestBadModelsAreRefused(t *testing.T) {
	t.Parallel()
	fair := score.Logit(0.3)
	for name, c := range map[string]struct {
		spoil func(*trainer)
		want  string
	}{
		"a better one":        {func(t *trainer) { wish(t, score.Bias, score.Logit(0.32)) }, ""},
		"slightly worse":      {func(t *trainer) { wish(t, score.Bias, score.Logit(0.33)) }, ""},
		"worse":               {func(t *trainer) { wish(t, score.Bias, score.Logit(0.7)) }, refusedWorse},
		"worse, little proof": {func(t *trainer) { wish(t, score.Bias, score.Logit(0.7)); t.held[taskSeen] = t.held[taskSeen][300:302] }, ""},
		"not a number":        {func(t *trainer) { t.weights.Seen[score.DND].Z = math.NaN() }, refusedWeights},
		"infinite":            {func(t *trainer) { t.weights.Open[score.DND].Z = math.Inf(-1) }, refusedWeights},
		"exploding":           {func(t *trainer) { wish(t, score.DND, -25) }, refusedWeights},
		"a hashed one":        {func(t *trainer) { t.weights.Hashed[77] = coord{Z: -1e9, N: 1} }, refusedWeights},
	} {
		tr := newTrainer("demo", score.Default())
		wish(tr, score.Bias, fair)
		require.Empty(t, tr.settle(DefaultLimits()).reason)
		good := *tr.good
		require.InDelta(t, fair, good.Seen[score.Bias], 1e-9)
		tr.held[taskSeen] = heldBack(1000, 0.3)
		c.spoil(tr)
		v := tr.settle(DefaultLimits())
		require.Equal(t, c.want, v.reason, name)
		if c.want == "" {
			continue
		}
		require.Equal(t, good, *tr.good, name)
		after := tr.model()
		require.NoError(t, after.Check())
		for f := range score.NumFeatures {
			require.InDelta(t, good.Seen[f], after.Seen[f], 1e-9, "learning goes on from the last good one")
		}
	}
}

// Few examples are held back in a round, but those of a day judge.
func TestTheHeldBackOfADayJudge(t *testing.T) {
	t.Parallel()
	l := NewLearner(DefaultLimits())
	end := monday
	hear := func(n int) string {
		end = end.Add(10 * time.Minute)
		for _, e := range heldBack(n, 0.3) {
			e.held, e.at = true, end.Add(-time.Minute)
			l.global.hold(e, l.limits)
		}
		out := round(t, l, end)
		return out[len(out)-1].Refused
	}
	wish(l.global, score.Bias, score.Logit(0.3))
	for range 4 {
		require.Empty(t, hear(20))
	}
	bad := score.Logit(0.7)
	wish(l.global, score.Bias, bad)
	require.Equal(t, refusedWorse, hear(0))
	require.InDelta(t, score.Logit(0.3), l.Model("").Seen[score.Bias], 1e-9)

	end = end.Add(testimony)
	wish(l.global, score.Bias, bad)
	require.Empty(t, hear(20), "what was held back a day ago says nothing any more")
	require.Len(t, l.global.held[taskSeen], 20)
}

// What is held back never exceeds its limit, and the oldest gives way.
func TestTheHeldBackAreBounded(t *testing.T) {
	t.Parallel()
	limits := Limits{Held: 5}
	tr := newTrainer("demo", score.Default())
	hold := func(from, to int) {
		for i := from; i < to; i++ {
			tr.hold(&example{person: uint64(i)}, limits)
		}
	}
	people := func() (out []uint64) {
		tr.recall(func(e *example) bool { out = append(out, e.person); return false })
		return out
	}
	hold(0, 8)
	require.Equal(t, []uint64{3, 4, 5, 6, 7}, people())
	hold(8, 10)
	tr.recall(func(e *example) bool { return e.person < 6 })
	hold(10, 11)
	require.Equal(t, []uint64{6, 7, 8, 9, 10}, people())
}

// A refused model is told on the topic: the record holds the model before it, with the offsets to go on from.
func TestARefusedModelLeavesTheOneBefore(t *testing.T) {
	t.Parallel()
	l := NewLearner(DefaultLimits())
	rows := crowd("demo", 5, 1, 9)
	for _, r := range rows {
		l.apply(r)
	}
	first := round(t, l, monday.AddDate(0, 0, 1))
	l.apps["demo"].weights.Seen[score.Bias].Z = math.NaN()
	second := round(t, l, monday.AddDate(0, 0, 2))
	require.Equal(t, refusedWeights, second[0].Refused)
	require.Empty(t, second[1].Refused, "the other models are not concerned")
	require.Equal(t, first[0].Version, second[0].Version)
	m, err := score.Parse(second[0].Value)
	require.NoError(t, err)
	require.Equal(t, first[0].Version, m.Version)
	back, _, err := Load(DefaultLimits(), map[string][]byte{"": second[1].Value, "demo": second[0].Value})
	require.NoError(t, err)
	require.Equal(t, monday.AddDate(0, 0, 2), back.Through())
	require.Equal(t, time.UTC, back.Through().Location())
}

func TestAPriorMovesWhatHasLittleEvidence(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ n, want float64 }{{0, 1.5}, {evidence, 1}, {1e9, 0.5}} {
		tr := newTrainer("demo", score.Default())
		tr.weights.Seen[score.DND].N = c.n
		base := tr.prior.Seen[score.DND]
		dense.set(&tr.weights.Seen[score.DND], 0.5)
		moved := *tr.prior
		moved.Seen[score.DND]++
		tr.rebase(&moved)
		require.InDelta(t, base+c.want, tr.model().Seen[score.DND], 1e-6, "evidence %v", c.n)
	}
}

// The channel that is learned of is that of the release; the row of an answer names the device that answered.
func TestChannelsAreLearned(t *testing.T) {
	t.Parallel()
	l := NewLearner(DefaultLimits())
	for n := range 400 {
		user, channel, typ := fmt.Sprint("u", n), event.ChannelAPNs, event.OutcomeIgnored
		if n%2 == 0 {
			channel = event.ChannelWebPush
		}
		if n%10 < 4 && channel == event.ChannelAPNs {
			typ = event.OutcomeOpened
		}
		at := monday.Add(time.Duration(n) * time.Minute)
		l.apply(row{at: at, enriched: &profile.Enriched{Fact: event.Fact{
			AppID: "demo", UserID: user, ReceivedAt: at, Kind: event.KindUser, User: &event.User{UserID: user},
		}}, cause: 1})
		l.apply(row{at: at, outcome: &event.Outcome{
			OutcomeID: user, AppID: "demo", UserID: user, MessageID: "m", Type: typ, OccurredAt: at, Channel: event.ChannelFCM,
			Features: event.Features{"bias": 1, score.ChannelPrefix + channel: 1},
		}})
	}
	round(t, l, monday.AddDate(0, 0, 1))
	offset := func(channel string) float64 { return l.Model("demo").MessageOffset(&event.Message{}, channel, "") }
	require.Greater(t, offset(event.ChannelAPNs), offset(event.ChannelWebPush)+0.5)
	require.Zero(t, offset(event.ChannelFCM))
}

// The gradient by the chance to be seen is the slope of minus the log-likelihood of what became of the push: opened early,
// opened late, or not at all; of a label in between, that of late with that weight.
func TestAnswersTeachWhetherAPushIsSeen(t *testing.T) {
	t.Parallel()
	const q, z, h = 0.3, -0.4, 1e-6
	loss := func(e *example, z float64) float64 {
		s := sigmoid(z)
		switch {
		case e.noticed:
			return 0
		case e.early:
			return -math.Log(s * q)
		default:
			return -e.label*math.Log((1-s)*score.FoundLater*q) - (1-e.label)*math.Log(1-(s+(1-s)*score.FoundLater)*q)
		}
	}
	for _, e := range []*example{{label: 1, early: true}, {label: 1}, {}, {label: 0.4}, {noticed: true}} {
		s := sigmoid(z)
		p := (s + (1-s)*score.FoundLater) * q
		require.InDelta(t, (loss(e, z+h)-loss(e, z-h))/(2*h), e.seenGradient(p, q, s), 1e-6, "%+v", e)
	}
}

// What a push costs the next one is learned from answers; that pushes make people open more is not believed.
func TestPressureOnlyEverSpeaksAgainstAPush(t *testing.T) {
	t.Parallel()
	train := func(fresh, tired float64) *score.Model {
		tr := newTrainer("demo", score.Default())
		for i := range 4000 {
			e := &example{task: taskOpen, noticed: i%2 == 0, inputs: []input{{score.Bias, 1}, {score.PressureUser, 1.4}}}
			rate := tired
			if i/2%2 == 0 {
				e.inputs, rate = e.inputs[:1], fresh
			}
			if float64(i/4%100) < 100*rate {
				e.label = 1
			}
			tr.train(e)
		}
		return tr.model()
	}
	builtIn := score.Default().Open[score.PressureUser]
	require.Less(t, train(0.3, 0.1).Open[score.PressureUser], 4*builtIn)
	require.Zero(t, train(0.1, 0.3).Open[score.PressureUser])
	require.Zero(t, train(0.3, 0.1).Seen[score.PressureUser], "it tells nothing of the moment")
}

func TestGradientsAreSlopesOfTheLoss(t *testing.T) {
	t.Parallel()
	for _, e := range []*example{
		{task: taskSeen, label: 1}, {task: taskSeen}, {task: taskOpen, label: 1}, {task: taskOpen}, {task: taskOpen, label: 0.4}, {task: taskOpen, noticed: true},
	} {
		at := func(z float64) (p, q float64) {
			f := func(*example) float64 { return z }
			if e.task == taskSeen {
				return e.predict(f, nil)
			}
			return e.predict(func(*example) float64 { return 0.3 }, f)
		}
		const z, h = -0.7, 1e-5
		p, q := at(z)
		up, _ := at(z + h)
		down, _ := at(z - h)
		require.InDelta(t, (e.loss(up)-e.loss(down))/(2*h), e.gradient(p, q), 1e-6, "%+v", e)
	}
}

// What is published knows features, categories and cohorts by their numbers in a table, and nobody by a name.
func TestModelsHoldNoIdentifiers(t *testing.T) {
	t.Parallel()
	l := NewLearner(DefaultLimits())
	for _, r := range crowd("demo", 5, 2, 9) {
		l.apply(r)
	}
	for _, s := range round(t, l, monday.AddDate(0, 0, 2)) {
		_, blob, _, err := score.ParseSnapshot(s.Value)
		require.NoError(t, err)
		require.NotEmpty(t, blob)
		for _, name := range []string{"u000", "u003", "cnews", "chat", "message-1", "\"d\""} {
			require.NotContains(t, string(s.Value), name)
			require.NotContains(t, string(blob), name)
		}
	}
}

// older is a record of the models topic as a program wrote it that knew one feature by another name.
func older(t *testing.T, record []byte) []byte {
	t.Helper()
	m, blob, _, err := score.ParseSnapshot(record)
	require.NoError(t, err)
	var s saved
	require.NoError(t, decoder.Unmarshal(blob, &s))
	for name, kind := range map[string]*map[string]coord{"call_ended": &s.Seen, "in_pocket": &s.Open} {
		if *kind == nil {
			*kind = map[string]coord{}
		}
		(*kind)[name] = coord{Z: 1, N: 2}
	}
	blob, err = encoder.Marshal(s)
	require.NoError(t, err)
	record, err = m.Encode(time.UnixMilli(s.Through).UTC(), blob)
	require.NoError(t, err)
	require.Contains(t, string(record), `"call_ended_0s":0.2`)
	return bytes.ReplaceAll(record, []byte(`"call_ended_0s":0.2`), []byte(`"call_ended":0.2`))
}

// After an upgrade learning goes on from the snapshots of before, whatever features they are of; what could not be taken over
// is said, and the next record is whole again.
func TestLearningGoesOnFromOtherFeatures(t *testing.T) {
	t.Parallel()
	l := NewLearner(DefaultLimits())
	for _, r := range crowd("demo", 8, 2, 9) {
		l.apply(r)
	}
	records := map[string][]byte{}
	for _, s := range round(t, l, monday.AddDate(0, 0, 2)) {
		records[s.App] = older(t, s.Value)
	}
	byHand, err := score.Default().Encode(monday, nil)
	require.NoError(t, err)
	records["hand"] = bytes.ReplaceAll(byHand, []byte(`"dnd"`), []byte(`"leave_me_alone"`))

	back, _, err := Load(DefaultLimits(), records)
	require.NoError(t, err)
	require.Equal(t, monday.AddDate(0, 0, 2), back.Through())
	before := []string{"open.call_ended", "open.in_pocket", "seen.call_ended"}
	require.Equal(t, map[string][]string{"": before, "demo": before, "hand": {"seen.leave_me_alone"}}, back.LeftOut)
	require.InDelta(t, l.Model("demo").Seen[score.Away0], back.Model("demo").Seen[score.Away0], 1e-9, "the rest is found again")
	for i, s := range round(t, back, monday.AddDate(0, 0, 3)) {
		m, err := score.Parse(s.Value)
		require.NoError(t, err)
		if i == 0 { // demo
			require.InDelta(t, 0.2, m.Seen[score.CallEnded0], 1e-9)
		}
	}
	again, _, err := Load(DefaultLimits(), records)
	require.NoError(t, err)
	again.apps["demo"].weights.Seen[score.Bias].Z = math.NaN()
	refused := round(t, again, monday.AddDate(0, 0, 3))[0]
	require.Equal(t, refusedWeights, refused.Refused)
	require.NotEqual(t, l.Model("demo").Version, refused.Version, "what is left of a model is another model")
}
