package fleet

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
)

// Campaign asks for pushes all the time: mostly offers and news that may wait, and some of everything else.
type Campaign struct {
	rng   *rand.Rand
	start time.Time
	count int
}

// NewCampaign starts at now; message ids of two runs differ.
func NewCampaign(seed uint64, now time.Time) *Campaign {
	return &Campaign{rng: rand.New(rand.NewPCG(seed, 1<<32)), start: now}
}

// Pause until the next message: a person gets one about every three minutes.
func (c *Campaign) Pause(phones int) time.Duration {
	mean := 3 * time.Minute / time.Duration(max(1, phones))
	return time.Duration(float64(mean) * c.rng.ExpFloat64())
}

// Next asks for a message to one of the users; now and then it takes one back.
func (c *Campaign) Next(users []string, now time.Time) []Request {
	c.count++
	user := users[c.rng.IntN(len(users))]
	m := event.Message{
		MessageID: fmt.Sprintf("%s-%d-%s", user, c.count, strconv.FormatInt(c.start.Unix()%(1<<20), 36)), UserID: user,
		Deadline: now.Add(time.Duration(10+c.rng.IntN(50)) * time.Minute).Truncate(time.Second),
	}
	fill := func(campaign, category, title, body string) {
		m.CampaignID, m.Category, m.Title, m.Body = campaign, category, title, body
	}
	takeBack := false
	switch n := c.rng.IntN(100); {
	case n < 40:
		fill("spring-sale", "offers", "Spring sale", "Twenty percent off until Sunday")
		m.CancelOn = []string{"purchase"}
	case n < 65:
		fill("daily-digest", "news", "Your digest", "Five stories for you")
		m.CollapseKey = "digest"
		m.HalfLife = event.Duration(2 * time.Hour)
	case n < 75:
		fill("win-back", "offers", "We miss you", "Here is a gift")
		m.AtDeadline = "drop"
		m.Deadline = now.Add(4 * time.Minute).Truncate(time.Second)
	case n < 85:
		fill("orders", "orders", "Your parcel is on its way", "It arrives tomorrow")
		m.Priority, m.Timing = event.Transactional, event.TimingNow
	case n < 90:
		fill("sign-in", "security", "New sign-in", "Was it you?")
		m.Priority, m.Timing = event.Critical, event.TimingNow
	case n < 95:
		fill("reminders", "reminders", "It starts in ten minutes", "Get ready")
		m.Timing, m.SendAt = event.TimingAt, now.Add(time.Minute).Truncate(time.Second)
	default:
		fill("mistake", "offers", "Wrong price", "Please ignore")
		m.CancelKey = "mistake"
		takeBack = true
	}
	out := []Request{{http.MethodPost, "/v1/messages", m}}
	if takeBack {
		out = append(out, Request{http.MethodDelete, "/v1/messages/" + url.PathEscape(m.MessageID) + "?user_id=" + url.QueryEscape(user), nil})
	}
	return out
}
