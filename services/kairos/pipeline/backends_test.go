package pipeline_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/event/schematest"
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
		t.Run("the API says where a message stands, and which moments are good", func(t *testing.T) {
			t.Parallel()
			theAPI(w.Tell(t, "reader"))
		})
	})
}

// theAPI asks ingest, which asks the console and timing as it does when each is a process of its own.
func theAPI(s *pipeline.Story) {
	schemas := schematest.Load(s)
	s.Say(s.Phone("phone"), s.Message("m", later(s)))
	s.Stands("m", event.OutcomeHeld)
	for path, answer := range map[string]string{
		"/v1/messages/m?user_id=" + s.User:    "MessageView",
		"/v1/users/" + s.User + "/moments":    "Moments",
		"/v1/messages/none?user_id=" + s.User: "",
		"/v1/users/a-stranger/moments":        "",
	} {
		status, body := s.Get(path)
		if answer == "" {
			require.Equal(s, http.StatusNotFound, status, "%s: %s", path, body)
			answer = "Problem"
		} else {
			require.Equal(s, http.StatusOK, status, "%s: %s", path, body)
		}
		require.NoError(s, schemas.ValidateAnswer(answer, body), "%s: %s", path, body)
	}
}
