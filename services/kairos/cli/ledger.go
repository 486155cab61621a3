package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
	"github.com/kairos-push/kairos/services/console/ledger"
)

// Ledger is "kairos ledger".
type Ledger struct {
	App      string  `help:"Only this app."`
	Campaign *string `help:"Only this campaign."`
	JSON     bool    `help:"Print JSON lines."`
	Kafka    `embed:""`
}

// Run computes the ledger from the outcomes topic alone. It fails when the conservation law is broken.
func (l *Ledger) Run(ctx context.Context, o *IO) error {
	book, begins := ledger.New(), ledger.Begins{}
	err := l.within(ctx, o, 10*time.Minute, func(ctx context.Context, c *stream.Client) error {
		return readAll(ctx, c, topic.Outcomes, func(r *stream.Record) error {
			var row event.Outcome
			if err := event.Decode(r.Value, &row); err != nil {
				return fmt.Errorf("%s/%d/%d: %w", r.Topic, r.Partition, r.Offset, err)
			}
			book.Add(&row, begins.Of(r.Partition, r.Offset, r.Time))
			return nil
		})
	})
	if err != nil {
		return err
	}
	rows := slices.DeleteFunc(book.Rows(), func(r ledger.Row) bool {
		return l.App != "" && r.AppID != l.App || l.Campaign != nil && r.CampaignID != *l.Campaign
	})
	if l.JSON {
		for _, r := range rows {
			if err := printJSON(o, r); err != nil {
				return err
			}
		}
	} else {
		PrintLedger(o, rows)
	}
	if !ledger.Total(rows).Balanced() {
		return ErrFindings
	}
	return nil
}

// PrintLedger writes the accounts as a table with a line that says whether they balance.
func PrintLedger(o *IO, rows []ledger.Row) {
	total := ledger.Total(rows)
	used := slices.DeleteFunc(slices.Clone(ledger.Endings), func(t string) bool { return total.Ended[t] == 0 })
	heard := slices.DeleteFunc(slices.Clone(ledger.Types), func(t string) bool { return total.After[t] == 0 })
	t := newTable(append(append([]string{"app", "campaign", "accepted", "held"}, used...), heard...)...)
	add := func(app, campaign string, r ledger.Row) {
		cells := []string{app, campaign, strconv.Itoa(r.Accepted), strconv.Itoa(r.Held)}
		for _, k := range used {
			cells = append(cells, strconv.Itoa(r.Ended[k]))
		}
		for _, k := range heard {
			cells = append(cells, strconv.Itoa(r.After[k]))
		}
		t.Row(cells...)
	}
	for _, r := range rows {
		campaign := r.CampaignID
		if campaign == "" {
			campaign = "(none)"
		}
		add(r.AppID, campaign, r)
	}
	if len(rows) > 1 {
		add("all", "", total)
	}
	o.Printf("%s\n\n", t)
	law := fmt.Sprintf("accepted %d = ended %d + held %d", total.Accepted, total.EndedTotal(), total.Held)
	if total.BeforeLog > 0 {
		law += fmt.Sprintf("; beside %d that were accepted before the log begins", total.BeforeLog)
	}
	if total.Balanced() {
		o.Printf("%s %s\n", Good.Render("balanced:"), law)
		return
	}
	o.Printf("%s %s, but %d ended in two ways that exclude each other and %d came from nowhere\n", Wrong.Render("broken:"), law, total.Contradictions, total.Orphans)
	o.Printf("%s\n", Soft.Render("That is a fault: please report it."))
}
