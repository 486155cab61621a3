package fold

import (
	"fmt"
	"time"

	"github.com/kairos-push/kairos/pkg/topic"
)

// Effect is a record that a step wants published, under the user's key.
type Effect struct {
	Topic topic.Topic
	// ID is deterministic: the same effect re-done has the same ID.
	ID string
	// Type is the CloudEvents type, for example "kairos.outcome.accepted".
	Type string
	// Value is encoded with event.Encode.
	Value any
	// Once marks a decision that must be made once and not merely be published idempotently: a release, a terminal
	// outcome. It is stored with the state before it is published (an outbox), so an owner whose store is refused
	// never publishes it. Other effects are published before the store, as re-doing them yields the same rows.
	Once bool
}

// Stage is a fold: a pure step over the state S of one user and inputs I, and how both are encoded.
type Stage[S, I any] struct {
	Name  string // "enrich", "timing": consumer group, Redis keys, metrics
	Input topic.Topic
	// Source is the topic whose offsets tell duplicates among the inputs. The zero Topic means Input itself; otherwise
	// every input says in its kairos-cause header which record of Source it came of, and one of Source leads to at most
	// one of Input. timing reads enriched and its Source is facts.
	Source  topic.Topic
	Journal topic.Topic
	// Acts is the output topic that others act on, if their rows must not be in a log before those that the stage says with
	// it: it is published last.
	Acts topic.Topic
	// Echo are the output topics whose records tell, after Redis was lost, what had been decided already.
	Echo []topic.Topic

	// New is the state of a user never seen.
	New func(key string) S
	// Decode reads an input. An error is permanent: the record goes to the DLQ.
	Decode func(value []byte) (I, error)
	// EncodeState packs a state; nil bytes mean that nothing needs to be kept.
	EncodeState func(S) ([]byte, error)
	DecodeState func([]byte) (S, error)

	// Step folds one input into the state. The state passed in is owned by the step: it may be changed and returned.
	Step func(state S, in I, now time.Time) (S, []Effect)
	// Wake does what became due; nil if the stage has no wake-ups.
	Wake func(state S, now time.Time) (S, []Effect)
	// Due is when Wake wants to be called next; the zero time means never.
	Due func(S) time.Time
	// Reconcile takes in one of the stage's own published records (from Echo) during a rebuild.
	Reconcile func(state S, from topic.Topic, value []byte) S
}

// source is the topic whose offsets tell duplicates among the inputs.
func (s *Stage[S, I]) source() topic.Topic {
	if s.Source.Name != "" {
		return s.Source
	}
	return s.Input
}

func (s *Stage[S, I]) validate() error {
	for name, missing := range map[string]bool{
		"Name": s.Name == "", "Input": s.Input.Name == "", "Journal": s.Journal.Name == "",
		"New": s.New == nil, "Decode": s.Decode == nil, "EncodeState": s.EncodeState == nil, "DecodeState": s.DecodeState == nil,
		"Step": s.Step == nil, "Due": (s.Due == nil) != (s.Wake == nil), "Reconcile": (s.Reconcile == nil) != (len(s.Echo) == 0),
	} {
		if missing {
			return fmt.Errorf("fold: stage %q: %s is missing", s.Name, name)
		}
	}
	return nil
}
