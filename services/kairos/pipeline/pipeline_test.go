package pipeline_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/services/kairos/pipeline"
)

func TestMain(m *testing.M) { pipetest.Main(m) }

// monday morning, from the beginning of a bubble. That is the year 2000, which no record may lie before.
const monday = 2*24*time.Hour + 9*time.Hour

func TestVirtual(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *pipeline.World) { together(w, stories) })
}

func TestVirtualDays(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *pipeline.World) { together(w, days) })
}

func TestVirtualOutage(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *pipeline.World) { together(w, outages) })
}

func TestVirtualDisturbances(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *pipeline.World) {
		for i, d := range disturbances {
			disturb(named{w.TB, d.name}, w, fmt.Sprintf("crowd%d", i), 10*time.Minute, d.do)
		}
	})
}

// bubble runs a world in virtual time.
func bubble(t *testing.T, do func(*pipeline.World)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(monday)
		do(pipeline.Start(t, pipetest.Virtual, pipeline.Options{}))
	})
}

// together tells stories side by side, each about a person of its own. A bubble knows no subtests.
func together(w *pipeline.World, stories []story) {
	var wg sync.WaitGroup
	for i, s := range stories {
		wg.Go(func() { s.tell(w.Tell(named{w.TB, s.name}, fmt.Sprintf("person-%d", i))) })
	}
	wg.Wait()
}

// named says in which story a test failed.
type named struct {
	testing.TB
	name string
}

// Errorf implements testing.TB.
func (n named) Errorf(format string, args ...any) {
	n.Helper()
	n.TB.Errorf(n.name+": "+format, args...)
}
