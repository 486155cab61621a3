package timing

import (
	"time"

	"github.com/kairos-push/kairos/pkg/event"
)

type workspace struct {
	env map[string]any
}

func (ws *workspace) reset(*turn) { ws.env = nil }

func (ws *workspace) environment(t *turn) map[string]any {
	if ws.env == nil {
		ws.env = environment(t.p)
	}
	return ws.env
}

type estimate struct {
	now, wait, pSeen, pOpen, fatigue, delayCost float64
	release                                     bool
	wake                                        time.Time
}

func (e *estimate) worth() float64 { return max(e.now, e.wait) }

func (e *estimate) features() event.Features { return nil }

func (t *turn) estimate(*workspace, *Held, *appraisal) estimate { return estimate{release: true} }

func (t *turn) why(*Held, *appraisal, string) string { return "its moment has come" }

const momentBytes = 128

type Moments struct {
	Bins []byte
}

func (m Moments) IsZero() bool { return len(m.Bins) == 0 }

func (t *turn) observe() {}
