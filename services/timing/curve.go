package timing

import (
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/score"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// Point of a person's score curve, for a message of value 1.
type Point struct {
	At             time.Time `json:"at"`
	PSeen          float64   `json:"p_seen"` // chance that a push is visible and attended within 5 min
	POpen          float64   `json:"p_open"` // chance that it is opened once seen
	Score          float64   `json:"score"`
	MomentsPerHour float64   `json:"moments_per_hour"` // how often the person is expected to come by
	Quiet          bool      `json:"quiet,omitzero"`   // in the quiet hours
}

// Curve is a person's score as it looks now: the next day as it would run if nothing more happened, and the habit of
// each local hour of the week, Monday 00:00 first.
type Curve struct {
	Now      time.Time                    `json:"now"`
	TimeZone string                       `json:"time_zone"`
	Day      []Point                      `json:"day"`
	Week     [profile.HoursOfWeek]float64 `json:"week"`
}

// Moments is the score curve of a person of an app.
func (e *Engine) Moments(app string, p *profile.Profile, now time.Time) Curve {
	const day = 24 * 3600
	t := e.turn(&Holds{App: app}, p, now)
	c := Curve{Now: t.now, TimeZone: t.loc.String()}
	ws := &workspace{}
	held := Held{Message: event.Message{Timing: event.TimingBestMoment}, AcceptedAt: t.now, Deadline: t.now.Add(day * time.Second)}
	t.h.Held = []Held{held}
	ws.prepare(t)
	q := t.terms(ws, &held, &appraisal{})
	gates := policy.Gates{Loc: t.loc, Quiet: t.policy.QuietHours}
	if t.p.QuietHours != nil {
		gates.Quiet = t.p.QuietHours
	}
	for i := range ws.path.n {
		at := t.now.Add(time.Duration(grid[i]) * time.Second)
		seen, lift := ws.path.at(i)
		x := Point{
			At: at, PSeen: seen, POpen: score.Opens(lift * q.odds[ws.path.part[i]]),
			MomentsPerHour: ws.path.rate[i] * 3600, Quiet: gates.Closed(at) != 0,
		}
		x.Score = score.Moment{Value: 1, Relevance: 1, PSeen: x.PSeen, POpen: x.POpen}.Utility()
		c.Day = append(c.Day, x)
	}
	week := t.p.Presence.Week(t.model.Week(t.p.Cohort), t.now)
	var x score.Vector
	nothing := score.Unobserved()
	nothing.Untold = !t.p.TellsUse(t.now)
	nothing.Prepare()
	for h := range week {
		nothing.At(0, score.Logit(float64(week[h])), &x)
		c.Week[h] = t.model.PSeen(&x)
	}
	return c
}
