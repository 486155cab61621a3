package state_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/state"
)

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	_, err := state.Open(state.Config{})
	require.EqualError(t, err, "redis: no address given")
	_, err = state.Open(state.Config{Addrs: []string{"a:1", "b:1"}})
	require.ErrorContains(t, err, "2 addresses given for a single server")
}
