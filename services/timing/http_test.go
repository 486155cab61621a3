package timing_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/event/schematest"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/services/timing"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// What ingest asks: the moments of a person whose profile enrich has stored.
func TestMomentsOverHTTP(t *testing.T) {
	t.Parallel()
	servers := pipetest.Start(t, pipetest.Embedded)
	store := servers.Store(t)
	svc, err := timing.New(timing.Config{Policy: policy.Default()}, service.Deps{
		Kafka: servers.Stream(t), Redis: store, Log: zerolog.Nop(), Metrics: prometheus.NewRegistry(),
	})
	require.NoError(t, err)
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		svc.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w
	}
	require.Equal(t, http.StatusServiceUnavailable, get("/moments?app_id=demo&user_id=ada").Code, "enrich has not been there")

	key := event.Key("demo", "ada")
	packed, err := profile.Encode(&profile.Profile{TimeZone: "Europe/Berlin", Devices: []profile.Device{phone("phone")}})
	require.NoError(t, err)
	blob, err := (&state.Blob{Life: 7, State: packed}).Encode()
	require.NoError(t, err)
	require.NoError(t, store.Set(t.Context(), state.UserKey("enrich", key), blob, 0).Err())
	for _, k := range []string{key, event.Key("demo", "bo")} {
		require.NoError(t, store.HSet(t.Context(), state.FenceKey("enrich", state.Bucket(k)), "life", 7).Err())
	}
	w := get("/moments?app_id=demo&user_id=ada")
	require.Equal(t, http.StatusOK, w.Code)
	require.NoError(t, schematest.Load(t).ValidateAnswer("Moments", w.Body.Bytes()))
	var c timing.Curve
	require.NoError(t, event.Decode(w.Body.Bytes(), &c))
	require.Equal(t, "Europe/Berlin", c.TimeZone)
	require.NotEmpty(t, c.Day)
	require.Positive(t, c.Day[0].Score)

	require.Equal(t, http.StatusNotFound, get("/moments?app_id=demo&user_id=bo").Code)
	require.Equal(t, http.StatusNotFound, get("/other").Code)
	require.NoError(t, store.Set(t.Context(), state.UserKey("enrich", key), blob[:30], 0).Err())
	require.Equal(t, http.StatusServiceUnavailable, get("/moments?app_id=demo&user_id=ada").Code)
}
