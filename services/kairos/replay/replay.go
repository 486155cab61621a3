// Package replay runs the pure core of Kairos in virtual time, without servers: the same functions that the services
// run, in one loop over the next input or the next thing due. Core is that loop's inside, for whoever brings facts of
// their own (kairos simulate); Run reads and writes JSON lines.
//
// It is not a second pipeline: what is accepted, known, decided and sent is what the services would say. What it leaves
// out is what makes them services: Kafka, Redis, retries after a crash.
package replay

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/services/console/ledger"
	"github.com/kairos-push/kairos/services/ingest"
	"github.com/kairos-push/kairos/services/timing"
)

// AppID is the app that lines belong to unless Streams says another: input files do not name one, as no public record does.
const AppID = "demo"

// Streams of a replay. Decisions and Errors may be nil.
type Streams struct {
	App       string // that all lines belong to; AppID without it
	In        io.Reader
	Out       io.Writer // outcome rows and clock lines
	Decisions io.Writer
	Errors    io.Writer // one line of text for each line of input that was refused
	Trainer   *Trainer  // learns from what is said; nil is fine
}

// Summary is what a replay came to.
type Summary struct {
	Lines   int
	Refused int // lines
	Ledger  ledger.Row
}

// Run replays the input to its end. Time stands still then: what is held stays held. Lines that are wrong are said on
// Errors, messages among them as rejected outcomes too, and the replay goes on; its own error is one of reading or writing.
func Run(ctx context.Context, engine *timing.Engine, s Streams) (Summary, error) {
	// The app has no receipt secret: outcome rows carry no token, so whoever answers them from outside cannot hand one back.
	r := runner{app: ingest.App{ID: cmp.Or(s.App, AppID)}, errors: s.Errors, book: ledger.New()}
	r.out = rows{w: bufio.NewWriterSize(s.Out, 1<<16)}
	if s.Decisions != nil {
		r.decisions = &rows{w: bufio.NewWriterSize(s.Decisions, 1<<16)}
	}
	sink := Sink{Outcome: r.say}
	if t := s.Trainer; t != nil {
		sink.Enriched = func(in *profile.Enriched) { t.Enriched(in, r.core.Now()) }
		sink.Outcome = func(o *event.Outcome) { r.say(o); t.Outcome(o, r.core.Now()) }
	}
	if r.decisions != nil {
		sink.Decision = func(d *event.Decision) { r.decisions.write(d) }
	}
	r.core = NewCore(engine, sink)

	in := bufio.NewReaderSize(s.In, maxLine)
	for {
		if err := ctx.Err(); err != nil {
			return r.summary(), err
		}
		raw, err := readLine(in)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, errTooLong) {
			return r.summary(), fmt.Errorf("read line %d: %w", r.lines+1, err)
		}
		r.lines++
		if err == nil && len(bytes.TrimSpace(raw)) == 0 {
			continue
		}
		if err := r.line(raw, err); err != nil {
			return r.summary(), err
		}
	}
	return r.summary(), r.flush()
}

// runner is one replay under way.
type runner struct {
	app            ingest.App
	core           *Core
	out            rows
	decisions      *rows
	errors         io.Writer
	book           *ledger.Book
	lines, refused int
}

// line takes in one line of input.
func (r *runner) line(raw []byte, bad error) error {
	var l Line
	if bad == nil {
		l, bad = ParseLine(raw)
	}
	if bad == nil && l.At.Before(r.core.Now()) {
		bad = &event.Invalid{Field: "at", Rule: "must not be before " + stamp(r.core.Now()) + ", which has passed", Value: stamp(l.At)}
	}
	switch {
	case bad != nil:
		return r.refuse(l, bad)
	case l.Topic == topicClock:
		r.core.RunTo(l.At)
		r.out.raw(raw)
		return r.flush()
	}
	r.core.RunTo(l.At)
	fact, err := accept(l, r.app)
	if err != nil {
		return r.refuse(l, err)
	}
	r.core.Feed(fact, l.At)
	return nil
}

// refuse says what is wrong with a line.
func (r *runner) refuse(l Line, bad error) error {
	r.refused++
	if l.Topic == "messages" {
		if o, ok := ingest.Rejected(l.Record, r.app, bad, r.core.Now()); ok {
			r.say(o)
		}
	}
	if r.errors == nil {
		return nil
	}
	_, err := fmt.Fprintf(r.errors, "line %d: %v\n", r.lines, bad)
	return err
}

func (r *runner) say(o *event.Outcome) {
	r.book.Add(o, time.Time{})
	r.out.write(o)
}

func (r *runner) flush() error {
	err := r.out.flush()
	if r.decisions != nil {
		err = errors.Join(err, r.decisions.flush())
	}
	return err
}

func (r *runner) summary() Summary {
	return Summary{Lines: r.lines, Refused: r.refused, Ledger: ledger.Total(r.book.Rows())}
}
