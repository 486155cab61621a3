package dispatch_test

import (
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/services/dispatch"
	"github.com/kairos-push/kairos/services/dispatch/sandbox"
)

// TestAWrongKeyIsReplaced: one app starts with another team's key and one with a file that is no key; the third is not
// held up by them. When the files are right, everything that waited is sent, without a restart.
func TestAWrongKeyIsReplaced(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipetest.Embedded)
	dir := t.TempDir()
	write := func(name string, data []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	section := func(app, key string) string {
		return fmt.Sprintf(`  - app_id: %s
    receipt_secret: secret
    providers:
      apns: {key_file: %s, key_id: %s, team_id: %s, topic: %s, endpoint: "%s", ca_file: ca.pem}
`, app, key, sandbox.KeyID, sandbox.TeamID, sandbox.Topic, r.b.APNsURL)
	}
	write("ca.pem", r.b.CAPEM)
	write("good.p8", r.b.APNsKey)
	write("foreign.p8", newBench(t).APNsKey)
	write("broken.p8", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("no key")}))
	write("apps.yaml", []byte("apps:\n"+section("good", "good.p8")+section("foreign", "foreign.p8")+section("broken", "broken.p8")))
	r.cfg.Apps, r.cfg.ReloadEvery = dispatch.FromFile(filepath.Join(dir, "apps.yaml")), 20*time.Millisecond

	of := func(app string) *event.Release {
		return r.release(sandbox.APNs, func(rel *event.Release) { rel.AppID = app })
	}
	good, foreign, broken := of("good"), of("foreign"), of("broken")
	r.start()
	r.publish(foreign, broken)
	r.publish(good)
	r.until("the good app's push", func() bool { return len(r.finals()) == 1 })
	require.Contains(t, r.finals(), good.Message.MessageID)

	write("foreign.p8", r.b.APNsKey)
	write("broken.p8", r.b.APNsKey)
	r.until("the others", func() bool { return len(r.finals()) == 3 })
	for _, rel := range []*event.Release{foreign, broken} {
		require.Equal(t, event.ResultSent, r.finals()[rel.Message.MessageID].Status)
	}
}

func TestAnAppsFileWithUnknownKeys(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "apps.yaml")
	require.NoError(t, os.WriteFile(path, []byte("apps:\n  - app_id: a\n    providers: {apns: {keyfile: x}}\n"), 0o600))
	apps, err := dispatch.FromFile(path)()
	require.NoError(t, err, "one app's fault is its own")
	require.ErrorContains(t, apps["a"].Err, "keyfile")
}
