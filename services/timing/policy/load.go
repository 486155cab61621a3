package policy

import (
	"fmt"
	"os"
)

// Load reads the policy of a file; the default one if file is "".
func Load(file string) (Policy, error) {
	if file == "" {
		return Default(), nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return Policy{}, fmt.Errorf("policy: %w", err)
	}
	p, err := Parse(data)
	if err != nil {
		return Policy{}, fmt.Errorf("policy: %s: %w", file, err)
	}
	return p, nil
}
