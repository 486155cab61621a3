package cli

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
	"github.com/kairos-push/kairos/services/console/ledger"
)

// Tail is "kairos tail".
type Tail struct {
	Topic string   `arg:"" optional:"" default:"outcomes" help:"outcomes, decisions, facts, …, or a topic's name without prefix (in.messages.v1.dlq)."`
	Start bool     `help:"From the oldest record that is kept instead of from now on."`
	JSON  bool     `help:"The records as they are, one a line; the default when the output is no terminal."`
	App   string   `help:"Only this app."`
	User  string   `help:"Only this person."`
	ID    string   `name:"message" help:"Only this message."`
	Type  []string `help:"Only outcomes of these types."`
	Apps  string   `name:"apps-file" help:"Apps file, for the input topics of the apps." group:"Files"`
	Kafka `embed:""`
}

// Run follows the topic until it is interrupted.
func (t *Tail) Run(ctx context.Context, o *IO) error {
	tp, err := t.find()
	if err != nil {
		return err
	}
	from := stream.End
	if t.Start {
		from = stream.Start
	}
	return t.With(ctx, o, func(ctx context.Context, c *stream.Client) error {
		return c.Tail(ctx, tp, from, func(r stream.Record) error {
			if line, ok := t.line(o, tp, &r); ok {
				o.Printf("%s\n", line)
			}
			return nil
		})
	})
}

func (t *Tail) find() (topic.Topic, error) {
	apps, err := service.LoadApps(t.Apps)
	if err != nil {
		return topic.Topic{}, err
	}
	var names []string
	for _, tp := range AllTopics(apps) {
		if t.Topic == tp.Name || t.Topic+".v1" == tp.Name {
			return tp, nil
		}
		if !tp.IsDLQ() {
			names = append(names, strings.TrimSuffix(tp.Name, ".v1"))
		}
	}
	return topic.Topic{}, fmt.Errorf("there is no topic %q; there are %s, and each with .v1.dlq", t.Topic, strings.Join(names, ", "))
}

// line is one record for the eye, or as it is; false when a filter keeps it out.
func (t *Tail) line(o *IO, tp topic.Topic, r *stream.Record) (string, bool) {
	var out event.Outcome
	switch {
	case tp.Name == topic.Outcomes.Name && event.Decode(r.Value, &out) == nil:
		if !t.keep(out.AppID, out.UserID, out.MessageID) || len(t.Type) > 0 && !slices.Contains(t.Type, out.Type) {
			return "", false
		}
		if o.TTY && !t.JSON {
			return outcomeLine(&out), true
		}
	case tp.Name == topic.Decisions.Name:
		var d event.Decision
		if event.Decode(r.Value, &d) == nil {
			if !t.keep(d.AppID, d.UserID, d.MessageID) {
				return "", false
			}
			if o.TTY && !t.JSON {
				return decisionLine(&d), true
			}
		}
	case !t.keepKey(r):
		return "", false
	}
	if o.TTY && !t.JSON {
		return fmt.Sprintf("%s %s %s", Soft.Render(fmt.Sprintf("%d/%d", r.Partition, r.Offset)), Bold.Render(string(r.Key)), compact(r.Value)), true
	}
	return compact(r.Value), true
}

func (t *Tail) keep(app, user, message string) bool {
	return (t.App == "" || t.App == app) && (t.User == "" || t.User == user) && (t.ID == "" || t.ID == message)
}

// keepKey filters records whose type tail does not know: by their key, and by whether they name the message.
func (t *Tail) keepKey(r *stream.Record) bool {
	app, user, ok := strings.Cut(string(r.Key), "|")
	if !ok {
		app, user = t.App, string(r.Key) // an input topic: the key is the user
	}
	return t.keep(app, user, t.ID) && (t.ID == "" || bytes.Contains(r.Value, []byte(t.ID)))
}

// compact keeps a record on one line and a terminal safe from what it holds.
func compact(value []byte) string {
	if value == nil {
		return "(deleted)"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(value), "\uFFFD"))
}

func outcomeLine(r *event.Outcome) string {
	notes := []string{plain(r.Reason), r.Channel, r.DeviceID}
	if isEnding(r.Type) && r.HoldMS > 0 {
		notes = append(notes, "held "+Span(time.Duration(r.HoldMS)*time.Millisecond))
	}
	notes = slices.DeleteFunc(notes, func(s string) bool { return s == "" })
	return fmt.Sprintf("%s %s %-14s %s %s", Soft.Render(r.OccurredAt.Local().Format("15:04:05")),
		style(r.Type).Render(fmt.Sprintf("%-10s", plain(r.Type))), r.UserID, r.MessageID, Soft.Render(strings.Join(notes, ", ")))
}

func decisionLine(d *event.Decision) string {
	return fmt.Sprintf("%s %s %-14s %s %s", Soft.Render(d.OccurredAt.Local().Format("15:04:05")),
		style(d.Action).Render(fmt.Sprintf("%-8s", d.Action)), d.UserID, d.MessageID,
		Soft.Render(fmt.Sprintf("%s: now %s, waiting %s. %s", d.Trigger, number(d.Score), number(d.ValueOfWaiting), d.Why)))
}

func isEnding(typ string) bool { return slices.Contains(ledger.Endings, typ) }

// style says by colour what a word says already.
func style(word string) lipgloss.Style {
	switch word {
	case event.OutcomeSent, event.OutcomeOpened, event.OutcomeConverted, event.OutcomeDelivered, event.OutcomeDisplayed, event.ActionRelease:
		return Good
	case event.OutcomeAccepted, event.OutcomeHeld, event.OutcomeReleased, event.ActionHold:
		return Wait
	case event.OutcomeFailed, event.OutcomeUnknown, event.OutcomeProviderRejected, event.OutcomeRejected, event.OutcomeDisabled:
		return Wrong
	default:
		return Warn
	}
}
