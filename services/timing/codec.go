package timing

import (
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// Holds are packed as CBOR, core deterministic, with integer keys. Times keep their nanoseconds: a plan must read the same
// after a restart.
var (
	packing = must(func() (cbor.EncMode, error) {
		o := cbor.CoreDetEncOptions()
		o.Time = cbor.TimeRFC3339NanoUTC
		return o.EncMode()
	}())
	unpacking = must(cbor.DecOptions{
		DupMapKey:       cbor.DupMapKeyEnforcedAPF,
		UTF8:            cbor.UTF8RejectInvalid,
		MaxNestedLevels: 12,
		IndefLength:     cbor.IndefLengthForbidden,
	}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil { // constant options: a mistake in this file
		panic(err)
	}
	return v
}

// EncodeHolds packs the state of a person; nil when there is nothing to keep.
func EncodeHolds(h *Holds) ([]byte, error) {
	if h.IsEmpty() {
		return nil, nil
	}
	return packing.Marshal(h)
}

// DecodeHolds unpacks what EncodeHolds wrote.
func DecodeHolds(data []byte) (*Holds, error) {
	h := &Holds{}
	if err := unpacking.Unmarshal(data, h); err != nil {
		return nil, fmt.Errorf("holds: %w", err)
	}
	if len(h.Moments.Bins) != 0 && len(h.Moments.Bins) != momentBytes {
		return nil, fmt.Errorf("holds: moments: want %d bytes, got %d", momentBytes, len(h.Moments.Bins))
	}
	return h, nil
}
