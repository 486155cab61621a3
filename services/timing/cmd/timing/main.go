// Command timing decides when each message goes.
package main

import (
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
			p, err := policy.Load(cfg.Policy)
			if err != nil {
				return nil, err
			}
			return timing.New(timing.Config{Policy: p, Fold: fold.Config{Checkpoint: f.Checkpoint}, Listen: f.Listen}, deps)
		},
	}
}
