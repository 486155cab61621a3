package pipeline_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/services/kairos/pipeline"
)

func TestMain(m *testing.M) { pipetest.Main(m) }

// monday morning, from a bubble's beginning.
const monday = 2*24*time.Hour + 9*time.Hour

func TestVirtual(t *testing.T) {
	t.Parallel()
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(monday) // bubbles begin with the year 2000, which no record may lie before
				s.tell(pipeline.Start(t, pipetest.Virtual, pipeline.Options{}).Tell(t, "ada"))
			})
		})
	}
}
