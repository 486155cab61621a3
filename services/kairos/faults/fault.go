package main

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/services/kairos/faults/load"
	"github.com/kairos-push/kairos/services/kairos/faults/rig"
	"github.com/kairos-push/kairos/services/kairos/faults/verify"
)

// Fault is a row of the table.
type Fault struct {
	Name  string
	Quick bool // in the bounded subset
	Nodes int  // of Kafka; 0 is 1
	Gate  verify.Gate
	// Control says that a guard is off, and tells whether what the guard prevents is seen.
	Control func(*verify.Report) bool
	// Quiet is how long the suite looks on when everything has ended, for what comes twice; 0 is 3 s.
	Quiet   time.Duration
	Env     map[string]string
	Masters int      // of a Redis Cluster; 0 is a single Redis
	Beside  []string // processes beside the four: a second one, as "timing-2", or learn or console
	// TmpFS is the size of a tmpfs that Redis keeps its file on; 0 is the disk.
	TmpFS string
	// Megabytes is what no process may have resident at any time; 0 is not judged.
	Megabytes float64
	Load      func(*load.Config)
	// Inject begins the fault some seconds into the load, and ends it. It returns the time from which recovery counts: when
	// a fault that strikes struck, or when one that lasts was over.
	Inject func(*run) (time.Time, error)
}

// run is one seed of one fault.
type run struct {
	context.Context //nolint:containedctx // a run is a call
	*rig.Rig
	load  *load.Load
	rnd   *rand.Rand
	clock clock.Clock
}

// pause waits about d.
func (r *run) pause(d time.Duration) {
	_ = r.clock.Sleep(r, d*3/4+time.Duration(r.rnd.Int64N(int64(d)/2)))
}

// recovery is what a single fault may take.
const recovery = 30 * time.Second

// late is how long it takes until what was in doubt is tried again (15 s, as dispatch has it), or a release without an
// answer is said again (10 s, by the policy below).
const late = 20 * time.Second

var strict, destroys = verify.Gate{Recovery: recovery}, verify.Gate{Recovery: recovery, Destroyed: true}

// policy of all runs: what depends on chance, and what would hold one message for the sake of another, is off. Timing is as
// impatient with dispatch as it may be.
const policy = `name: faults
minimum_gap: 0s
answer_timeout: 10s
defaults:
  exploration: {immediate: 0, uniform: 0, control: 0}
`
