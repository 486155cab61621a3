package pipeline_test

import (
	"fmt"
	"testing"

	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/services/kairos/pipeline"
)

// The tests in real time run before the virtual ones and not beside them: they have the machine for themselves.
func TestEmbedded(t *testing.T) {
	tellAll(t, pipetest.Embedded)
}

// tellAll tells all stories in one world, side by side, each about a person of its own.
func tellAll(t *testing.T, backend pipetest.Backend) {
	t.Helper()
	w := pipeline.Start(t, backend, pipeline.Options{})
	t.Run("stories", func(t *testing.T) {
		for i, s := range stories {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				s.tell(w.Tell(t, fmt.Sprintf("person-%d", i)))
			})
		}
	})
}
