package state

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// Blob is a user's state with what the shell must know of it.
//
// Packed: a version byte, life, seq and due as 8 bytes each, big-endian (so that a rebuild can copy a blob without
// decoding the rest), then CBOR of the rest.
type Blob struct {
	Life int64 `cbor:"-"` // see Fence; a blob of another life does not exist
	Seq  int64 `cbor:"-"` // number of the write that made it
	Due  int64 `cbor:"-"` // when the user is due, in Unix milliseconds; 0 is never
	// Applied are, per partition of the source topic, the offset before which this user's records are in the state.
	Applied map[int]int64 `cbor:"1,keyasint,omitempty"`
	// Outbox are decisions that were made with this state and perhaps not published yet.
	Outbox []Pending `cbor:"2,keyasint,omitempty"`
	State  []byte    `cbor:"3,keyasint,omitempty"`
	At     int64     `cbor:"4,keyasint,omitempty"` // time of the step that made it, in Unix milliseconds
}

// Pending is a record to publish under the user's key.
type Pending struct {
	Topic       string `cbor:"1,keyasint"` // without prefix
	ID          string `cbor:"2,keyasint"`
	Type        string `cbor:"3,keyasint"`
	Value       []byte `cbor:"4,keyasint"`
	Cause       string `cbor:"5,keyasint,omitempty"` // topic/partition/offset
	Traceparent string `cbor:"6,keyasint,omitempty"`
	TimeMS      int64  `cbor:"7,keyasint"`
}

const (
	blobVersion = 1
	blobHeader  = 25
)

var (
	packMode = must(cbor.CoreDetEncOptions().EncMode())
	readMode = must(cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
		MaxNestedLevels:  8,
		MaxArrayElements: 1 << 16,
		MaxMapPairs:      1 << 16,
	}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // constant options that are wrong, seen by the first test
	}
	return v
}

// Encode packs the blob.
func (b *Blob) Encode() ([]byte, error) {
	body, err := packMode.Marshal(b)
	if err != nil {
		return nil, err
	}
	out := make([]byte, blobHeader, blobHeader+len(body))
	out[0] = blobVersion
	binary.BigEndian.PutUint64(out[1:], uint64(b.Life))
	binary.BigEndian.PutUint64(out[9:], uint64(b.Seq))
	binary.BigEndian.PutUint64(out[17:], uint64(b.Due))
	return append(out, body...), nil
}

// DecodeBlob unpacks a blob. The state keeps no reference to data.
func DecodeBlob(data []byte) (*Blob, error) {
	b, err := DecodeHeader(data)
	if err != nil {
		return nil, err
	}
	if err := readMode.Unmarshal(data[blobHeader:], b); err != nil {
		return nil, fmt.Errorf("blob: %w", err)
	}
	return b, nil
}

// DecodeHeader unpacks life, seq and due of a blob only.
func DecodeHeader(data []byte) (*Blob, error) {
	if len(data) < blobHeader {
		return nil, fmt.Errorf("blob: want at least %d bytes, got %d", blobHeader, len(data))
	}
	if data[0] != blobVersion {
		return nil, fmt.Errorf("blob: version %d is not known: it was written by a newer program", data[0])
	}
	number := func(at int) int64 { return int64(binary.BigEndian.Uint64(data[at:])) }
	b := &Blob{Life: number(1), Seq: number(9), Due: number(17)}
	if b.Life < 0 || b.Seq < 0 || b.Due < 0 {
		return nil, errors.New("blob: negative life, seq or due")
	}
	return b, nil
}

// lifeOf reads the life of a packed blob; -1 if it is none.
func lifeOf(data []byte) int64 {
	if len(data) < blobHeader {
		return -1
	}
	return int64(binary.BigEndian.Uint64(data[1:]))
}

// Relive gives a packed blob another life, in place.
func Relive(data []byte, life int64) {
	binary.BigEndian.PutUint64(data[1:], uint64(life))
}
