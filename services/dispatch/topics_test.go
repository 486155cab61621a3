package dispatch_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/services/dispatch"
	"github.com/kairos-push/kairos/services/dispatch/apns"
	"github.com/kairos-push/kairos/services/dispatch/push"
	"github.com/kairos-push/kairos/services/dispatch/sandbox"
)

// TestACertificateIsEnough: no token; the certificate says whose topic it is, and one of another authority is refused.
func TestACertificateIsEnough(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	send := func(cred apns.Credentials, cert []byte) push.Verdict {
		cred.Key, cred.KeyID, cred.TeamID, cred.Certificate = nil, "", "", cert
		s, err := apns.New(cred, apns.Options{})
		require.NoError(t, err)
		t.Cleanup(s.Close)
		p, _ := b.push(t, sandbox.APNs)
		return s.Send(t.Context(), p, time.Now())
	}
	require.Equal(t, push.Sent, send(b.APNsCredentials(), b.APNsCertificate).Class)

	v := send(b.APNsCredentials(), newBench(t).APNsCertificate)
	require.Equal(t, push.Config, v.Class)
	require.Equal(t, "BadCertificate", v.Reason)
	v = send(b.OtherAPNsCredentials(), b.APNsCertificate)
	require.Equal(t, push.Config, v.Class)
	require.Equal(t, "TopicDisallowed", v.Reason)

	_, err := apns.New(apns.Credentials{Topic: sandbox.Topic, Certificate: []byte("no PEM")}, apns.Options{})
	require.ErrorContains(t, err, "apns: certificate")
}

// TestTopicsAndTeams: an app with two teams' credentials. The device's word decides, then the message's, then the
// first credentials; a topic that there are none for ends with a reason that says so.
func TestTopicsAndTeams(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipetest.Embedded)
	app := r.app()
	app.OtherAPNs = []apns.Credentials{r.b.OtherAPNsCredentials()}
	r.cfg.Apps = dispatch.Fixed(map[string]dispatch.App{"demo": app})
	override := func(headers string) func(*event.Release) {
		return func(rel *event.Release) { rel.Message.APNs = event.Object(`{"headers":{` + headers + `}}`) }
	}
	of := func(topic string) func(*event.Release) {
		return func(rel *event.Release) { rel.Targets[0].Address = topic + "/" + rel.Targets[0].Address }
	}
	want := map[*event.Release]string{
		r.release(sandbox.APNs, nil):                                                  sandbox.Topic,
		r.release(sandbox.APNs, of(sandbox.Topic)):                                    sandbox.Topic,
		r.release(sandbox.APNs, of(sandbox.OtherTopic)):                               sandbox.OtherTopic,
		r.release(sandbox.APNs, override(`"apns-topic":"`+sandbox.OtherTopic+`"`)):    sandbox.OtherTopic,
		r.release(sandbox.APNs, of("com.example.nobody")):                             "",
		r.release(sandbox.APNs, override(`"apns-topic":"com.example.nobody"`)):        "",
		r.release(sandbox.APNs, override(`"apns-topic":"`+sandbox.Topic+`.no-type"`)): "",
		r.release(sandbox.APNs, override(
			`"apns-push-type":"voip","apns-topic":"`+sandbox.OtherTopic+`.voip"`)): sandbox.OtherTopic + ".voip",
	}
	r.start()
	for rel := range want {
		r.publish(rel)
	}
	r.until("finals", func() bool { return len(r.finals()) == len(want) })
	got := map[string]string{}
	for _, a := range r.b.Arrivals() {
		got[a.MessageID] = a.Headers["apns-topic"]
	}
	for rel, topic := range want {
		id := rel.Message.MessageID
		require.Equal(t, topic, got[id])
		if topic == "" {
			require.Equal(t, event.ResultFailed, r.finals()[id].Status)
			require.Contains(t, r.finals()[id].Reason, apns.ReasonUnknownTopic)
			require.Empty(t, r.finals()[id].PruneAddress, "the token may be good")
		}
	}
}

// TestATopicOfTheMessageKillsNoToken: a device's token is for its own topic, not for the one that a message chose.
func TestATopicOfTheMessageKillsNoToken(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for want, over := range map[push.Class]string{push.Prune: "", push.Drop: `{"headers":{"apns-topic":"` + sandbox.Topic + `"}}`} {
		p, address := b.push(t, sandbox.APNs)
		p.Message.APNs = event.Object(over)
		b.Add(sandbox.Rule{Gateway: sandbox.APNs, Address: address, Status: 400, Reason: "DeviceTokenNotForTopic"})
		require.Equal(t, want, b.send(t, sandbox.APNs, p).Class)
	}
}

func TestAnAppsFileWithTwoTeams(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cert.pem"), []byte("pem"), 0o600))
	path := filepath.Join(dir, "apps.yaml")
	require.NoError(t, os.WriteFile(path, []byte(`apps:
  - app_id: a
    providers:
      apns: {key: k1, key_id: K1, team_id: T1, topic: com.example.one}
      other_apns:
        - {key: k2, key_id: K2, team_id: T2, topic: com.example.two}
        - {certificate_file: cert.pem, topic: com.example.three}
`), 0o600))
	apps, err := dispatch.FromFile(path)()
	require.NoError(t, err)
	require.NoError(t, apps["a"].Err)
	require.Equal(t, "com.example.one", apps["a"].APNs.Topic)
	require.Equal(t, []apns.Credentials{
		{Key: []byte("k2"), KeyID: "K2", TeamID: "T2", Certificate: []byte{}, Topic: "com.example.two"},
		{Key: []byte{}, Certificate: []byte("pem"), Topic: "com.example.three"},
	}, apps["a"].OtherAPNs)
}
