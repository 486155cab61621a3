// Command dispatch sends released messages through APNs, FCM and Web Push.
package main

import (
	"os"
	"time"

	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/services/dispatch"
)

type flags struct {
	Concurrency int           `help:"Attempts that run side by side." default:"1024"`
	SendTimeout time.Duration `help:"How long an attempt may take." default:"10s"`
}

func main() {
	os.Exit(service.Main(service.Program[flags]{
		Name:  "dispatch",
		Doc:   "Sends released messages through APNs, FCM and Web Push, and says what became of them.",
		Redis: true,
		New: func(f flags, cfg service.Config, _ *service.Apps, deps service.Deps) (service.Runner, error) {
			return dispatch.New(dispatch.Config{
				Apps: dispatch.FromFile(cfg.Apps), Concurrency: f.Concurrency, SendTimeout: f.SendTimeout,
			}, deps)
		},
	}))
}
