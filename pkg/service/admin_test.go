package service_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/service"
)

func get(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w
}

func TestAdmin(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "kairos_test_total"})
	reg.MustRegister(c)
	a := service.NewAdmin(reg)
	var down error
	a.Check("redis", func(context.Context) error { return down })

	require.Equal(t, http.StatusOK, get(t, a, "/livez").Code)
	require.Equal(t, http.StatusOK, get(t, a, "/readyz").Code)
	require.Contains(t, get(t, a, "/metrics").Body.String(), "kairos_test_total 0")

	down = errors.New("refused")
	w := get(t, a, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Equal(t, "redis: refused\n", w.Body.String())
	require.Equal(t, http.StatusOK, get(t, a, "/livez").Code, "alive all the same")
}

func TestServeLetsRequestsFinish(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	entered, leave := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- service.Serve(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(entered)
			<-leave
			w.WriteHeader(http.StatusAccepted)
		}))
	}()
	answered := make(chan int, 1)
	go func() {
		req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+l.Addr().String(), nil)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			answered <- 0
			return
		}
		_ = resp.Body.Close()
		answered <- resp.StatusCode
	}()
	<-entered
	cancel()
	close(leave)
	require.Equal(t, http.StatusAccepted, <-answered)
	require.NoError(t, <-served)
}

func TestProbeAsksReadiness(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	a := service.NewAdmin(prometheus.NewRegistry())
	var down error
	a.Check("redis", func(context.Context) error { return down })
	go func() { _ = service.Serve(t.Context(), l, a) }()

	args := []string{"--probe", "--admin-addr=" + l.Addr().String()}
	require.Zero(t, program(nil).Run(t.Context(), args, io.Discard, io.Discard))
	down = errors.New("refused")
	var why strings.Builder
	require.Equal(t, 1, program(nil).Run(t.Context(), args, io.Discard, &why))
	require.Contains(t, why.String(), "not ready: redis: refused")
}
