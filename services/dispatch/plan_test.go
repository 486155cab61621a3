package dispatch

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/dispatch/push"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func release() *event.Release {
	return &event.Release{
		ReleaseID: event.ReleaseID("demo", "u1", "m1", 0), AppID: "demo", UserID: "u1", DecisionID: "d1",
		Message:    event.Message{MessageID: "m1", UserID: "u1", Priority: event.Promotional, Title: "Hello", Body: "you"},
		Targets:    []event.Target{{DeviceID: "phone", Platform: "ios", Channel: "apns", AddressType: "token", Address: "00aa11bb22cc33dd"}},
		ReleasedAt: t0, PlannedAt: t0, AcceptedAt: t0, Deadline: t0.Add(time.Hour), Score: 0.4,
	}
}

func TestPlanIsTheSameEachTime(t *testing.T) {
	t.Parallel()
	secret := []byte("s")
	a, b := Plan(release(), secret), Plan(release(), secret)
	require.Equal(t, a, b)
	require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, a[0].ID)
	require.NoError(t, event.VerifyReceipt(secret, a[0].Token, "demo", "u1", "m1", "phone", t0))
	require.Equal(t, "m1", a[0].CollapseID)
	require.True(t, a[0].Urgent)

	r := release()
	r.Message.CollapseKey = strings.Repeat("k", 65)
	require.LessOrEqual(t, len(Plan(r, nil)[0].CollapseID), 64)
	r.Message.Title, r.Message.Body = "", ""
	require.False(t, Plan(r, nil)[0].Urgent, "nothing to show, nothing to hurry for")
}

func TestLanes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		m    event.Message
		lane Lane
	}{
		{event.Message{Priority: event.Critical}, Urgent},
		{event.Message{Priority: event.Transactional}, Urgent},
		{event.Message{Priority: event.Promotional, Timing: event.TimingNow}, Urgent},
		{event.Message{Priority: event.Promotional, Timing: event.TimingBestMoment}, Bulk},
		{event.Message{}, Bulk},
	} {
		require.Equal(t, tt.lane, LaneOf(&tt.m))
	}
}

func TestAfter(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		v         push.Verdict
		ambiguous string
		n         int
		typ       string
		status    string
		prune     bool
		lo, hi    time.Duration
	}{
		{"sent", push.Verdict{Class: push.Sent}, "", 1, event.OutcomeSent, event.ResultSent, false, 0, 0},
		{"drop", push.Verdict{Class: push.Drop}, "", 1, event.OutcomeProviderRejected, event.ResultFailed, false, 0, 0},
		{"prune", push.Verdict{Class: push.Prune}, "", 1, event.OutcomeProviderRejected, event.ResultFailed, true, 0, 0},
		{"lost, drop by default", push.Verdict{}, "", 1, event.OutcomeUnknown, event.ResultUnknown, false, 0, 0},
		{"lost, resend", push.Verdict{}, "resend", 1, "", "", false, 2500 * time.Millisecond, 5 * time.Second},
		{"retry", push.Verdict{Class: push.Retry}, "", 1, "", "", false, 500 * time.Millisecond, time.Second},
		{"retry again", push.Verdict{Class: push.Retry}, "", 4, "", "", false, 4 * time.Second, 8 * time.Second},
		{"retry at most every 5 min", push.Verdict{Class: push.Retry}, "", 60, "", "", false, 150 * time.Second, 5 * time.Minute},
		{"as asked", push.Verdict{Class: push.RetryAfter, After: 10 * time.Minute}, "", 1, "", "", false, 10 * time.Minute, 11 * time.Minute},
		{"past the deadline", push.Verdict{Class: push.RetryAfter, After: time.Hour}, "", 1, event.OutcomeExpired, event.ResultFailed, false, 0, 0},
		{"lost, no time to resend", push.Verdict{After: time.Hour}, "resend", 1, event.OutcomeUnknown, event.ResultUnknown, false, 0, 0},
		{"set-up", push.Verdict{Class: push.Config}, "", 1, "", "", false, 7500 * time.Millisecond, 15 * time.Second},
		{"set-up, for ever", push.Verdict{Class: push.Config}, "", configTries, event.OutcomeProviderRejected, event.ResultFailed, false, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := release()
			r.Message.OnAmbiguous = tt.ambiguous
			s := After(tt.v, Plan(r, nil)[0], tt.n, t0)
			require.Equal(t, tt.typ, s.Type)
			require.Equal(t, tt.status, s.Status)
			require.Equal(t, tt.prune, s.Prune)
			if tt.typ == "" {
				require.GreaterOrEqual(t, s.RetryAt, t0.Add(tt.lo))
				require.LessOrEqual(t, s.RetryAt, t0.Add(tt.hi))
			}
		})
	}
}

func TestNoRetryPastTheDeadlineAndNoneForEver(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := Plan(release(), nil)[0]
		p.Message.OnAmbiguous = rapid.SampledFrom([]string{"", "drop", "resend"}).Draw(t, "on_ambiguous")
		now := t0
		for n := 1; ; n++ {
			require.Less(t, n, 10_000, "it ends")
			v := push.Verdict{
				Class: push.Class(rapid.IntRange(0, 6).Draw(t, "class")),
				After: time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "after")),
			}
			s := After(v, p, n, now)
			if s.Ended() {
				return
			}
			require.True(t, s.RetryAt.After(now) && s.RetryAt.Before(p.Expires))
			now = s.RetryAt
		}
	})
}
