// Command ingest takes in what apps send: the HTTP API and the input topics.
package main

import (
	"os"
	"time"

	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/services/ingest"
)

type flags struct {
	Listen     string        `help:"Address of the HTTP API. Empty: input topics only." default:":8081"`
	MaxPending int64         `help:"Bytes of requests that may be read or wait for Kafka; more get 429." default:"67108864"`
	Timeout    time.Duration `help:"How long a request waits for Kafka's acknowledgement." default:"10s"`
	ConsoleURL string        `name:"console-url" help:"Where the console is, for GET /v1/messages/{id}: http://console:8080." placeholder:"URL"`
	TimingURL  string        `name:"timing-url" help:"Where timing is, for GET /v1/users/{id}/moments: http://timing:8082." placeholder:"URL"`
}

func main() {
	os.Exit(service.Main(service.Program[flags]{
		Name: "ingest",
		Doc:  "Takes in messages, events, signals, receipts, devices and users, by HTTP and by topic.",
		New: func(f flags, _ service.Config, apps *service.Apps, deps service.Deps) (service.Runner, error) {
			cfg := ingest.Config{Apps: apps, Listen: f.Listen, MaxPending: f.MaxPending, Timeout: f.Timeout}
			var err error
			if f.ConsoleURL != "" {
				if cfg.Lookup, err = ingest.MessagesAt(f.ConsoleURL); err != nil {
					return nil, err
				}
			}
			if f.TimingURL != "" {
				if cfg.Moments, err = ingest.MomentsAt(f.TimingURL); err != nil {
					return nil, err
				}
			}
			return ingest.New(cfg, deps)
		},
	}))
}
