package timing

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/services/timing/policy"
)

func TestSmoke(t *testing.T) {
	e := NewEngine(policy.Default())
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	h, fx := e.Step(NewHolds("demo|u"), &profile.Enriched{Fact: event.Fact{AppID: "demo", UserID: "u", Kind: "message", Message: &event.Message{MessageID: "m", UserID: "u"}}}, now)
	for _, f := range fx {
		b, err := event.Encode(f.Value)
		require.NoError(t, err)
		t.Log(f.Type, string(b))
	}
	b, err := EncodeHolds(h)
	require.NoError(t, err)
	h2, err := DecodeHolds(b)
	require.NoError(t, err)
	require.Equal(t, h, h2)
	t.Log(h.Due(), len(b))
}
