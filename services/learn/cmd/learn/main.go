// Command learn trains the models that timing decides by.
package main

import (
	"os"
	"time"

	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/services/learn"
)

type flags struct {
	Every  time.Duration `help:"Time between two snapshots of the models." default:"10m"`
	People int           `help:"How many people are learned from at once, about 2 kB each; beyond it a sample is." default:"50000"`
}

func main() {
	os.Exit(service.Main(service.Program[flags]{
		Name: "learn",
		Doc:  "Learns from what people do and from how pushes end when the next ones are worth most.",
		New: func(f flags, _ service.Config, _ *service.Apps, deps service.Deps) (service.Runner, error) {
			limits := learn.DefaultLimits()
			limits.People = f.People
			return learn.New(learn.Config{Every: f.Every, Limits: limits}, deps)
		},
	}))
}
