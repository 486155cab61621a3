package enrich

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
)

func TestDevices(t *testing.T) {
	t.Parallel()
	result := func(at time.Time, dead string) *event.Fact {
		return fact(after(time.Hour), &event.Result{MessageID: "m", DeviceID: "d1", Status: event.ResultFailed, At: at, PruneAddress: dead})
	}
	address := func(facts ...*event.Fact) string {
		p, effects := feed(known(), facts...)
		if d := p.Device("d1"); d == nil || d.Deleted {
			require.Empty(t, enriched(t, effects[len(effects)-1]).Profile.Devices, "a deleted device is on no topic")
			return "none"
		}
		return p.Device("d1").Address
	}
	deleted := fact(after(2*time.Minute), &event.Device{DeviceID: "d1", UserID: "u1", UpdatedAt: after(2 * time.Minute), Deleted: true})
	for name, c := range map[string]struct {
		facts []*event.Fact
		want  string
	}{
		"add":                                     {[]*event.Fact{device(t0, "a")}, "a"},
		"update":                                  {[]*event.Fact{device(t0, "a"), device(after(1), "b")}, "b"},
		"late update":                             {[]*event.Fact{device(after(time.Second), "b"), device(t0, "a")}, "b"},
		"delete":                                  {[]*event.Fact{device(t0, "a"), deleted}, "none"},
		"late update of a deleted one":            {[]*event.Fact{deleted, device(t0, "a")}, "none"},
		"registered again":                        {[]*event.Fact{deleted, device(after(time.Hour), "c")}, "c"},
		"prune":                                   {[]*event.Fact{device(t0, "a"), result(after(time.Minute), "a")}, ""},
		"prune of a renewed address":              {[]*event.Fact{device(t0, "a"), device(after(time.Second), "b"), result(after(time.Minute), "a")}, "b"},
		"prune of the same, registered later":     {[]*event.Fact{device(after(2*time.Minute), "a"), result(after(time.Minute), "a")}, "a"},
		"prune before a late registration":        {[]*event.Fact{result(after(time.Minute), "a"), device(t0, "a")}, ""},
		"prune, then a late renewal":              {[]*event.Fact{result(after(time.Minute), "a"), device(t0, "b")}, "b"},
		"prune, then the same address anew":       {[]*event.Fact{device(t0, "a"), result(after(time.Minute), "a"), device(after(time.Hour), "a")}, "a"},
		"two prunes, the older one of an old one": {[]*event.Fact{device(t0, "b"), result(after(2*time.Minute), "b"), result(after(time.Minute), "a"), device(after(time.Minute), "b")}, ""},
	} {
		require.Equal(t, c.want, address(c.facts...), name)
	}
}

func TestDeletedDevicesAreForgottenAndTheListIsBounded(t *testing.T) {
	t.Parallel()
	gone := fact(t0, &event.Device{DeviceID: "d0", UserID: "u1", UpdatedAt: t0, Deleted: true})
	p, _ := feed(&profile.Profile{}, gone, device(after((profile.Lateness+1)*time.Hour), "a"))
	require.Nil(t, p.Device("d0"))

	for i := range 100 {
		f := signal(event.SignalUnlocked, after(time.Duration(i)*time.Minute))
		f.Signal.DeviceID = fmt.Sprint("x", i)
		p, _ = feed(p, f)
	}
	require.Len(t, p.Devices, profile.MaxDevices)
	require.NotNil(t, p.Device("d1"), "a reachable device stays before those that are not")
	require.NotNil(t, p.Device("x99"))
}

func TestDisabledOutlivesAnOlderRegistration(t *testing.T) {
	t.Parallel()
	off := fact(after(time.Minute), &event.Receipt{ReceiptID: "r", MessageID: "m", UserID: "u1", DeviceID: "d1", Kind: "disabled", OccurredAt: after(time.Minute)})
	for _, order := range [][]*event.Fact{{device(t0, "a"), off}, {off, device(t0, "a")}} {
		p, _ := feed(known(), order...)
		require.False(t, p.Device("d1").Reachable())
		p, _ = feed(p, device(after(time.Hour), "a"))
		require.True(t, p.Device("d1").Reachable(), "and ends with a newer one")
	}
}

func TestTimeZone(t *testing.T) {
	t.Parallel()
	inZone := func(id, zone string, at time.Time) *event.Fact {
		return fact(at, &event.Device{DeviceID: id, UserID: "u1", Platform: "ios", TimeZone: zone, UpdatedAt: at})
	}
	p, _ := feed(&profile.Profile{}, inZone("d1", "Europe/Berlin", t0))
	require.Equal(t, "Europe/Berlin", p.TimeZone)
	p, _ = feed(p, signal(event.SignalTimeZoneChanged, after(time.Hour), event.Scalar{Text: "Asia/Tokyo"}))
	require.Equal(t, "Asia/Tokyo", p.TimeZone)
	p, _ = feed(p, inZone("d1", "Europe/Berlin", after(time.Minute)), inZone("d2", "Europe/Paris", after(2*time.Minute)))
	require.Equal(t, "Asia/Tokyo", p.TimeZone, "the newest word counts")
	p, _ = feed(p, inZone("d2", "Europe/Paris", after(2*time.Hour)))
	require.Equal(t, "Europe/Paris", p.TimeZone)
	p, _ = feed(p, fact(after(2*time.Hour), &event.Device{DeviceID: "d2", UserID: "u1", UpdatedAt: after(2 * time.Hour), Deleted: true}))
	require.Equal(t, "Asia/Tokyo", p.TimeZone)
	p, _ = feed(p, fact(after(2*time.Hour), &event.User{UserID: "u1", TimeZone: "America/New_York"}), inZone("d1", "Europe/Rome", after(3*time.Hour)))
	require.Equal(t, "America/New_York", p.TimeZone, "the person's own word is above all devices")
}
