package fold

import "time"

// Local runs a stage in memory, for replay and simulation: the same pure step and wake-ups as the shell, with no
// Kafka, no Redis, no goroutine and no clock. What it returns is a function of the calls alone: equal due times are
// in the order of the keys. It is not safe for concurrent use.
type Local[S, I any] struct {
	stage  Stage[S, I]
	states map[string]S
	due    *dues
}

// NewLocal is a Local without users.
func NewLocal[S, I any](stage Stage[S, I]) *Local[S, I] {
	return &Local[S, I]{stage: stage, states: map[string]S{}, due: newDues()}
}

// Restage goes on with another stage of the same kind of state.
func (l *Local[S, I]) Restage(stage Stage[S, I]) { l.stage = stage }

// Apply folds one input of the user key into its state.
func (l *Local[S, I]) Apply(key string, in I, now time.Time) []Effect {
	s, effects := l.stage.Step(l.State(key), in, now)
	l.keep(key, s, now, false)
	return effects
}

// NextDue is the earliest wake-up; ok is false when there is none.
func (l *Local[S, I]) NextDue() (key string, at time.Time, ok bool) {
	item, ok := l.due.next()
	if !ok {
		return "", time.Time{}, false
	}
	return item.key, time.UnixMilli(item.ms).UTC(), true
}

// WakeAt wakes the user key. A wake-up that leaves its own time in place comes again one millisecond later, as in the
// shell, so that a loop over NextDue always ends.
func (l *Local[S, I]) WakeAt(key string, now time.Time) []Effect {
	s, effects := l.stage.Wake(l.State(key), now)
	l.keep(key, s, now, true)
	return effects
}

// State is the user's state, that of a new user if it was never seen. It belongs to the Local: look, do not change.
func (l *Local[S, I]) State(key string) S {
	if s, ok := l.states[key]; ok {
		return s
	}
	return l.stage.New(key)
}

func (l *Local[S, I]) keep(key string, s S, now time.Time, woken bool) {
	l.states[key] = s
	l.due.set(key, dueOf(l.stage.Due, s, now, woken))
}

// dueOf is when a state wants to be woken, in milliseconds; 0 is never. woken says that Wake has just run at now.
func dueOf[S any](due func(S) time.Time, s S, now time.Time, woken bool) int64 {
	if due == nil {
		return 0
	}
	ms := millis(due(s))
	if ms != 0 && woken {
		ms = max(ms, now.UnixMilli()+1)
	}
	return ms
}
