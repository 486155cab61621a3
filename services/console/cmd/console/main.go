// Command console serves the web page.
package main

import (
	"os"

	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/services/console"
)

type flags struct {
	Listen   string `help:"Address of the page." default:":8080"`
	Messages int    `help:"How many of the newest messages are kept in memory." default:"10000"`
}

func main() {
	os.Exit(service.Main(service.Program[flags]{
		Name: "console",
		Doc:  "The web page of Kairos: what is held, what ended and how, and why.",
		New: func(f flags, _ service.Config, _ *service.Apps, deps service.Deps) (service.Runner, error) {
			return console.New(console.Config{Listen: f.Listen, Messages: f.Messages}, deps)
		},
	}))
}
