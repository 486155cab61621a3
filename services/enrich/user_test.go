package enrich

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
)

func TestConsent(t *testing.T) {
	t.Parallel()
	no, yes := false, true
	p, _ := feed(&profile.Profile{},
		device(t0, "addr"), signal(event.SignalUnlocked, t0), signal(event.SignalMotion, t0, event.Scalar{Text: "still"}),
		ownEvent("session_started", t0), ownEvent("session_ended", after(time.Minute)),
		fact(t0, &event.Receipt{ReceiptID: "r", MessageID: "m", UserID: "u1", DeviceID: "d1", Kind: "opened", OccurredAt: t0}))
	require.NotEmpty(t, p.Presence.Bins)

	p, _ = feed(p, fact(after(time.Hour), &event.User{UserID: "u1", Consent: &event.Consent{DeviceData: &no}}))
	d := p.Device("d1")
	require.Equal(t, profile.Live{}, d.Live)
	require.Equal(t, "addr", d.Address, "the address is not an observation")
	require.True(t, p.Recency.UnlockAt.IsZero() && d.LastSeenAt.IsZero() && p.Presence.IsZero())
	require.InDelta(t, 60, p.Recency.SessionSeconds, 0, "the own app's session stays")

	before := *p
	p, effects := feed(p, signal(event.SignalMotion, after(2*time.Hour), event.Scalar{Text: "walking"}))
	require.Equal(t, before, *p, "a forbidden signal leaves no trace")
	require.Zero(t, enriched(t, effects[0]).Fact.Signal.Value)

	p, _ = feed(p, fact(after(2*time.Hour), &event.User{UserID: "u1", Consent: &event.Consent{UserData: &no}}))
	require.Equal(t, profile.Recency{}, p.Recency)
	require.Zero(t, p.Response.Rates(after(2*time.Hour)).Opens)
	before = *p
	ev := ownEvent("purchase", after(3*time.Hour))
	ev.Event.Properties = event.Object(`{"sum":9}`)
	p, effects = feed(p, ev)
	require.Equal(t, before, *p)
	require.Equal(t, "purchase", enriched(t, effects[0]).Fact.Event.Name, "cancel_on needs the name")
	require.Empty(t, enriched(t, effects[0]).Fact.Event.Properties)
	require.NotEmpty(t, ev.Event.Properties, "the fact itself is not changed")

	p, _ = feed(p, fact(after(4*time.Hour), &event.User{UserID: "u1", Consent: &event.Consent{UserData: &yes, DeviceData: &yes}}),
		signal(event.SignalUnlocked, after(4*time.Hour)))
	require.Equal(t, after(4*time.Hour), p.Recency.UnlockAt)
}

func TestWithdrawingTwiceKeepsWhatIsAllowed(t *testing.T) {
	t.Parallel()
	no := false
	withdraw := fact(t0, &event.User{UserID: "u1", Consent: &event.Consent{DeviceData: &no}})
	p, _ := feed(&profile.Profile{}, withdraw, ownEvent("app_opened", t0), withdraw)
	require.False(t, p.Presence.IsZero())
}

func TestUserRecordsMerge(t *testing.T) {
	t.Parallel()
	user := func(u event.User) *event.Fact { return fact(t0, &u) }
	p, _ := feed(&profile.Profile{},
		user(event.User{
			OptedOutCategories: []string{"news"}, QuietHours: &event.Window{Start: 1, End: 2}, Cohort: "a",
			Attributes: event.Object(`{"cart":"open","n":1,"deep":{"x":null}}`),
		}),
		user(event.User{Attributes: event.Object(`{"n":null,"cart":"paid","new":[1]}`)}))
	require.JSONEq(t, `{"cart":"paid","deep":{"x":null},"new":[1]}`, string(p.Attributes))
	require.Equal(t, []string{"news"}, p.OptedOut)
	require.Equal(t, "a", p.Cohort)
	require.NotNil(t, p.QuietHours)
	p, _ = feed(p, user(event.User{OptedOutCategories: []string{}, Attributes: event.Object(`{"cart":null,"deep":null,"new":null}`)}))
	require.Nil(t, p.OptedOut)
	require.Empty(t, p.Attributes)

	big := event.Object(fmt.Sprintf(`{"a":%q}`, make([]byte, profile.MaxAttributes/4)))
	p, _ = feed(p, user(event.User{Attributes: event.Object(`{"k":1}`)}), user(event.User{Attributes: big}))
	require.JSONEq(t, `{"k":1}`, string(p.Attributes), "attributes do not grow without end")
	require.EqualValues(t, 1, p.Clamped)
}

func TestEraseLeavesNothing(t *testing.T) {
	t.Parallel()
	p, effects := feed(&profile.Profile{}, device(t0, "a"), signal(event.SignalUnlocked, t0),
		fact(t0, &event.User{UserID: "u1", Cohort: "c", Erase: true}))
	require.Equal(t, &profile.Profile{}, p)
	b, err := Stage().EncodeState(p)
	require.NoError(t, err)
	require.Nil(t, b, "the journal gets a tombstone")
	last := enriched(t, effects[2])
	require.True(t, last.Fact.User.Erase, "timing ends the holds")
	require.Equal(t, profile.Profile{}, last.Profile)

	// What was on its way still passes, and leaves no trace either.
	p, effects = feed(p, fact(t0, &event.Result{MessageID: "m", DeviceID: "a", Status: event.ResultSent, At: t0, PruneAddress: "x"}),
		fact(t0, &event.Receipt{ReceiptID: "r", MessageID: "m", UserID: "u1", DeviceID: "a", Kind: event.ReceiptOpened, OccurredAt: t0}),
		fact(t0, &event.Receipt{ReceiptID: "s", MessageID: "m", UserID: "u1", DeviceID: "a", Kind: event.ReceiptDisabled, OccurredAt: t0}))
	require.Equal(t, &profile.Profile{}, p)
	require.Len(t, effects, 3)
}
