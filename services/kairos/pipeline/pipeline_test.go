package pipeline_test

import (
	"testing"
	"testing/synctest"

	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/services/kairos/pipeline"
)

func TestMain(m *testing.M) { pipetest.Main(m) }

func TestVirtual(t *testing.T) {
	t.Parallel()
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s.tell(pipeline.Start(t, pipetest.Virtual, pipeline.Options{}).Tell(t, "ada"))
			})
		})
	}
}
