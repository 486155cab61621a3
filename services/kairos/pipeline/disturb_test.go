package pipeline_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/raced"
	"github.com/kairos-push/kairos/services/kairos/pipeline"
)

// disturbances happen in the middle of the life of a crowd's messages. Nothing may be lost by them, nothing said twice.
var disturbances = []struct {
	name string
	do   func(*pipeline.World)
}{
	{"ingest starts anew", func(w *pipeline.World) { w.Restart("ingest") }},
	{"enrich starts anew", func(w *pipeline.World) { w.Restart("enrich") }},
	{"timing starts anew", func(w *pipeline.World) { w.Restart("timing") }},
	{"dispatch starts anew", func(w *pipeline.World) { w.Restart("dispatch") }},
	{"console starts anew", func(w *pipeline.World) { w.Restart("console") }},
	{"Redis forgets everything", func(w *pipeline.World) { w.ForgetRedis() }},
	{"Redis forgets everything while all are away", func(w *pipeline.World) {
		for _, name := range pipeline.Services {
			w.Stop(name)
		}
		w.ForgetRedis()
		for _, name := range pipeline.Services {
			w.Run(name)
		}
	}},
}

func TestEmbeddedDisturbances(t *testing.T) {
	disturbAll(t, pipetest.Embedded)
}

// disturbAll disturbs one world again and again.
func disturbAll(t *testing.T, backend pipetest.Backend) {
	t.Helper()
	w := pipeline.Start(t, backend, pipeline.Options{})
	for i, d := range disturbances {
		t.Run(d.name, func(t *testing.T) { disturb(t, w, fmt.Sprintf("crowd%d", i), 2*time.Second, d.do) })
	}
}

// disturb has a crowd say its messages before and after the disturbance. Each comes to what it would have come to without.
func disturb(t testing.TB, w *pipeline.World, crowd string, soon time.Duration, do func(*pipeline.World)) {
	t.Helper()
	people := make([]*pipeline.Story, raced.Size(6, 3))
	for i := range people {
		people[i] = w.Tell(t, fmt.Sprintf("%s-%d", crowd, i))
	}
	begin := people[0].Now()
	critical := func(m *event.Message) { m.Priority = event.Critical } // no gap between what one person gets
	at := func(m *event.Message) {
		m.Timing, m.SendAt = event.TimingAt, begin.Add(soon).Truncate(time.Millisecond)
	}
	for _, s := range people {
		s.Say(s.Phone("phone"), s.Message("before", critical), s.Message("across", critical, at))
		s.Say(s.Message("taken back", critical, later(s)), s.Message("waiting", critical, later(s)))
		s.Say(s.Message("repeated", critical))
	}
	for _, s := range people {
		s.Expect("taken back", "accepted", "held not_before")
	}
	do(w)
	for _, s := range people {
		s.Say(s.Message("repeated", critical), s.Cancel("taken back"), s.Message("after", critical))
	}
	for _, s := range people {
		for _, id := range []string{"before", "after", "repeated"} {
			s.Expect(id, "accepted", "released now", "sent").Stands(id, event.OutcomeSent)
			require.Len(t, s.Pushes(id), 1)
		}
		s.Await("across", event.OutcomeSent)
		require.Len(t, s.Pushes("across"), 1)
		s.Expect("taken back", "accepted", "held not_before", "cancelled cancel")
		s.Expect("waiting", "accepted", "held not_before").Stands("waiting", event.OutcomeHeld)
	}
}
