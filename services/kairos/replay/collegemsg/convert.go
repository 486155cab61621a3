package collegemsg

import (
	"bufio"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/kairos-push/kairos/pkg/event"
)

// Options of a conversion.
type Options struct {
	// Hold is how long a message may wait, from its time to its deadline; 0 leaves the category's default.
	Hold time.Duration
	// User and Message, if set, may change what is written of a person or of line n.
	User    func(*event.User)
	Message func(n int, m *event.Message)
}

// A replay line is a public record with two members more.
type (
	stamp struct {
		Topic string    `json:"topic"`
		At    time.Time `json:"at"`
	}
	userLine struct {
		stamp
		event.User
	}
	deviceLine struct {
		stamp
		event.Device
	}
	eventLine struct {
		stamp
		event.Event
	}
	messageLine struct {
		stamp
		event.Message
	}
)

// Convert writes the log as input of kairos replay. A person is introduced, with zone and device, by the first line
// that names them; line n (from 0) is then event e<n> of its src and message m<n> to its dst.
func Convert(w io.Writer, log []Message, opts Options) error {
	out := bufio.NewWriter(w)
	known := map[int]bool{}
	write := func(v any) error {
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		_, err = out.Write(append(b, '\n'))
		return err
	}
	for n, l := range log {
		message := event.Message{
			MessageID: fmt.Sprintf("m%d", n), UserID: UserID(l.Dst), CampaignID: "collegemsg", Category: "message",
			Priority: event.Promotional, Title: "New message", Timing: event.TimingBestMoment,
		}
		if opts.Hold > 0 {
			message.Deadline = l.At.Add(opts.Hold)
		}
		for _, person := range []int{l.Src, l.Dst} {
			if known[person] {
				continue
			}
			known[person] = true
			user := event.User{UserID: UserID(person), TimeZone: Zone}
			if opts.User != nil {
				opts.User(&user)
			}
			device := event.Device{
				DeviceID: fmt.Sprintf("d%d", person), UserID: UserID(person), Platform: "android", Channel: "fcm",
				AddressType: "token", Address: fmt.Sprintf("token-%d", person), TimeZone: Zone,
				Permission: "granted", UpdatedAt: l.At,
			}
			if err := write(userLine{stamp{"users", l.At}, user}); err != nil {
				return err
			}
			if err := write(deviceLine{stamp{"devices", l.At}, device}); err != nil {
				return err
			}
		}
		if opts.Message != nil {
			opts.Message(n, &message)
		}
		seen := event.Event{
			EventID: fmt.Sprintf("e%d", n), UserID: UserID(l.Src), DeviceID: fmt.Sprintf("d%d", l.Src),
			Name: "app_opened", OccurredAt: l.At,
		}
		if err := write(eventLine{stamp{"events", l.At}, seen}); err != nil {
			return err
		}
		if err := write(messageLine{stamp{"messages", l.At}, message}); err != nil {
			return err
		}
	}
	return out.Flush()
}

// UserID is the user id of a person of the log.
func UserID(person int) string { return fmt.Sprintf("u%d", person) }
