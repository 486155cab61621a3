package profile

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"
)

// Lags are how late the last records of a phone came, by its own clock: where most of them come equally late, it is the clock
// that is behind, and not the network. (What a clock that is ahead says is bent to when it was received, which is the same.)
type Lags struct {
	last [lags]int16 // seconds
	next uint8       // where the oldest is
	n    uint8
}

const (
	lags = 16
	// alike is how far lags may differ for a clock to be their reason, in seconds.
	alike = 15
	// A clock that is less behind is not worth a correction, and more is no clock's error: that phone tells in batches.
	leastBehind, mostBehind = 15, 15 * 60
)

// Heard takes in how late a record came.
func (l *Lags) Heard(lag time.Duration) {
	const most = 1<<15 - 1
	l.last[l.next] = int16(min(max(lag/time.Second, -most), most))
	l.next = (l.next + 1) % lags
	l.n = min(l.n+1, lags)
}

// Behind is how far the phone's clock is behind: the least of those lags that are alike, if half of the last 16 are. 0 while
// fewer are known.
func (l *Lags) Behind() time.Duration {
	if l.n < lags {
		return 0
	}
	sorted := slices.Sorted(slices.Values(l.last[:]))
	for i := range lags/2 + 1 {
		if least := sorted[i]; int(sorted[i+lags/2-1])-int(least) <= alike {
			if least < leastBehind || least > mostBehind {
				return 0
			}
			return time.Duration(least) * time.Second
		}
	}
	return 0
}

// IsZero says that nothing was heard.
func (l Lags) IsZero() bool { return l.n == 0 }

const packedLags = 2*lags + 2

// MarshalBinary packs the lags.
func (l Lags) MarshalBinary() ([]byte, error) {
	out := make([]byte, 0, packedLags)
	for _, s := range l.last {
		out = binary.BigEndian.AppendUint16(out, uint16(s))
	}
	return append(out, l.next, l.n), nil
}

// UnmarshalBinary reads what MarshalBinary wrote.
func (l *Lags) UnmarshalBinary(data []byte) error {
	if len(data) != packedLags || data[2*lags] >= lags || data[2*lags+1] > lags {
		return errors.New("lags: want 34 bytes, of which the last two count up to 16")
	}
	for i := range l.last {
		l.last[i] = int16(binary.BigEndian.Uint16(data[2*i:]))
	}
	l.next, l.n = data[2*lags], data[2*lags+1]
	return nil
}
