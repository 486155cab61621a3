package fold

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/topic"
)

// The tests here are single schedules of the model, one for each guarantee, so that each is seen to be needed.

// drive lets one process go on, step by step, until ok.
func (w *world) drive(a *agent, ok func() bool) {
	w.t.Helper()
	for range 5000 {
		synctest.Wait()
		if ok() {
			return
		}
		if !w.step(a, carryOut) {
			time.Sleep(10 * time.Millisecond)
		}
	}
	w.t.Fatalf("process %d never came to it", a.id)
}

// at says whether a process waits to do what.
func (w *world) at(a *agent, what string) func() bool {
	return func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, c := range w.waiting {
			if c.a == a && c.what == what {
				return true
			}
		}
		return false
	}
}

func (w *world) committedTo(offset int64) func() bool {
	return func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.committed >= offset
	}
}

const (
	storing  = "redis pipeline of evalsha"
	speaking = "publish releases.v1"
)

func scripted(t *testing.T, script func(w *world, user string)) (err error) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.redis.Close()
		defer func() { _ = w.plain.Close() }()
		defer w.killAll()
		w.begin()
		script(w, usersIn(thePartition, thePartitions, 1)[0])
		err = w.settle()
	})
	return err
}

// zombieRace: a wake-up is decided and not stored when the process freezes; the next owner cancels the item; the zombie
// wakes.
func zombieRace(w *world, user string) {
	zombie := w.newest
	w.produce(user, order{Item: "i", Due: time.Now().Add(commitAfter + time.Second).UnixMilli()})
	w.drive(zombie, w.committedTo(1))
	deciding := func() bool { return w.at(zombie, storing)() || w.at(zombie, speaking)() }
	w.drive(zombie, deciding) // the next write is that of the wake-up
	w.produce(user, order{Item: "i", Cancel: true})
	w.begin()
	w.drive(w.newest, w.committedTo(2))
	w.drive(zombie, func() bool { return !deciding() })
	for range 20 {
		w.step(zombie, carryOut)
	}
}

func TestAZombieDecidesNothing(t *testing.T) {
	require.NoError(t, scripted(t, zombieRace))
}

// silenced: a process dies when a decision is stored and not published.
func silenced(w *world, user string) {
	w.produce(user, order{Item: "i", Due: time.Now().Add(time.Second).UnixMilli()})
	w.drive(w.newest, w.at(w.newest, speaking))
	w.kill(w.newest)
	w.begin()
}

func TestANextOwnerSaysWhatWasDecided(t *testing.T) {
	require.NoError(t, scripted(t, silenced))
}

// What was said is not read again by the next owner: a checkpoint tells how far that is.
func TestACheckpointTellsWhatWasSaid(t *testing.T) {
	require.NoError(t, scripted(t, func(w *world, user string) {
		for _, item := range []string{"i", "j", "k"} {
			w.produce(user, order{Item: item, Due: time.Now().Add(time.Second).UnixMilli()})
		}
		w.run(time.Minute)
		w.mu.Lock()
		defer w.mu.Unlock()
		said := w.logs[topic.Releases.Name]
		require.Len(t, said, 3)
		checkpoints := w.logs[topic.Holds.Name]
		marks, err := decodeMarks(checkpoints[len(checkpoints)-1].Value)
		require.NoError(t, err)
		require.Equal(t, said[2].Offset+1, marks[state.Mark(topic.Releases.Name, thePartition)])
	}))
}

// repeated: enrich publishes an input twice, the second time after the first was applied.
func repeated(w *world, user string) {
	w.produce(user, order{Item: "i", Due: time.Now().Add(time.Second).UnixMilli()})
	w.produce(user, order{Item: "j", Cancel: true})
	w.drive(w.newest, w.committedTo(2))
	w.repeat(2)
}

func TestARepeatedInputChangesNothing(t *testing.T) {
	require.NoError(t, scripted(t, repeated))
}

// lateCancel: a wake-up releases an item; Redis is emptied; a cancel comes that the rebuild must put after the release.
func lateCancel(w *world, user string) {
	a := w.newest
	w.produce(user, order{Item: "i", Due: time.Now().Add(commitAfter + time.Second).UnixMilli()})
	w.drive(a, w.committedTo(1))
	w.rest(1500 * time.Millisecond)
	w.lose(false)
	w.produce(user, order{Item: "i", Cancel: true})
}

func TestARebuildKnowsWhatWasDecided(t *testing.T) {
	require.NoError(t, scripted(t, lateCancel))
}

// wentBack: a wake-up releases an item; Redis goes back to before it while nobody owns the partition; a cancel comes.
func wentBack(w *world, user string) {
	w.produce(user, order{Item: "i", Due: time.Now().Add(commitAfter + 3*time.Second).UnixMilli()})
	w.drive(w.newest, w.committedTo(1))
	w.save()
	w.rest(5 * time.Second)
	w.kill(w.newest)
	w.lose(true)
	w.produce(user, order{Item: "i", Cancel: true})
	w.begin()
}

func TestARedisThatWentBackIsNoticedByTheDecisionsInKafka(t *testing.T) {
	require.NoError(t, scripted(t, wentBack))
}

// handedOver: a process dies between two checkpoints; the next one writes a checkpoint; Redis is emptied.
func handedOver(w *world, user string) {
	w.produce(user, order{Item: "i", Due: time.Now().Add(30 * time.Second).UnixMilli()})
	w.drive(w.newest, w.committedTo(1))
	w.kill(w.newest)
	w.begin()
	w.produce(usersIn(thePartition, thePartitions, 2)[1], order{Item: "j", Due: time.Now().Add(30 * time.Second).UnixMilli()})
	w.rest(10 * time.Second)
	w.lose(false)
}

func TestTheNextOwnerJournalsWhatTheLastOneChanged(t *testing.T) {
	require.NoError(t, scripted(t, handedOver))
}

// oldJournal: a process freezes with a state on its way to the journal; the next owner changes the user and writes its
// checkpoint; then the old state comes to the log.
func oldJournal(w *world, user string) {
	zombie := w.newest
	w.produce(user, order{Item: "i", Due: time.Now().Add(time.Minute).UnixMilli()})
	w.drive(zombie, w.at(zombie, "publish "+topic.Holds.Name))
	w.begin()
	w.produce(user, order{Item: "j", Due: time.Now().Add(time.Minute).UnixMilli()})
	checkpoints := func() (n int) {
		for _, r := range w.slice(topic.Holds.Name, 0, 1000) {
			if string(r.Key) == checkpointKey(thePartition) {
				n++
			}
		}
		return n
	}
	w.drive(w.newest, func() bool { return checkpoints() == 1 })
	w.step(zombie, carryOut)
	w.kill(zombie)
}

func TestARebuildTakesTheNewerOfTwoOwnersRecords(t *testing.T) {
	require.NoError(t, scripted(t, func(w *world, user string) {
		oldJournal(w, user)
		w.lose(false)
	}))
}

func TestACheckpointRepairsTheJournalBeforeCompaction(t *testing.T) {
	require.NoError(t, scripted(t, func(w *world, user string) {
		oldJournal(w, user)
		w.produce(usersIn(thePartition, thePartitions, 2)[1], order{Item: "k", Due: time.Now().Add(time.Minute).UnixMilli()})
		w.rest(2 * compactionLag)
		w.compact()
		w.lose(false)
	}))
}

// TestARecordAmidACheckpointIsRepairedByTheNext: the old state comes to the log after the next owner has looked for such, and
// before the record that ends its checkpoint.
func TestARecordAmidACheckpointIsRepairedByTheNext(t *testing.T) {
	require.NoError(t, scripted(t, func(w *world, user string) {
		zombie := w.newest
		journaling := "publish " + topic.Holds.Name
		w.produce(user, order{Item: "i", Due: time.Now().Add(time.Minute).UnixMilli()})
		w.drive(zombie, w.at(zombie, journaling))
		w.begin()
		w.produce(user, order{Item: "j", Due: time.Now().Add(time.Minute).UnixMilli()})
		w.drive(w.newest, w.at(w.newest, journaling))
		w.step(w.newest, carryOut)
		w.drive(w.newest, w.at(w.newest, journaling)) // it has looked, and ends the checkpoint next
		w.step(zombie, carryOut)
		w.kill(zombie)
		w.rest(time.Second)
		w.produce(usersIn(thePartition, thePartitions, 2)[1], order{Item: "k", Due: time.Now().Add(time.Minute).UnixMilli()})
		w.rest(2 * compactionLag)
		w.compact()
		w.lose(false)
	}))
}

// TestANumberIsNotGivenTwice: three writes of a user are in the journal when Redis loses them, and nothing tells. The next
// owner makes one write of their inputs, and releases an item. Then Redis is emptied, and a cancel comes.
func TestANumberIsNotGivenTwice(t *testing.T) {
	require.NoError(t, scripted(t, func(w *world, user string) {
		w.rest(3 * time.Second)
		w.save()
		lost := w.newest
		due := time.Now().Add(6 * time.Second)
		for _, o := range []order{{Item: "i", Due: due.UnixMilli()}, {Item: "j", Due: due.Add(time.Minute).UnixMilli()}, {Item: "k", Due: due.Add(time.Minute).UnixMilli()}} {
			w.produce(user, o)
			w.drive(lost, func() bool { b := w.states()[user]; return b != nil && b.Held[o.Item] != 0 })
		}
		w.drive(lost, w.at(lost, "publish "+topic.Holds.Name))
		w.step(lost, carryOut)
		w.kill(lost)
		require.Negative(w.t, w.committed)
		w.lose(true)
		w.begin()
		w.drive(w.newest, func() bool { return len(w.slice(topic.Releases.Name, 0, 1)) == 1 })
		w.lose(false)
		w.produce(user, order{Item: "i", Cancel: true})
	}))
}

// rest lets all processes do as they please for a time, and then waits for the schedule again.
func (w *world) rest(d time.Duration) {
	w.run(d)
	w.mu.Lock()
	w.free = false
	w.mu.Unlock()
}
