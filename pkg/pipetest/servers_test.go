package pipetest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

func TestMain(m *testing.M) { pipetest.Main(m) }

// serve shows that both servers of a backend answer.
func serve(t *testing.T, b pipetest.Backend) {
	t.Helper()
	s := pipetest.Start(t, b)
	c, db := s.Stream(t), s.Store(t)
	ctx := pipetest.Within(t, time.Minute)
	require.NoError(t, c.Apply(ctx, []topic.Topic{topic.Facts}, 2, 1))
	require.NoError(t, c.Publish(ctx, []stream.Record{{Topic: topic.Facts.Name, Key: []byte("k"), Value: []byte("v")}}))
	require.NoError(t, db.Set(ctx, "{a}x", "1", time.Hour).Err())
	time.Sleep(time.Millisecond)
	require.Less(t, db.TTL(ctx, "{a}x").Val(), time.Hour+1)
}

func TestEmbedded(t *testing.T) { serve(t, pipetest.Embedded) }

func TestVirtual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { serve(t, pipetest.Virtual) })
}
