package timing

import "github.com/kairos-push/kairos/pkg/event"

// What the messages of one person may take, in bytes as room counts them: with the profile and what is remembered it has to
// fit into one record of the journal, 1,000,000 bytes. Critical messages, which do not wait, find room when what waits has
// filled its own.
const (
	roomHeld     = 600_000
	roomCritical = 800_000
)

const (
	perMessage = 1_200 // what a release adds until it is answered: ids again, times, draw, features; 0.9 to 1.2 kB measured
	perTarget  = 64
	perSpan    = 64
)

// full says whether a message is beyond the room that there is for its priority.
func (h *Holds) full(m *event.Message) bool {
	if m.Priority == event.Critical {
		return h.room() > roomCritical
	}
	return h.room() > roomHeld
}

// room is what the messages take that are held or not answered yet.
func (h *Holds) room() int {
	n := 0
	for i := range h.Held {
		n += perMessage + content(&h.Held[i].Message)
	}
	for i := range h.Out {
		r := h.Out[i].Release
		if r == nil {
			continue
		}
		n += perMessage + content(&r.Message) + perSpan*len(r.Closed)
		for j := range r.Targets {
			to := &r.Targets[j]
			n += perTarget + len(to.DeviceID) + len(to.Address) + len(to.AppVersion) + len(to.Locale)
		}
	}
	return n
}

// content is the length of what a message says.
func content(m *event.Message) int {
	n := len(m.MessageID) + len(m.UserID) + len(m.CampaignID) + len(m.Category) + len(m.Title) + len(m.Body) + len(m.ImageURL) +
		len(m.DeepLink) + len(m.Data) + len(m.APNs) + len(m.FCM) + len(m.WebPush) + len(m.CollapseKey) + len(m.CancelKey) + len(m.Precondition)
	for _, name := range m.CancelOn {
		n += len(name) + 2
	}
	return n
}
