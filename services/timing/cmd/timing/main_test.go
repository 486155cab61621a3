package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The flags of the program and those that all programs share must not clash.
func TestFlags(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(file, []byte("name: mine\n"), 0o600))
	var out, fault bytes.Buffer
	code := program().Run(t.Context(), []string{"--policy", file, "--print-config"}, &out, &fault)
	require.Zero(t, code, fault.String())
	require.Contains(t, out.String(), file)
}
