// Package cli holds the commands that look into a running system, and what all commands share: where they write, how
// they connect. Commands compute nothing that a service computes; they read topics and print.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/pkg/stream"
)

// ErrFindings ends a command that has printed what is wrong already.
var ErrFindings = errors.New("there are findings")

// IO is what a command works with.
type IO struct {
	In    io.Reader
	Out   io.Writer // drops colours when it is no terminal
	Err   io.Writer
	TTY   bool // Out is a terminal
	Clock clock.Clock
	Log   zerolog.Logger
}

// NewIO wraps out so that it carries colours only to a terminal.
func NewIO(in io.Reader, out, errOut io.Writer) *IO {
	tty := service.IsTerminal(out)
	w := &colorprofile.Writer{Forward: out, Profile: colorprofile.NoTTY}
	if tty {
		w.Profile = colorprofile.ANSI256
	}
	return &IO{In: in, Out: w, Err: errOut, TTY: tty, Log: zerolog.Nop()}
}

// Printf writes to the output.
func (o *IO) Printf(format string, args ...any) { _, _ = fmt.Fprintf(o.Out, format, args...) }

// Styles of the terminal output. Meaning is never in the colour alone.
var (
	Bold  = lipgloss.NewStyle().Bold(true)
	Soft  = lipgloss.NewStyle().Foreground(lipgloss.Color("245"))
	Good  = lipgloss.NewStyle().Foreground(lipgloss.Color("36"))
	Wait  = lipgloss.NewStyle().Foreground(lipgloss.Color("69"))
	Warn  = lipgloss.NewStyle().Foreground(lipgloss.Color("172"))
	Wrong = lipgloss.NewStyle().Foreground(lipgloss.Color("167"))
)

// Kafka is how commands reach the topics.
type Kafka struct {
	service.Kafka `embed:"" prefix:"kafka-" group:"Connection"`
}

func (k Kafka) open(o *IO) (*stream.Client, error) {
	cfg, err := k.Stream("kairos-cli")
	if err != nil {
		return nil, err
	}
	return stream.New(cfg, o.Log, o.Clock, prometheus.NewRegistry())
}

// reach is how long a server may take to answer at all.
const reach = 5 * time.Second

// With runs fn with a connection and closes it. The client by itself would wait for a broker for ever.
func (k Kafka) With(ctx context.Context, o *IO, fn func(context.Context, *stream.Client) error) error {
	c, err := k.open(o)
	if err != nil {
		return err
	}
	first, cancel := context.WithTimeout(ctx, reach)
	defer cancel()
	if _, err := c.Topics(first); err != nil {
		return errors.Join(fmt.Errorf("%w\nno answer from Kafka at %v: is `kairos up` running? other addresses go in --kafka-brokers", err, k.Brokers), c.Close())
	}
	return errors.Join(fn(ctx, c), c.Close())
}

// API is how commands reach the HTTP API.
type API struct {
	URL string `help:"Base address of the HTTP API." default:"http://localhost:8080" group:"Connection"`
	Key string `help:"API key." default:"demo" secret:"" group:"Connection"`
}
