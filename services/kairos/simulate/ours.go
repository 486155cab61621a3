package simulate

import (
	"strconv"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/services/dispatch/push"
	"github.com/kairos-push/kairos/services/kairos/replay"
	"github.com/kairos-push/kairos/services/kairos/simulate/population"
	"github.com/kairos-push/kairos/services/learn"
	"github.com/kairos-push/kairos/services/timing"
)

// production is the core of the services, for one person, behind the interface of the other policies.
type production struct {
	core     *replay.Core
	regime   Regime
	person   *population.Person
	user     string
	messages map[string]Message
	tape     *learn.Tape // records what can be learned from; nil: nothing
}

// appID of the simulated app.
const appID = "sim"

func newOurs(r Regime, p *population.Person, engine *timing.Engine, out send) *production {
	o := &production{regime: r, person: p, user: "p" + strconv.Itoa(p.ID), messages: map[string]Message{}}
	o.core = replay.NewCore(engine, replay.Sink{
		Enriched: func(in *profile.Enriched) {
			if o.tape != nil {
				o.tape.Enriched(in)
			}
		},
		Outcome: func(row *event.Outcome) {
			if o.tape != nil {
				o.tape.Outcome(row)
			}
		},
		Deliver: func(r *event.Release, _ *push.Push, _ int, now time.Time) push.Verdict {
			out(now.Sub(population.Epoch), o.messages[r.Message.MessageID])
			return push.Verdict{Class: push.Sent}
		},
	})
	o.introduce()
	return o
}

// introduce tells what the app knows of the person to begin with.
func (o *production) introduce() {
	p := o.person
	o.feed(0, &event.Fact{Kind: event.KindDevice, Device: &event.Device{
		DeviceID: "d", UserID: o.user, Platform: o.platform(), Channel: "fcm", AddressType: "token", Address: "token",
		TimeZone: p.Zones[0].Zone, Permission: "granted", UpdatedAt: population.Epoch,
	}})
	if o.regime.Cohorts && p.Shift != "" {
		o.feed(0, &event.Fact{Kind: event.KindUser, User: &event.User{UserID: o.user, Cohort: p.Shift}})
	}
}

func (o *production) platform() string {
	if o.person.IOS {
		return "ios"
	}
	return "android"
}

func (o *production) feed(now time.Duration, f *event.Fact) {
	f.AppID, f.UserID, f.ReceivedAt = appID, o.user, population.Epoch.Add(now)
	o.core.Feed(f, f.ReceivedAt)
}

func (o *production) offer(now time.Duration, m Message) {
	id := "m" + strconv.Itoa(m.Index)
	o.messages[id] = m
	o.feed(now, &event.Fact{Kind: event.KindMessage, Message: &event.Message{
		MessageID: id, UserID: o.user, Category: Categories[m.Category].Name, Priority: event.Promotional,
		Title: "t", Timing: event.TimingBestMoment, Deadline: population.Epoch.Add(m.Deadline),
	}})
}

// signals are the device's signs; the others are events and receipts.
var signals = map[sign]string{unlocked: event.SignalUnlocked, locked: event.SignalLocked, appClosed: event.SignalAppBackground, moved: event.SignalTimeZoneChanged}

var receipts = map[sign]string{opened: event.ReceiptOpened, dismissed: event.ReceiptDismissed}

func (o *production) observe(now time.Duration, r report) {
	if r.Sign == shown && !o.regime.States {
		return
	}
	id, at := strconv.Itoa(r.ID), population.Epoch.Add(r.At)
	switch r.Sign {
	case appOpened:
		o.feed(now, &event.Fact{Kind: event.KindEvent, Event: &event.Event{EventID: id, UserID: o.user, DeviceID: "d", Name: "app_opened", OccurredAt: at}})
	case opened, dismissed:
		o.feed(now, &event.Fact{Kind: event.KindReceipt, Receipt: &event.Receipt{
			ReceiptID: id, MessageID: "m" + strconv.Itoa(r.Message), UserID: o.user, DeviceID: "d", Kind: receipts[r.Sign], OccurredAt: at,
		}})
	default:
		s := &event.Signal{SignalID: id, UserID: o.user, DeviceID: "d", Kind: signals[r.Sign], ObservedAt: at}
		switch r.Sign {
		case moved:
			s.Value = event.Scalar{Text: o.person.Zone(r.At).String()}
		case shown:
			s.Kind, s.Value = r.Kind, event.Scalar{Text: r.Value}
		default:
		}
		o.feed(now, &event.Fact{Kind: event.KindSignal, Signal: s})
	}
}

func (o *production) due() (time.Duration, bool) {
	at, ok := o.core.NextDue()
	return at.Sub(population.Epoch), ok
}

func (o *production) wake(now time.Duration) { o.core.RunTo(population.Epoch.Add(now)) }
