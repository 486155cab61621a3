package pipeline_test

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/services/kairos/pipeline"
)

var _ = time.Second

// stories are told on every backend. None needs a moment that is further away than a few seconds.
var stories = []struct {
	name string
	tell func(*pipeline.Story)
}{
	{"now", func(s *pipeline.Story) {
		s.Say(s.Phone("phone"), s.Message("m"))
		s.Expect("m", "accepted", "released now", "sent").Stands("m", "sent")
		require.Len(s, s.Pushes("m"), 1)
		require.Equal(s, s.Address("phone"), s.Pushes("m")[0].Address)
	}},
}
