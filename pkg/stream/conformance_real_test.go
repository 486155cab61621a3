//go:build real

package stream_test

import (
	"testing"

	"github.com/kairos-push/kairos/pkg/pipetest"
)

func TestRealConformance(t *testing.T) { conformance(t, pipetest.Real) }
