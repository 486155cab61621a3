package fold

import (
	"flag"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kairos-push/kairos/pkg/raced"
)

// TestModel runs the shell under random schedules: owners crash, freeze and wake as zombies between any two of their
// steps, answers get lost, inputs come twice, everybody is looked at, Redis is emptied or goes back in time. At the end
// every item that was held has one decision, every input is in its user's state once and in order, and nothing is held for
// ever.
func TestModel(t *testing.T) {
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		require.NoError(t, checks.Value.Set(strconv.Itoa(raced.Size(100, 12))))
	}
	rapid.Check(t, func(rt *rapid.T) {
		schedule := rapid.SliceOfN(rapid.Uint32(), 300, 1000).Draw(rt, "schedule")
		if err := simulate(t, schedule); err != nil {
			rt.Fatalf("%v", err)
		}
	})
}

// simulate runs one schedule.
func simulate(t *testing.T, schedule []uint32) (err error) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.redis.Close()
		defer func() { _ = w.plain.Close() }()
		defer w.killAll()
		users := usersIn(thePartition, thePartitions, 4)
		items := 0
		w.begin()
		for _, choice := range schedule {
			synctest.Wait()
			w.follow(users, &items, int(choice%1000), int(choice/1000))
		}
		if err = w.settle(); err != nil {
			return
		}
		// Whatever Redis held comes back from Kafka.
		w.kill(w.newest)
		w.lose(false)
		w.begin()
		if err = w.settle(); err != nil {
			err = fmt.Errorf("after the last rebuild: %w", err)
		}
	})
	return err
}

// settle lets the newest process finish in peace, and checks.
func (w *world) settle() error {
	for _, a := range w.living() {
		if a != w.newest {
			w.kill(a)
		}
	}
	if w.newest.dead {
		w.begin()
	}
	w.run(2 * time.Minute)
	select {
	case <-w.newest.done:
		return fmt.Errorf("the last process ended: %w", w.newest.err)
	default:
	}
	return w.check()
}

// follow carries out one choice of the schedule.
func (w *world) follow(users []string, items *int, kind, arg int) {
	w.reap()
	switch {
	case kind < 60: // an item to hold, now or later
		*items++
		due := time.Now().Add(time.Duration(arg%40) * 250 * time.Millisecond).UnixMilli()
		w.produce(users[*items%len(users)], order{Item: fmt.Sprint("i", *items), Due: due})
	case kind < 80: // a cancel of a late item, or of the next one before it comes
		item := max(1, *items+1-arg%4)
		w.produce(users[item%len(users)], order{Item: fmt.Sprint("i", item), Cancel: true})
	case kind < 90:
		w.repeat(1 + arg%6)
	case kind < 140:
		time.Sleep(time.Duration(1+arg%50) * 50 * time.Millisecond)
	case kind < 145: // the newest process dies, another begins
		if !w.newest.dead {
			w.kill(w.newest)
		}
		w.begin()
	case kind < 151: // the newest process freezes, another begins
		if w.alone {
			w.kill(w.newest)
		}
		w.begin()
		if living := w.living(); len(living) > 3 {
			w.kill(living[0])
		}
	case kind < 157:
		w.save()
	case kind < 160:
		w.compact()
	case kind < 163:
		w.lose(arg%2 == 0)
	case kind < 166:
		w.wakeAll()
	default:
		w.advance(arg)
	}
}

// advance lets one process do some steps; the answer of the last one may get lost.
func (w *world) advance(arg int) {
	calls := w.able()
	if len(calls) == 0 {
		time.Sleep(50 * time.Millisecond)
		return
	}
	a := calls[arg%len(calls)].a
	for range arg % 7 {
		w.step(a, carryOut)
	}
	if arg%11 == 0 {
		w.step(a, loseReply)
		return
	}
	w.step(a, carryOut)
}

// step lets a process do one step; false if it has none to do.
func (w *world) step(a *agent, m mode) bool {
	for _, c := range w.able() {
		if c.a == a {
			w.let(c, m)
			synctest.Wait()
			return true
		}
	}
	return false
}

// reap replaces a newest process that has ended by itself, as a supervisor would.
func (w *world) reap() {
	for _, a := range w.living() {
		select {
		case <-a.done:
			a.dead = true
			if a == w.newest {
				w.begin()
			}
		default:
		}
	}
}
