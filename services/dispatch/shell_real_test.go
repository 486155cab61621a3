//go:build real

package dispatch_test

import (
	"testing"

	"github.com/kairos-push/kairos/pkg/pipetest"
)

func init() { backends = []pipetest.Backend{pipetest.Real, pipetest.RealCluster} }

// TestReal is what goes through every backend; "make test-real" runs what is called so.
func TestReal(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"every release ends once": TestEveryReleaseEndsOnce,
		"lost":                    TestRedisLost,
		"lost with dispatch":      TestRedisAndDispatchLostAtOnce,
		"tail lost":               TestRedisWentBackWhileDispatchWasAway,
		"taken back":              TestWhatIsRetriedCanBeTakenBack,
		"taken back anew":         TestWhatANewOwnerDoesNotKnowCanBeTakenBack,
	} {
		t.Run(name, test)
	}
}
