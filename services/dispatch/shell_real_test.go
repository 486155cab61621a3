//go:build real

package dispatch_test

import "github.com/kairos-push/kairos/pkg/pipetest"

func init() { backends = []pipetest.Backend{pipetest.Real, pipetest.RealCluster} }
