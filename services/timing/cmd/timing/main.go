// Command timing decides when each message goes.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/kairos-push/kairos/pkg/fold"
	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/services/timing"
	"github.com/kairos-push/kairos/services/timing/policy"
)

type flags struct {
	Checkpoint time.Duration `help:"Time between two checkpoints of the journal of held messages." default:"30s"`
	Listen     string        `help:"Address at which ingest asks for the moments of a person. Empty: none." default:":8082"`
}

func main() { os.Exit(service.Main(program())) }

func program() service.Program[flags] {
	return service.Program[flags]{
		Name:  "timing",
		Doc:   "Holds each message until the moment at which it is worth most, and says why.",
		Redis: true,
		New: func(f flags, cfg service.Config, _ *service.Apps, deps service.Deps) (service.Runner, error) {
			p, err := rules(cfg.Policy)
			if err != nil {
				return nil, err
			}
			return timing.New(timing.Config{Policy: p, Fold: fold.Config{Checkpoint: f.Checkpoint}, Listen: f.Listen}, deps)
		},
	}
}

func rules(file string) (policy.Policy, error) {
	if file == "" {
		return policy.Default(), nil
	}
	data, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return policy.Policy{}, fmt.Errorf("policy: %w", err)
	}
	return policy.Parse(data)
}
