package ingest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/topic"
)

var (
	now  = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	shop = App{ID: "shop", ReceiptSecret: []byte("secret")}
)

// good holds one valid record of each kind.
var good = map[string]struct {
	in   topic.Topic
	data string
}{
	event.KindMessage: {topic.InMessages, `{"message_id":"m1","user_id":"u1","title":"Hi","precondition":"attributes.cart == 'open'","deadline":"2026-03-03T12:00:00Z"}`},
	event.KindCancel:  {topic.InMessages, `{"type":"cancel","user_id":"u1","message_id":"m1"}`},
	event.KindEvent:   {topic.InEvents, `{"event_id":"e1","user_id":"u1","name":"app_opened","occurred_at":"2026-03-02T11:59:00Z","properties":{"a":[1]}}`},
	event.KindSignal:  {topic.InSignals, `{"signal_id":"s1","user_id":"u1","device_id":"d1","kind":"battery_level","value":80,"observed_at":"2026-03-02T11:59:00Z"}`},
	event.KindReceipt: {topic.InReceipts, `{"receipt_id":"r1","message_id":"m1","user_id":"u1","device_id":"d1","kind":"opened","occurred_at":"2026-03-02T11:59:00Z","token":"` + token("m1", now.Add(time.Hour)) + `"}`},
	event.KindDevice:  {topic.InDevices, `{"device_id":"d1","user_id":"u1","platform":"ios","channel":"apns","address":"00aa","updated_at":"2026-03-02T11:59:00Z"}`},
	event.KindUser:    {topic.InUsers, `{"user_id":"u1","time_zone":"Europe/Berlin"}`},
}

func token(message string, expires time.Time) string {
	return event.SignReceipt(shop.ReceiptSecret, "shop", "u1", message, "d1", expires)
}

func TestAcceptMakesAFactOfEachKind(t *testing.T) {
	t.Parallel()
	for kind, c := range good {
		f, err := Accept(c.in, []byte(c.data), shop, now)
		require.NoError(t, err, kind)
		require.Equal(t, kind, f.Kind)
		require.Equal(t, "shop|u1", f.Key())
		require.Equal(t, now, f.ReceivedAt)
		bodies := []bool{f.Message != nil, f.Cancel != nil, f.Event != nil, f.Signal != nil, f.Receipt != nil, f.Device != nil, f.User != nil}
		n := 0
		for _, there := range bodies {
			if there {
				n++
			}
		}
		require.Equal(t, 1, n, kind)
	}
}

func TestAcceptNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	set := func(kind, old, replacement string) []byte {
		require.Contains(t, good[kind].data, old)
		return []byte(strings.Replace(good[kind].data, old, replacement, 1))
	}
	for name, c := range map[string]struct {
		in          topic.Topic
		data        []byte
		field, rule string
	}{
		"empty":               {topic.InEvents, nil, "", "JSON"},
		"not JSON":            {topic.InEvents, []byte("hello"), "", "JSON"},
		"an array":            {topic.InEvents, []byte("[]"), "", "object"},
		"bad UTF-8":           {topic.InEvents, set(event.KindEvent, `"e1"`, "\"\xff\""), "event_id", "UTF-8"},
		"unknown member":      {topic.InEvents, set(event.KindEvent, `"name"`, `"extra":1,"name"`), "extra", "known"},
		"twice":               {topic.InEvents, set(event.KindEvent, `"name"`, `"user_id":"u2","name"`), "user_id", "twice"},
		"wrong type":          {topic.InEvents, set(event.KindEvent, `"e1"`, `5`), "event_id", "string"},
		"too long":            {topic.InEvents, set(event.KindEvent, `"e1"`, `"`+strings.Repeat("x", 129)+`"`), "event_id", "128"},
		"too large":           {topic.InEvents, set(event.KindEvent, `"a":[1]`, `"a":"`+strings.Repeat("x", 64<<10)+`"`), "", "65536"},
		"too deep":            {topic.InEvents, set(event.KindEvent, `[1]`, strings.Repeat("[", 50)+strings.Repeat("]", 50)), "", "deep"},
		"missing":             {topic.InEvents, set(event.KindEvent, `"user_id":"u1",`, ``), "user_id", "required"},
		"no such time":        {topic.InEvents, set(event.KindEvent, "2026-03-02T11", "2026-03-32T11"), "occurred_at", "RFC 3339"},
		"future event":        {topic.InEvents, set(event.KindEvent, "2026-03-02T11", "2026-03-03T12"), "occurred_at", "24 hours"},
		"future signal":       {topic.InSignals, set(event.KindSignal, "2026-03-02T11", "2026-03-03T12"), "observed_at", "24 hours"},
		"future receipt":      {topic.InReceipts, set(event.KindReceipt, "2026-03-02T11", "2026-03-03T12"), "occurred_at", "24 hours"},
		"future device":       {topic.InDevices, set(event.KindDevice, "2026-03-02T11", "2026-03-03T12"), "updated_at", "24 hours"},
		"deadline in years":   {topic.InMessages, set(event.KindMessage, "2026-03-03T12", "2028-03-03T12"), "deadline", "366 days"},
		"precondition":        {topic.InMessages, set(event.KindMessage, "== 'open'", "=="), "precondition", "expression"},
		"precondition number": {topic.InMessages, set(event.KindMessage, "attributes.cart == 'open'", "1 + 1"), "precondition", "true or false"},
		"cancel of nothing":   {topic.InMessages, set(event.KindCancel, `,"message_id":"m1"`, ``), "message_id", "cancel_key"},
		"forged token":        {topic.InReceipts, set(event.KindReceipt, token("m1", now.Add(time.Hour)), token("m2", now.Add(time.Hour))), "token", "signed"},
		"expired token":       {topic.InReceipts, set(event.KindReceipt, token("m1", now.Add(time.Hour)), token("m1", now.Add(-time.Hour))), "token", "expired"},
		"no token":            {topic.InReceipts, set(event.KindReceipt, `,"token":"`+token("m1", now.Add(time.Hour))+`"`, ``), "token", "token"},
		"attributes":          {topic.InUsers, set(event.KindUser, `"time_zone"`, `"attributes":{"a":"`+strings.Repeat("x", 9000)+`"},"time_zone"`), "attributes", "8192"},
		"zone":                {topic.InUsers, set(event.KindUser, `Europe/Berlin`, `Mars/Olympus`), "time_zone", "IANA"},
		"no input topic":      {topic.Facts, []byte(`{}`), "", "input topic"},
	} {
		f, err := Accept(c.in, c.data, shop, now)
		require.Nil(t, f, name)
		fs := event.Faults(err)
		require.NotEmpty(t, fs, name)
		require.Equal(t, c.field, fs[0].Field, "%s: %v", name, err)
		require.Contains(t, fs[0].Rule, c.rule, "%s: %v", name, err)
		require.LessOrEqual(t, len(fs[0].Value), 200, name)
	}
}

func TestAcceptToleratesClocksThatAreOff(t *testing.T) {
	t.Parallel()
	late := strings.Replace(good[event.KindSignal].data, "2026-03-02T11", "2026-03-03T11", 1)
	_, err := Accept(topic.InSignals, []byte(late), shop, now)
	require.NoError(t, err, "enrich takes it as observed when it was received")
	_, err = Accept(topic.InReceipts, []byte(`{"receipt_id":"r","message_id":"m","user_id":"u","device_id":"d","kind":"opened","occurred_at":"2026-03-02T11:59:00Z"}`), App{ID: "open"}, now)
	require.NoError(t, err, "an app without a secret believes its receipts")
}

func TestRejectedNamesTheMessage(t *testing.T) {
	t.Parallel()
	_, reason := Accept(topic.InMessages, []byte(`{"message_id":"m1","user_id":"u1","priority":"urgent"}`), shop, now)
	for data, want := range map[string]*event.Outcome{
		`{"message_id":"m1","user_id":"u1","campaign_id":"c","category":"news","priority":"urgent","revision":3}`: {MessageID: "m1", UserID: "u1", CampaignID: "c", Category: "news", Revision: 3},
		`{"campaign_id":7,"user_id":"u1","message_id":"m1","title":`:                                              {MessageID: "m1", UserID: "u1"},
		`{"user_id":"u1"}`: nil,
		`{"type":"cancel","user_id":"u1","message_id":"m1"}`:               nil,
		`{"user_id":"u\u0000","message_id":"m1"}`:                          nil,
		`[{"user_id":"u","message_id":"m1"}]`:                              nil,
		`{"user_id":"u1","message_id":"` + strings.Repeat("x", 129) + `"}`: nil,
		"": nil,
	} {
		o, ok := Rejected([]byte(data), shop, reason, now)
		require.Equal(t, want != nil, ok, data)
		if !ok {
			continue
		}
		require.Equal(t, event.OutcomeRejected, o.Type)
		require.Contains(t, o.Reason, "priority must be one of")
		require.NotContains(t, o.Reason, "urgent", "the value may be personal")
		require.Equal(t, []any{want.MessageID, want.UserID, want.CampaignID, want.Category, want.Priority, want.Revision},
			[]any{o.MessageID, o.UserID, o.CampaignID, o.Category, o.Priority, o.Revision}, data)
	}
}

func FuzzAccept(f *testing.F) {
	for _, c := range good {
		for i := range topic.Inputs {
			f.Add(i, []byte(c.data))
		}
	}
	f.Fuzz(func(t *testing.T, i int, data []byte) {
		in := topic.Inputs[int(uint(i)%uint(len(topic.Inputs)))]
		fact, err := Accept(in, data, App{ID: "shop"}, now)
		if err != nil {
			require.Nil(t, fact)
			require.NotEmpty(t, event.Faults(err))
			Rejected(data, shop, err, now)
			return
		}
		require.NotEmpty(t, fact.UserID)
		require.NotEmpty(t, fact.Kind)
		b, err := event.Encode(fact) // what was accepted can go on, and comes back as it was
		require.NoError(t, err)
		var back event.Fact
		require.NoError(t, event.Decode(b, &back))
		again, err := event.Encode(&back)
		require.NoError(t, err)
		require.Equal(t, string(b), string(again))
	})
}

func BenchmarkAccept(b *testing.B) {
	for kind, c := range good {
		data := []byte(c.data)
		b.Run(fmt.Sprintf("%s_%dB", kind, len(data)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Accept(c.in, data, shop, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
