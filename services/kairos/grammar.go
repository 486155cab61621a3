package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kong"

	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/services/kairos/cli"
	"github.com/kairos-push/kairos/services/kairos/replay"
	"github.com/kairos-push/kairos/services/kairos/replay/collegemsg"
	"github.com/kairos-push/kairos/services/kairos/report"
	"github.com/kairos-push/kairos/services/kairos/simulate"
	"github.com/kairos-push/kairos/services/kairos/up"
)

// grammar is the command line. Each command is a struct with its flags and a method
// Run(context.Context, *cli.IO) error.
type grammar struct {
	ConfigF string      `name:"config" help:"YAML file with any of a command's settings." group:"Operation"`
	Log     service.Log `embed:"" prefix:"log-" group:"Operation"`

	Up up.Command `cmd:"" help:"Run everything in this process: broker, Redis, services, page, and a fleet of phones."`

	Send   cli.Send   `cmd:"" group:"Messages" help:"Ask for a push."`
	Cancel cli.Cancel `cmd:"" group:"Messages" help:"Take back a message that is not released yet."`
	Why    cli.Why    `cmd:"" group:"Messages" help:"Tell the life of a message, and why it was held or released."`

	Moments cli.Moments `cmd:"" group:"Messages" help:"When a person is likely to see a push: the day to come, and the week."`

	Replay   replay.Cmd      `cmd:"" group:"Without servers" help:"Run the same decisions in virtual time over a file."`
	Learn    replay.LearnCmd `cmd:"" group:"Without servers" help:"Train a model on a file, as the learn service does on the topics."`
	Simulate simulate.Cmd    `cmd:"" group:"Without servers" help:"Policies side by side on a synthetic population."`
	Report   report.Cmd      `cmd:"" group:"Without servers" help:"What came of the messages, by arm, with intervals; of topics or files."`
	Convert  struct {
		Collegemsg collegemsg.Cmd `cmd:"" help:"The CollegeMsg log, as input for replay."`
	} `cmd:"" group:"Without servers" help:"Make input for replay of public data."`

	Tail   cli.Tail         `cmd:"" group:"A running system" help:"Follow a topic: outcomes, decisions, or any other."`
	Ledger cli.Ledger       `cmd:"" group:"A running system" help:"Account for every accepted message: how it ended, or that it is held."`
	Lag    cli.Lag          `cmd:"" group:"A running system" help:"How far each service is behind."`
	Doctor cli.Doctor       `cmd:"" group:"A running system" help:"Check configuration, brokers, topics, Redis and input; say what to do."`
	Export replay.ExportCmd `cmd:"" group:"A running system" help:"What came in, as input for replay: what would another policy have done?"`
	DLQ    cli.DLQ          `cmd:"" name:"dlq" group:"A running system" help:"Records that were refused: list, show, retry."`
	Topics cli.Topics       `cmd:"" group:"A running system" help:"Create the topics."`
}

// run is main without the process. The exit code is 0, 1 after a failure, 2 for a wrong command line.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	var g grammar
	exit := -1
	term := cli.NewIO(in, out, errOut)
	if len(args) == 0 {
		args = []string{"--help"}
	}
	kctx, err := service.Parse(&g, "kairos", "Holds push notifications until the moment at which they are worth most.", args, out, errOut,
		kong.Exit(func(code int) { exit = max(exit, code) }),
		kong.PostBuild(settingsOnly),
		kong.Vars{"log_level": "error"}, // a person reads what a command prints; services log from info on
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(term),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110, NoExpandSubcommands: true}))
	if exit >= 0 {
		return exit
	}
	if err == nil {
		term.Log, err = g.Log.Logger(errOut, "")
	}
	if err != nil {
		_, _ = fmt.Fprintf(errOut, "kairos: %v\n", err)
		return 2
	}
	service.RedisLogs(term.Log)
	switch err := kctx.Run(); {
	case err == nil, errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return 0
	case errors.Is(err, cli.ErrFindings): // they have been printed
		return 1
	default:
		_, _ = fmt.Fprintf(errOut, "kairos: %v\n", err)
		return 1
	}
}

// settingsOnly leaves environment variables to settings, which all lie in a group. What a single call is about, such as
// the title of a message, comes from its own line.
func settingsOnly(k *kong.Kong) error {
	return kong.Visit(k.Model, func(node kong.Visitable, next kong.Next) error {
		if f, ok := node.(*kong.Flag); ok && f.Group == nil {
			f.Envs, f.Tag.Envs = nil, nil
		}
		return next(nil)
	})
}
