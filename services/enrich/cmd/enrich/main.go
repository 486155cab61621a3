// Command enrich folds facts into profiles.
package main

import (
	"os"
	"time"

	"github.com/kairos-push/kairos/pkg/fold"
	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/services/enrich"
)

type flags struct {
	Checkpoint time.Duration `help:"Time between two checkpoints of the profiles' journal." default:"30s"`
}

func main() {
	os.Exit(service.Main(service.Program[flags]{
		Name:  "enrich",
		Doc:   "Keeps what is known of each person, and passes every fact on with it.",
		Redis: true,
		New: func(f flags, _ service.Config, _ *service.Apps, deps service.Deps) (service.Runner, error) {
			return enrich.New(enrich.Config{Fold: fold.Config{Checkpoint: f.Checkpoint}}, deps)
		},
	}))
}
