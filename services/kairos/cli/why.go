package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/score"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// Why is "kairos why".
type Why struct {
	ID    string   `arg:"" help:"Id of the message."`
	App   string   `help:"App." default:"demo"`
	User  string   `help:"Whose message it is; makes the search fast."`
	Last  bool     `help:"Explain the last decision only."`
	JSON  bool     `help:"Print the rows as JSON lines."`
	From  []string `help:"Files of outcome and decision rows, as kairos replay writes them. Without it: the topics of a running system." placeholder:"FILE"`
	Model string   `help:"Weigh the features by this model, a record as kairos learn writes it. Without it: by the one that decided." placeholder:"FILE"`
	Kafka `embed:""`
}

// Run reads the message's rows and prints them.
func (w *Why) Run(ctx context.Context, o *IO) error {
	life := Life{models: map[string]*score.Model{score.DefaultVersion: score.Default()}}
	if w.Model != "" {
		m, err := ReadModel(w.Model)
		if err != nil {
			return err
		}
		life.by = m
	}
	if err := w.read(ctx, o, &life); err != nil {
		return err
	}
	life.tidy()
	if len(life.Outcomes)+len(life.Decisions) == 0 {
		if len(w.From) > 0 {
			return fmt.Errorf("app %s has no message %s in the files", w.App, w.ID)
		}
		return fmt.Errorf("app %s has no message %s on the topics (kept for 30 days)", w.App, w.ID)
	}
	if w.JSON {
		return life.json(o)
	}
	life.print(o, w.Last)
	return nil
}

func (w *Why) read(ctx context.Context, o *IO, life *Life) error {
	outcome := func(r *event.Outcome) {
		if w.mine(r.AppID, r.UserID, r.MessageID) {
			life.Outcomes = append(life.Outcomes, *r)
		}
	}
	decision := func(r *event.Decision) {
		if w.mine(r.AppID, r.UserID, r.MessageID) {
			life.Decisions = append(life.Decisions, *r)
		}
	}
	for _, file := range w.From {
		if err := ReadRows(file, outcome, decision); err != nil {
			return err
		}
	}
	if len(w.From) > 0 {
		return nil
	}
	return w.within(ctx, o, 2*time.Minute, func(ctx context.Context, c *stream.Client) error {
		err := find(ctx, c, topic.Outcomes, w.App, w.User, w.ID, func(r event.Outcome) { outcome(&r) })
		if err == nil {
			err = find(ctx, c, topic.Decisions, w.App, w.User, w.ID, func(r event.Decision) { decision(&r) })
		}
		if err == nil && !w.JSON && life.by == nil {
			err = life.learned(ctx, c)
		}
		return err
	})
}

func (w *Why) mine(app, user, message string) bool {
	return app == w.App && message == w.ID && (w.User == "" || user == w.User)
}

// Life is what the topics tell of one message.
type Life struct {
	Outcomes  []event.Outcome
	Decisions []event.Decision
	models    map[string]*score.Model // that decided, by version, as far as they are still to be had
	by        *score.Model            // to weigh by instead, if given
}

// tidy drops repeated rows and orders the rest by time; rows of one instant stay as they are in the log.
func (l *Life) tidy() {
	seen := map[string]bool{}
	again := func(id string) bool { was := seen[id]; seen[id] = true; return was }
	l.Outcomes = slices.DeleteFunc(l.Outcomes, func(r event.Outcome) bool { return again(r.OutcomeID) })
	l.Decisions = slices.DeleteFunc(l.Decisions, func(r event.Decision) bool { return again(r.DecisionID) })
	slices.SortStableFunc(l.Outcomes, func(a, b event.Outcome) int { return a.OccurredAt.Compare(b.OccurredAt) })
	slices.SortStableFunc(l.Decisions, func(a, b event.Decision) int { return a.OccurredAt.Compare(b.OccurredAt) })
}

func (l *Life) json(o *IO) error {
	for _, r := range l.Outcomes {
		if err := printJSON(o, r); err != nil {
			return err
		}
	}
	for _, r := range l.Decisions {
		if err := printJSON(o, r); err != nil {
			return err
		}
	}
	return nil
}

func printJSON(o *IO, v any) error {
	b, err := event.Encode(v)
	if err == nil {
		o.Printf("%s\n", b)
	}
	return err
}

func (l *Life) print(o *IO, last bool) {
	l.head(o)
	o.Printf("\n%s\n", l.timeline())
	from := 0
	if last {
		from = max(0, len(l.Decisions)-1)
	}
	for i := from; i < len(l.Decisions); i++ {
		d := &l.Decisions[i]
		o.Printf("\n%s\n", explained(d, cmp.Or(l.by, l.models[d.ModelVersion])))
	}
}

func (l *Life) head(o *IO) {
	var app, user, message, campaign, zone string
	for _, r := range l.Outcomes {
		app, user, message = r.AppID, r.UserID, r.MessageID
		campaign, zone = cmp.Or(r.CampaignID, campaign), cmp.Or(r.TimeZone, zone)
	}
	for _, r := range l.Decisions {
		app, user, message = r.AppID, r.UserID, r.MessageID
		campaign, zone = cmp.Or(r.CampaignID, campaign), cmp.Or(r.TimeZone, zone)
	}
	parts := slices.DeleteFunc([]string{app, campaign, user, zone}, func(s string) bool { return s == "" })
	o.Printf("%s  %s\n%s\n", Bold.Render(message), Soft.Render(strings.Join(parts, " · ")), l.summary(o.Clock.Now()))
}

// summary is the life in one sentence.
func (l *Life) summary(now time.Time) string {
	var accepted, ended, next time.Time
	var state string
	var after []string
	for _, r := range l.Outcomes {
		switch {
		case r.Type == event.OutcomeAccepted:
			accepted = r.OccurredAt
		case ended.IsZero() && isEnding(r.Type):
			ended, state = r.OccurredAt, r.Type
			if r.Reason != "" {
				state += " (" + plain(r.Reason) + ")"
			}
		case !ended.IsZero() && !isEnding(r.Type) && r.Type != event.OutcomeHeld:
			after = append(after, fmt.Sprintf("%s %s later", r.Type, Span(r.OccurredAt.Sub(ended))))
		}
	}
	if n := len(l.Decisions); n > 0 {
		next = l.Decisions[n-1].NextWakeAt
	}
	switch {
	case accepted.IsZero() && ended.IsZero():
		return Wait.Render("seen, but never accepted")
	case ended.IsZero() && next.After(now):
		return Wait.Render("held for "+Span(now.Sub(accepted))) + ", next look in " + Span(next.Sub(now))
	case ended.IsZero():
		return Wait.Render("held for " + Span(now.Sub(accepted)))
	}
	s := Good.Render(state)
	if !accepted.IsZero() {
		s += " after " + Span(ended.Sub(accepted))
	}
	return strings.Join(append([]string{s}, after...), "; ")
}

// timeline is the table of all rows by time.
func (l *Life) timeline() string {
	type line struct {
		at    time.Time
		order int // of one instant: accepted, decided, done
		cells []string
	}
	var lines []line
	for _, d := range l.Decisions {
		next := ""
		if d.Action == event.ActionHold && !d.NextWakeAt.IsZero() {
			next = "look again in " + Span(d.NextWakeAt.Sub(d.OccurredAt))
		}
		lines = append(lines, line{d.OccurredAt, 1, []string{
			Soft.Render(d.Trigger + " →"), style(d.Action).Render(d.Action), number(d.Score), number(d.ValueOfWaiting),
			strings.Join(slices.DeleteFunc([]string{plain(strings.Join(d.Gates, ", ")), next}, func(s string) bool { return s == "" }), "; "),
		}})
	}
	for _, r := range l.Outcomes {
		notes := slices.DeleteFunc([]string{plain(r.Reason), r.Channel, r.DeviceID}, func(s string) bool { return s == "" })
		if r.Attempt > 1 {
			notes = append(notes, fmt.Sprintf("attempt %d", r.Attempt))
		}
		order := 2
		if r.Type == event.OutcomeAccepted {
			order = 0
		}
		lines = append(lines, line{r.OccurredAt, order, []string{"", style(r.Type).Render(plain(r.Type)), "", "", strings.Join(notes, ", ")}})
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.order, b.order)) })
	t := newTable("time (UTC)", "because of", "what", "score", "waiting", "notes")
	for i, ln := range lines {
		at := ln.at.UTC().Format("15:04:05.000")
		if i == 0 || ln.at.UTC().YearDay() != lines[i-1].at.UTC().YearDay() {
			at = ln.at.UTC().Format("2006-01-02 15:04:05.000")
		}
		t.Row(append([]string{at}, ln.cells...)...)
	}
	return t.String()
}

func newTable(headers ...string) *table.Table {
	return table.New().Border(lipgloss.HiddenBorder()).BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).
		BorderHeader(false).BorderColumn(false).Headers(headers...).
		StyleFunc(func(row, _ int) lipgloss.Style {
			if row == table.HeaderRow {
				return Soft.PaddingRight(2)
			}
			return lipgloss.NewStyle().PaddingRight(2)
		})
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', 4, 64) }

func plain(s string) string { return strings.ReplaceAll(s, "_", " ") }

// Span writes a duration as people say it.
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Span(-d)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%.1f days", d.Hours()/24)
	}
}
