package apns

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTheTokenIsRenewed between the 20 minutes before which Apple refuses a new one and the 60 after which it refuses the
// old one; and earlier, but not before 20 minutes, when APNs calls it expired.
func TestTheTokenIsRenewed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		der, err := x509.MarshalPKCS8PrivateKey(key)
		require.NoError(t, err)
		s, err := New(Credentials{
			Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), KeyID: "K", TeamID: "T", Topic: "com.example.app",
		}, Options{})
		require.NoError(t, err)
		t.Cleanup(s.Close)
		bearer := func() string {
			b, err := s.bearer(time.Now())
			require.NoError(t, err)
			return b
		}
		changes := []time.Duration{}
		begun, last, since := time.Now(), bearer(), time.Now()
		for time.Since(begun) < 24*time.Hour {
			time.Sleep(time.Minute)
			if b := bearer(); b != last {
				changes = append(changes, time.Since(since))
				last, since = b, time.Now()
			}
		}
		require.Len(t, changes, 32)
		for _, d := range changes {
			require.Greater(t, d, 20*time.Minute)
			require.Less(t, d, 50*time.Minute)
		}

		time.Sleep(46*time.Minute - time.Since(since)) // a new one
		last = bearer()
		time.Sleep(19 * time.Minute)
		s.renew(time.Now())
		require.Equal(t, last, bearer(), "another one would be refused")
		time.Sleep(2 * time.Minute)
		s.renew(time.Now())
		require.NotEqual(t, last, bearer())
	})
}
