package stream

import (
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
)

// ErrClosed is the error of a Client that has been closed.
var ErrClosed = errors.New("stream: client is closed")

// ErrStopping is what Fetch returns when Consume was asked to end: the handler commits what it has done and returns.
var ErrStopping = errors.New("stream: consumer is stopping")

// ErrGeneration is the error of a commit that the group refused or that could not reach it: another member may own the
// partition by now. The handler returns it; Consume joins the group again.
var ErrGeneration = errors.New("stream: generation is over")

// Refused are the records of one Publish that Kafka will never take as they are. All other records of that Publish
// have been written.
type Refused []*RecordError

// Error implements error.
func (r Refused) Error() string {
	if len(r) == 1 {
		return r[0].Error()
	}
	return fmt.Sprintf("%d records refused, the first: %v", len(r), r[0])
}

// Unwrap gives access to the single errors.
func (r Refused) Unwrap() []error {
	errs := make([]error, len(r))
	for i, e := range r {
		errs[i] = e
	}
	return errs
}

// RecordError is a record that Kafka will never take as it is.
type RecordError struct {
	Index     int // in the slice given to Publish
	Topic     string
	Partition int
	Size      int // bytes, before compression
	Err       error
}

// Error implements error.
func (e *RecordError) Error() string {
	return fmt.Sprintf("stream: record %d (%d bytes) for %s/%d: %v", e.Index, e.Size, e.Topic, e.Partition, e.Err)
}

// Unwrap gives the cause.
func (e *RecordError) Unwrap() error { return e.Err }

// GapError says that records were asked for that the log no longer (or not yet) has.
type GapError struct {
	Topic     string
	Partition int
	Want      int64 // the offset asked for
	Log       Range // what there is
}

// Error implements error.
func (e *GapError) Error() string {
	return fmt.Sprintf("stream: offset %d of %s/%d is outside its log, which holds [%d, %d)", e.Want, e.Topic, e.Partition, e.Log.Low, e.Log.High)
}

// ErrTooLarge is wrapped by the RecordError of a record beyond MaxMessageBytes, or beyond what the broker takes.
var ErrTooLarge error = kafka.MessageSizeTooLarge

// verdict says what to do about an answer of a broker.
type verdict int

const (
	fine      verdict = iota
	again             // outcome unknown or a passing condition: same request again
	badRecord         // a record of the batch will never be accepted
	forbidden         // nothing of this kind will ever be accepted: configuration
)

func judge(err error) verdict {
	var code kafka.Error
	switch {
	case err == nil:
		return fine
	case errors.Is(err, ErrClosed):
		return forbidden
	case !errors.As(err, &code):
		return again // the network, or an attempt that took too long
	}
	switch code {
	case kafka.MessageSizeTooLarge, kafka.RecordListTooLarge, kafka.InvalidTimestamp, kafka.InvalidRecord:
		return badRecord
	case kafka.InvalidTopic, kafka.TopicAuthorizationFailed, kafka.GroupAuthorizationFailed, kafka.ClusterAuthorizationFailed,
		kafka.SASLAuthenticationFailed, kafka.UnsupportedSASLMechanism, kafka.PolicyViolation, kafka.UnsupportedVersion,
		kafka.InvalidGroupId, kafka.InvalidSessionTimeout, kafka.InconsistentGroupProtocol,
		kafka.InvalidPartitionNumber, kafka.InvalidReplicationFactor, kafka.InvalidConfiguration:
		return forbidden
	default:
		return again
	}
}
