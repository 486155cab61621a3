package profile

import (
	"encoding/binary"
	"time"

	"github.com/cespare/xxhash/v2"
)

// Recent is a bounded memory of record ids, 8 bytes each, oldest first: 48 bits of the id's hash and the hour in which
// it was seen. With 256 ids the chance that a new record is taken for an old one is 10⁻¹².
type Recent []byte

// Seen remembers an id of a kind ("event", "signal", …) and says whether it was there already. Ids older than the window
// are forgotten.
func (r *Recent) Seen(kind, id string, now time.Time) bool {
	hour := uint16(unixHour(now))
	key := fingerprint(kind, id)
	for i := len(*r) - 8; i >= 0; i -= 8 {
		e := binary.LittleEndian.Uint64((*r)[i:])
		if e>>16 == key && fresh(e, hour) {
			return true
		}
	}
	old := *r
	for len(old) >= 8*MaxRecent || len(old) > 0 && !fresh(binary.LittleEndian.Uint64(old), hour) {
		old = old[8:]
	}
	*r = binary.LittleEndian.AppendUint64(old, key<<16|uint64(hour))
	return false
}

// fresh says whether entry e is still within the window at hour. Hours that lie ahead, from a clock that went back, are.
func fresh(e uint64, hour uint16) bool {
	age := int16(hour - uint16(e))
	return age < recentHours
}

func fingerprint(kind, id string) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.WriteString(kind)
	_, _ = d.WriteString("|")
	_, _ = d.WriteString(id)
	return d.Sum64() >> 16
}

// AddressHash stands for a push address where the address itself must not be kept.
func AddressHash(address string) uint64 { return xxhash.Sum64String(address) }
