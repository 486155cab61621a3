package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
	"github.com/kairos-push/kairos/services/console/ledger"
	"github.com/kairos-push/kairos/services/dispatch/sandbox"
)

// Story is what happens to one person, in order: each Say is in the person's log before the next. Local times are those
// of Zone.
type Story struct {
	testing.TB
	*World
	User string
}

// Zone is where the people of stories live.
const Zone = "Europe/Berlin"

// Tell begins the story of a person that no other story is about.
func (w *World) Tell(tb testing.TB, user string) *Story {
	return &Story{TB: tb, World: w, User: user}
}

// Now is the time, virtual or not.
func (s *Story) Now() time.Time { return clock.Clock{}.Now() }

// In is the time after d.
func (s *Story) In(d time.Duration) time.Time { return s.Now().Add(d) }

// Say writes records to the input topics of the app, and waits until they are in the person's log.
func (s *Story) Say(records ...any) *Story {
	s.Helper()
	for _, r := range records {
		in := topicOf(r)
		value, err := event.Encode(r)
		require.NoError(s.TB, err)
		s.Write(in, value)
	}
	return s
}

// Write is Say with the bytes as they are.
func (s *Story) Write(in topic.Topic, value []byte) *Story {
	s.Helper()
	recs := []stream.Record{{Topic: in.Name, Key: []byte(s.User), Value: value}}
	require.NoError(s.TB, s.kafka.Publish(s.within(), recs))
	s.Topics.Dealt(s.TB, recs...)
	return s
}

func topicOf(record any) topic.Topic {
	switch record.(type) {
	case event.Message, event.Cancel:
		return topic.InMessages
	case event.Event:
		return topic.InEvents
	case event.Signal:
		return topic.InSignals
	case event.Receipt:
		return topic.InReceipts
	case event.Device:
		return topic.InDevices
	case event.User:
		return topic.InUsers
	default:
		panic(fmt.Sprintf("no input topic takes a %T", record))
	}
}

// Phone is an iPhone of the person, with an address of its own.
func (s *Story) Phone(id string) event.Device {
	return event.Device{
		DeviceID: id, UserID: s.User, Platform: event.PlatformIOS, Channel: event.ChannelAPNs, AddressType: event.AddressToken,
		Address: s.Address(id), TimeZone: Zone, Permission: event.PermissionGranted, UpdatedAt: s.Now(),
	}
}

// Address of a phone: an APNs token.
func (s *Story) Address(id string) string {
	return fmt.Sprintf("%064x", []byte(fmt.Sprintf("%.16s/%.8s", s.User, id)))
}

// Android is a phone that FCM serves.
func (s *Story) Android(id string) event.Device {
	d := s.Phone(id)
	d.Platform, d.Channel, d.Address = event.PlatformAndroid, event.ChannelFCM, "fcm-"+s.User+":"+id
	return d
}

// Browser is a device with a Web Push subscription.
func (s *Story) Browser(id string) event.Device {
	s.Helper()
	sub, err := s.Gateways.Subscription(s.User + "-" + id)
	require.NoError(s.TB, err)
	d := s.Phone(id)
	d.Platform, d.Channel, d.AddressType, d.Address = event.PlatformWeb, event.ChannelWebPush, event.AddressSubscription, sub
	return d
}

// Message to the person, to be changed as a story needs.
func (s *Story) Message(id string, change ...func(*event.Message)) event.Message {
	m := event.Message{
		MessageID: id, UserID: s.User, CampaignID: "stories", Priority: event.Promotional,
		Title: "Hello", Timing: event.TimingNow, Deadline: s.In(6 * time.Hour).Truncate(time.Millisecond),
	}
	for _, f := range change {
		f(&m)
	}
	return m
}

// Cancel of a message.
func (s *Story) Cancel(id string) event.Cancel {
	return event.Cancel{Type: "cancel", UserID: s.User, MessageID: id}
}

// Did is an event of the person.
func (s *Story) Did(name string) event.Event {
	return event.Event{EventID: fmt.Sprintf("%s-%s-%d", s.User, name, s.Now().UnixNano()), UserID: s.User, Name: name, OccurredAt: s.Now()}
}

// Shows is a signal of the phone.
func (s *Story) Shows(device, kind string, at time.Time) event.Signal {
	return event.Signal{SignalID: fmt.Sprintf("%s-%s-%d", s.User, kind, at.UnixNano()), UserID: s.User, DeviceID: device, Kind: kind, ObservedAt: at}
}

// Expect waits until a message has come to the last of the rows, and compares all of them: "type" or "type reason", in
// the order in which they occurred. Rows of one instant are in the order of a message's life.
func (s *Story) Expect(id string, rows ...string) *Story {
	s.Helper()
	last, _, _ := strings.Cut(rows[len(rows)-1], " ")
	s.Await(id, last)
	s.Topics.Until(s.TB, fmt.Sprintf("%s of %s has %v", id, s.User, rows), func() bool { return len(s.Topics.rows(s.User, id)) >= len(rows) })
	require.Equal(s.TB, rows, s.told(id), "message %s of %s", id, s.User)
	return s
}

// told are the rows of a message as Expect reads them.
func (s *Story) told(id string) []string {
	rows := s.Topics.Outcomes(s.User, id)
	slices.SortStableFunc(rows, func(a, b event.Outcome) int {
		return cmp.Or(a.OccurredAt.Compare(b.OccurredAt), cmp.Compare(a.Revision, b.Revision),
			cmp.Compare(slices.Index(ledger.Types, a.Type), slices.Index(ledger.Types, b.Type)))
	})
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = strings.TrimSpace(r.Type + " " + r.Reason)
	}
	return out
}

// Await waits for a row of a message and returns it.
func (s *Story) Await(id, typ string) event.Outcome {
	s.Helper()
	var row event.Outcome
	s.Topics.Until(s.TB, fmt.Sprintf("%s of %s is %s", id, s.User, typ), func() bool {
		for _, o := range s.Topics.rows(s.User, id) {
			if o.Type == typ {
				row = o
				return true
			}
		}
		return false
	})
	return row
}

// Decided waits for a decision about a message that is as wanted, and returns the first such.
func (s *Story) Decided(id string, wanted func(*event.Decision) bool) event.Decision {
	s.Helper()
	var found event.Decision
	s.Topics.Until(s.TB, fmt.Sprintf("the decision about %s of %s", id, s.User), func() bool {
		for i := range s.Topics.decisions {
			d := &s.Topics.decisions[i]
			if d.UserID == s.User && d.MessageID == id && wanted(d) {
				found = *d
				return true
			}
		}
		return false
	})
	return found
}

// Answered waits until dispatch's last word on a message is in the person's log: what is said from now on comes after it.
func (s *Story) Answered(id string) *Story {
	s.Helper()
	s.Topics.Until(s.TB, fmt.Sprintf("dispatch answers %s of %s", id, s.User), func() bool { return s.Topics.over[s.User+"/"+id] })
	return s
}

// Pushes are what the gateways accepted of a message to the person's devices.
func (s *Story) Pushes(id string) []sandbox.Arrival {
	mine := regexp.MustCompile(fmt.Sprintf("^0*%x|^fcm-%s:|/push/%s-", s.User+"/", s.User, s.User))
	var out []sandbox.Arrival
	for _, a := range s.Gateways.Arrivals() {
		if a.MessageID == id && mine.MatchString(a.Address) {
			out = append(out, a)
		}
	}
	return out
}

// Stands waits until the console says of a message where it stands.
func (s *Story) Stands(id, state string) *Story {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.within(), time.Minute)
	defer cancel()
	for {
		d, ok := s.console.Lookup(App.AppID, s.User, id)
		if ok && d.State == state {
			return s
		}
		require.NoError(s.TB, clock.Clock{}.Sleep(ctx, 10*time.Millisecond), "the console says %q of %s, not %q", d.State, id, state)
	}
}
