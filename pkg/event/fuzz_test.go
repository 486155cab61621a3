package event_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
)

// FuzzParseMessages: one of the two or an error, and a cancel never reads as a message.
func FuzzParseMessages(f *testing.F) {
	for _, g := range goldens(f) {
		if g.record == "message" || g.record == "cancel" {
			f.Add(g.data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, c, err := event.ParseMessages(data)
		require.Equal(t, err == nil, (m != nil) != (c != nil))
		if err != nil {
			require.NotEmpty(t, event.Faults(err))
			require.LessOrEqual(t, len(err.Error()), 64<<10)
		}
		if m != nil {
			require.Error(t, event.DecodeStrict(data, new(event.Cancel)))
		}
	})
}

// FuzzInternal: what an internal record reads as is published as the same.
func FuzzInternal(f *testing.F) {
	records := slices.Sorted(maps.Keys(internal))
	for _, g := range goldens(f) {
		if i := slices.Index(records, g.record); i >= 0 {
			f.Add(byte(i), g.data)
		}
	}
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		newRecord := internal[records[int(which)%len(records)]]
		v, again := newRecord(), newRecord()
		if err := event.Decode(data, v); err != nil {
			require.NotEmpty(t, event.Faults(err))
			return
		}
		first, err := event.Encode(v)
		if err != nil { // a time that RFC 3339 cannot write: Decode takes any year, Encode does not
			return
		}
		require.NoError(t, event.Decode(first, again), "%s", first)
		second, err := event.Encode(again)
		require.NoError(t, err)
		require.Equal(t, string(first), string(second))
	})
}

// FuzzVerifyReceipt: no text verifies but the token itself.
func FuzzVerifyReceipt(f *testing.F) {
	now := time.Date(2026, 5, 1, 9, 30, 0, 0, time.UTC)
	token := event.SignReceipt([]byte("k"), "a", "u", "m", "d", now)
	f.Add(token)
	f.Add(token[:31])
	f.Add(forge(f, token))
	f.Fuzz(func(t *testing.T, text string) {
		err := event.VerifyReceipt([]byte("k"), text, "a", "u", "m", "d", now)
		require.Equal(t, text == token, err == nil)
	})
}

// FuzzText: the small formats read what they write.
func FuzzText(f *testing.F) {
	for _, s := range slices.Concat(durations, clocks, zones) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var d, d2 event.Duration
		if d.UnmarshalText([]byte(s)) == nil {
			text, err := d.MarshalText()
			require.NoError(t, err)
			require.NoError(t, d2.UnmarshalText(text), "%s became %s", s, text)
			require.Equal(t, d, d2)
		}
		var l event.LocalTime
		if l.UnmarshalText([]byte(s)) == nil {
			text, err := l.MarshalText()
			require.NoError(t, err)
			require.Equal(t, s, string(text))
		}
		if loc, err := event.Zone(s); err == nil {
			require.Equal(t, s, loc.String())
		}
	})
}
