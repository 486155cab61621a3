package event_test

import (
	stdjson "encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kairos-push/kairos/pkg/event"
)

// 300 bytes.
const sampleEvent = `{"event_id":"01JB2Q5W8Z7M4T9X3K6N0V1C8R","user_id":"user-000000123456","device_id":"dev-9f8e7d6c5b4a","name":"screen_viewed","occurred_at":"2026-05-01T09:30:15.123Z","properties":{"screen":"product","sku":"B07XJ8C8F5","price":19.99,"currency":"EUR","tags":["sale","spring"],"referrer":"newsletter"}}`

func sampleOutcome() *event.Outcome {
	at := time.Date(2026, 5, 1, 9, 30, 0, 0, time.UTC)
	return &event.Outcome{
		OutcomeID: "0123456789abcdef0123456789abcdef", OccurredAt: at, OccurredAtMS: at.UnixMilli(), AppID: "demo", UserID: "u-1",
		MessageID: "m-1", CampaignID: "spring", Category: "offers", Priority: event.Promotional, DeviceID: "d-1", Channel: event.ChannelAPNs,
		Platform: event.PlatformIOS, Type: event.OutcomeOpened, DecisionID: "0123456789abcdef0123456789abcdef", Attempt: 1,
		Policy: "default", PolicyVersion: "1", ModelVersion: "m-17", Arm: "policy", Propensity: 0.9, LocalTime: "2026-05-01T11:30:00", TimeZone: "Europe/Berlin",
		Features: event.Features{"unlock_age": 120, "prior": 0.31, "battery": 0.8, "hour": 9, "fatigue": 0.2, "motion_still": 1},
	}
}

func TestDecodeIgnoresUnknownMembersAndIsStrictOtherwise(t *testing.T) {
	t.Parallel()
	var r event.Release
	require.NoError(t, event.Decode([]byte(`{"release_id":"r","added_later":{"x":1},"message":{"message_id":"m","added_later":1}}`), &r))
	require.Equal(t, "m", r.Message.MessageID)
	for text, field := range map[string]string{
		`{"release_id":"r","release_id":"s"}`: "release_id",
		`{"release_id":7}`:                    "release_id",
		`{"message":{"value":"x"}}`:           "message.value",
		`{"targets":[{},{"address":[]}]}`:     "targets.1.address",
		`{"planned_at":"yesterday"}`:          "planned_at",
		`[]`:                                  "",
		`{`:                                   "",
		``:                                    "",
	} {
		err := event.Decode([]byte(text), new(event.Release))
		var invalid *event.Invalid
		require.ErrorAs(t, err, &invalid, text)
		require.Equal(t, field, invalid.Field, text)
	}
}

func TestErrorsRepeatWhatWasSeen(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"message_id":"m","user_id":"u","priority":"urgent"}`:                `priority must be one of critical, transactional, promotional (got "urgent")`,
		`{"message_id":"m","user_id":"u","cancel_on":["a",{"b":3}]}`:          `cancel_on.1 must be a string (got {"b":3})`,
		`{"message_id":"m","user_id":"u","x":1}`:                              `x is not a known member (got "x")`,
		`{"message_id":"m","user_id":"u","title":"a","title":"Secret"}`:       `title must not be there twice (got byte 44)`,
		`{"message_id":"m","user_id":"u","title":["Secret"]}`:                 `title must be a string (got 10 bytes)`,
		`{"message_id":"m","user_id":"u","devices":"` + "a\xffb" + `"}`:       `devices must be JSON: invalid UTF-8 (got byte 44)`,
		`{"message_id":"m","user_id":"u","deep_link":"a\u0000b"}`:             `deep_link must not contain control characters (got "a\u0000b")`,
		`{"message_id":"m","delivery_window":{"start":"8:00","end":"09:00"}}`: `delivery_window.start must be a time of day such as "22:30" (got "8:00")`,
		`{"user_id":"u","revision":-1}`:                                       "message_id is required\nrevision must lie within 0 and 2147483647 (got -1)",
		`{"message_id":"m","user_id":"u","body":"` + long("a", 5000) + `"}`:   `body must have at most 4096 bytes (got 5000 bytes)`,
		`{"message_id":"m","user_id":"u","timing":"` + long("é", 1000) + `"}`: `timing must be one of now, best_moment, at (got "` + long("é", 98) + `…)`,
		`{"message_id":"m","user_id":"u","data":` + long("[", 20) + `]`:       `must nest at most 16 deep (got [[[[[])`,
		long(" ", 65<<10): "must have at most 65536 bytes (got 66560 bytes)",
	} {
		require.EqualError(t, event.DecodeStrict([]byte(text), new(event.Message)), want)
	}
	require.EqualError(t, event.DecodeStrict([]byte(`{"device_id":"d","user_id":"u","address":7}`), new(event.Device)), "address must be a string (got 1 bytes)")
	require.Nil(t, event.Faults(nil))
	require.Equal(t, []event.Invalid{{Rule: "EOF"}}, event.Faults(errEOF{}))
}

type errEOF struct{}

func (errEOF) Error() string { return "EOF" }

func long(s string, n int) string { return strings.Repeat(s, n) }

func TestRowsHoldTheirFeaturesFlatAndInOrder(t *testing.T) {
	t.Parallel()
	o := sampleOutcome()
	first, err := event.Encode(o)
	require.NoError(t, err)
	require.Contains(t, string(first), `"time_zone":"Europe/Berlin","f_battery":0.8,"f_fatigue":0.2,"f_hour":9,"f_motion_still":1,"f_prior":0.31,"f_unlock_age":120}`)
	byValue, err := event.Encode(*o)
	require.NoError(t, err)
	require.Equal(t, first, byValue)

	var back event.Outcome
	require.NoError(t, event.Decode(first, &back))
	require.Equal(t, *o, back)

	o.Features["hour"] = math.NaN()
	_, err = event.Encode(o)
	require.ErrorContains(t, err, "feature hour is NaN")
	require.Error(t, event.Decode([]byte(`{"f_hour":"nine"}`), &back))
	require.NoError(t, event.Decode([]byte(`{"outcome_id":"x","added_later":"nine"}`), &back))
	require.Nil(t, back.Features, "a row that is read into is overwritten")
}

func TestDecisionsRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := event.Decision{
			DecisionID: "d", Trigger: "wake", Action: event.ActionHold, Why: rapid.String().Draw(t, "why"),
			Score: rapid.Float64Range(-1e9, 1e9).Draw(t, "score"), OccurredAt: time.UnixMilli(rapid.Int64Range(9e11, 4e12).Draw(t, "at")).UTC(),
		}
		if f := rapid.MapOfN(rapid.StringMatching(`[a-z_0-9]{1,8}`), rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64), 0, 5).Draw(t, "features"); len(f) > 0 {
			d.Features = f
		}
		data, err := event.Encode(&d)
		require.NoError(t, err)
		var back event.Decision
		require.NoError(t, event.Decode(data, &back))
		require.Equal(t, d, back)
	})
}

// Absent, zero and empty are told apart where it matters.
func TestPublishedRecordsLeaveOutWhatIsAbsent(t *testing.T) {
	t.Parallel()
	zero, no := 0.0, false
	for want, v := range map[string]any{
		`{"message_id":"m","user_id":"u"}`:                       &event.Message{MessageID: "m", UserID: "u", Data: event.Object(`{}`)},
		`{"message_id":"m","user_id":"u","value":0}`:             &event.Message{MessageID: "m", UserID: "u", Value: &zero},
		`{"message_id":"m","user_id":"u","half_life":"1h30m0s"}`: &event.Message{MessageID: "m", UserID: "u", HalfLife: event.Duration(90 * time.Minute)},
		`{"user_id":"u"}`: &event.User{UserID: "u"},
		`{"user_id":"u","opted_out_categories":[]}`:                     &event.User{UserID: "u", OptedOutCategories: []string{}},
		`{"user_id":"u","consent":{"user_data":false}}`:                 &event.User{UserID: "u", Consent: &event.Consent{UserData: &no}},
		`{"user_id":"u","quiet_hours":{"start":"22:05","end":"00:00"}}`: &event.User{UserID: "u", QuietHours: &event.Window{Start: 22*60 + 5}},
	} {
		got, err := event.Encode(v)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
}

func BenchmarkDecode(b *testing.B) {
	data := []byte(sampleEvent)
	type plain struct {
		EventID    string             `json:"event_id"`
		UserID     string             `json:"user_id"`
		DeviceID   string             `json:"device_id"`
		Name       string             `json:"name"`
		OccurredAt time.Time          `json:"occurred_at"`
		Properties stdjson.RawMessage `json:"properties"`
	}
	for name, decode := range map[string]func() error{
		"strict":        func() error { return event.DecodeStrict(data, new(event.Event)) },
		"internal":      func() error { return event.Decode(data, new(event.Event)) },
		"encoding_json": func() error { return stdjson.Unmarshal(data, new(plain)) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if err := decode(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	var e event.Event
	if err := event.Decode([]byte(sampleEvent), &e); err != nil {
		b.Fatal(err)
	}
	for name, v := range map[string]any{"event": &e, "outcome_with_features": sampleOutcome()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := event.Encode(v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
