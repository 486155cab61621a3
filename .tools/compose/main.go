// Command compose checks docker-compose.yml as the engine would read it: syntax, schema, references.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	if err := check(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "compose:", err)
		os.Exit(1)
	}
}

func check(ctx context.Context, file string) error {
	opts, err := cli.NewProjectOptions([]string{file}, cli.WithName("kairos"))
	if err != nil {
		return err
	}
	p, err := opts.LoadProject(ctx)
	if err != nil {
		return err
	}
	for _, s := range p.Services {
		if s.Build == nil {
			continue
		}
		if _, err := os.Stat(s.Build.Context + "/" + s.Build.Dockerfile); err != nil {
			return fmt.Errorf("service %s: %w", s.Name, err)
		}
	}
	fmt.Printf("%s: %d services\n", file, len(p.Services))
	return nil
}
