// Command compose checks docker-compose.yml as the engine would read it: syntax, schema, references.
package main

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
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
		if path := s.Environment["KAIROS_APPS_FILE"]; path != nil &&
			!slices.ContainsFunc(s.Configs, func(c types.ServiceConfigObjConfig) bool { return c.Target == *path }) {
			return fmt.Errorf("service %s: nothing is mounted at KAIROS_APPS_FILE", s.Name)
		}
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
