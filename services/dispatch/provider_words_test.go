package dispatch_test

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/services/dispatch"
	"github.com/kairos-push/kairos/services/dispatch/push"
	"github.com/kairos-push/kairos/services/dispatch/sandbox"
)

// TestAProvidersWordsFitIntoRecords: whoever subscribes names the push service. What it says of a push that it took must not
// keep the release from its end, nor those that are told with it.
func TestAProvidersWordsFitIntoRecords(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipetest.Embedded)
	locations := map[string]string{
		"/short":  "https://push.example/1",
		"/binary": "https://push.example/\xff",
		"/long":   "https://push.example/" + strings.Repeat("a", 5000),
		"/huge":   strings.Repeat("a", 1_100_000),
	}
	service := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Location", locations[req.URL.Path])
		w.WriteHeader(http.StatusCreated)
	}))
	service.EnableHTTP2 = true
	service.StartTLS()
	t.Cleanup(service.Close)
	app := r.app()
	app.WebPush.RootCAs = x509.NewCertPool()
	app.WebPush.RootCAs.AddCert(service.Certificate())
	r.cfg.Apps = dispatch.Fixed(map[string]dispatch.App{"demo": app})
	at := func(path string) *event.Release {
		return r.release(sandbox.WebPush, func(rel *event.Release) {
			to := &rel.Targets[0]
			to.Address = strings.Replace(to.Address, ruleAddress(t, sandbox.WebPush, to.Address), service.URL+path, 1)
		})
	}
	said := func(rel *event.Release) string {
		got := r.finals()[rel.Message.MessageID]
		return got.Status + " " + got.ProviderMessageID
	}
	short, binary, long, huge := at("/short"), at("/binary"), at("/long"), at("/huge")
	r.start()
	r.publish(short, binary, long)
	r.until("finals", func() bool { return len(r.finals()) == 3 })
	require.Equal(t, "sent https://push.example/1", said(short))
	require.Equal(t, "sent ", said(binary))
	require.Equal(t, "sent ", said(long))
	r.publish(huge)
	r.until("the last final", func() bool { return len(r.finals()) == 4 })
	require.Equal(t, "unknown ", said(huge), "its answer is not read to the end")
}

func TestAVerdictIsCutToFit(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 1000)
	for _, c := range []struct{ is, want push.Verdict }{
		{push.Verdict{Reason: "Unregistered", ProviderID: "7"}, push.Verdict{Reason: "Unregistered", ProviderID: "7"}},
		{push.Verdict{Reason: "a\xffb", ProviderID: "\xff"}, push.Verdict{Reason: "ab"}},
		{push.Verdict{Reason: "x" + long, ProviderID: long}, push.Verdict{Reason: "x" + long[:498]}},
	} {
		require.Equal(t, c.want, c.is.Fit())
	}
}
