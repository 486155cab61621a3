package event_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kairos-push/kairos/pkg/event"
)

func TestWindowContains(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		minute := rapid.Int16Range(0, 24*60-1)
		w := event.Window{Start: event.LocalTime(minute.Draw(t, "start")), End: event.LocalTime(minute.Draw(t, "end"))}
		// Walk from start to end and compare.
		in := map[event.LocalTime]bool{}
		for m := w.Start; m != w.End; m = (m + 1) % (24 * 60) {
			in[m] = true
		}
		for m := range event.LocalTime(24 * 60) {
			require.Equal(t, in[m], w.Contains(m), "%v at %d", w, m)
		}
	})
}

func TestLocalTimesAndDurationsAsText(t *testing.T) {
	t.Parallel()
	for m := range event.LocalTime(24 * 60) {
		text, err := m.MarshalText()
		require.NoError(t, err)
		var back event.LocalTime
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, m, back)
	}
	rapid.Check(t, func(t *rapid.T) {
		d := event.Duration(rapid.Int64Min(0).Draw(t, "duration"))
		text, err := d.MarshalText()
		require.NoError(t, err)
		var back event.Duration
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, d, back)
	})
}

func TestZones(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"UTC", "Europe/Berlin", "America/Port-au-Prince", "Etc/GMT+5", "Asia/Calcutta"} {
		for range 2 { // found, then remembered
			loc, err := event.Zone(name)
			require.NoError(t, err)
			require.Equal(t, name, loc.String())
		}
	}
	for _, name := range []string{"", "Local", "local", "localtime", "posix/UTC", "../UTC", "/etc/localtime", "Mars/Olympus", "Europe", "CEST"} {
		_, err := event.Zone(name)
		require.Error(t, err, name)
	}
}

func TestScalars(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]event.Scalar{
		`"walking"`: {Text: "walking"}, `"80"`: {Text: "80"}, `80`: {Text: "80", Number: true}, `-1.5e2`: {Text: "-1.5e2", Number: true},
	} {
		var s event.Scalar
		require.NoError(t, event.Decode([]byte(text), &s))
		require.Equal(t, want, s)
		out, err := event.Encode(s)
		require.NoError(t, err)
		require.Equal(t, text, string(out))
		f, ok := s.Float()
		require.Equal(t, want.Number, ok)
		require.InDelta(t, map[string]float64{"80": 80, "-1.5e2": -150}[s.Text]*b2f(want.Number), f, 0)
	}
	for _, text := range []string{`true`, `null`, `{}`, `[1]`} {
		require.ErrorContains(t, event.Decode([]byte(text), new(event.Scalar)), "must be a string or a number")
	}
}

func b2f(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func TestObjectsAreKeptAsWrittenAndCopied(t *testing.T) {
	t.Parallel()
	data := []byte(`{"user_id":"u","attributes":{"b":1.50,"a":"é"}}`)
	var u event.User
	require.NoError(t, event.DecodeStrict(data, &u))
	copy(data, strings.Repeat("x", len(data)))
	require.Equal(t, []byte(`{"b":1.50,"a":"é"}`), []byte(u.Attributes), "to the byte") //nolint:testifylint // JSONEq would not see a byte that changed
	m, err := u.Attributes.Map()
	require.NoError(t, err)
	require.Equal(t, map[string]any{"a": "é", "b": 1.5}, m)
	m, err = event.Object(nil).Map()
	require.NoError(t, err)
	require.Empty(t, m)
	_, err = event.Object(`{"a":`).Map()
	require.Error(t, err)
}

// What JSON cannot say but Go can: records that code makes are validated as well.
func TestValidateOfRecordsMadeInCode(t *testing.T) {
	t.Parallel()
	for field, v := range map[string]event.Validator{
		"value":           &event.Message{MessageID: "m", UserID: "u", Value: new(math.NaN())},
		"half_life":       &event.Message{MessageID: "m", UserID: "u", HalfLife: -1},
		"delivery_window": &event.Message{MessageID: "m", UserID: "u", DeliveryWindow: &event.Window{Start: -1, End: 3}},
		"quiet_hours":     &event.User{UserID: "u", QuietHours: &event.Window{End: 24 * 60}},
		"deadline":        &event.Message{MessageID: "m", UserID: "u", Deadline: time.Date(2101, 1, 1, 0, 0, 0, 0, time.UTC)},
		"occurred_at":     &event.Event{EventID: "e", UserID: "u", Name: "n", OccurredAt: time.Unix(0, 0)},
	} {
		faults := event.Faults(v.Validate())
		require.Len(t, faults, 1, field)
		require.Equal(t, field, faults[0].Field)
	}
	require.NoError(t, (&event.Message{MessageID: "m", UserID: "u", Value: new(0.0)}).Validate())
}

// States are kept as CBOR, where records must survive too.
func TestMessagesSurviveCBOR(t *testing.T) {
	t.Parallel()
	mode, err := cbor.EncOptions{Sort: cbor.SortCoreDeterministic, Time: cbor.TimeRFC3339Nano}.EncMode()
	require.NoError(t, err)
	for _, g := range goldens(t) {
		if g.record != "message" || !g.valid {
			continue
		}
		var m, back event.Message
		require.NoError(t, event.DecodeStrict(g.data, &m))
		blob, err := mode.Marshal(m)
		require.NoError(t, err)
		require.NoError(t, cbor.Unmarshal(blob, &back))
		want, err := event.Encode(m)
		require.NoError(t, err)
		got, err := event.Encode(back)
		require.NoError(t, err)
		require.JSONEq(t, string(want), string(got), g.name)
	}
}
