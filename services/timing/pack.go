package timing

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Fatigue and sends are most of what is kept of a person beside messages, so they are packed as one byte string each, little
// endian.

type fatigues []Fatigue

// fatigueBytes of an entry: category 4, pressure 2, at 4, stretch, sends and opens 1 each.
const fatigueBytes = 13

// Units of what is packed: sends weigh at most 32, stretch runs from 1 to 4.
const (
	pressureUnit = 1.0 / 2048
	stretchUnit  = 1.0 / 64
	answerUnit   = 1.0 / 2
)

// units of an amount, as many as there is room for.
func units(v float32, unit, most float64) float64 {
	if !(v > 0) {
		return 0
	}
	return min(math.Round(float64(v)/unit), most)
}

func (f *Fatigue) pack(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, f.Category)
	b = binary.LittleEndian.AppendUint16(b, uint16(units(f.Pressure, pressureUnit, math.MaxUint16)))
	b = binary.LittleEndian.AppendUint32(b, uint32(f.At))
	return append(b, byte(units(f.Stretch-1, stretchUnit, math.MaxUint8)),
		byte(units(f.Sends, answerUnit, math.MaxUint8)), byte(units(f.Opens, answerUnit, math.MaxUint8)))
}

func unpackFatigue(b []byte) Fatigue {
	return Fatigue{
		Category: binary.LittleEndian.Uint32(b),
		Pressure: float32(binary.LittleEndian.Uint16(b[4:])) * pressureUnit,
		At:       int64(binary.LittleEndian.Uint32(b[6:])),
		Stretch:  1 + float32(b[10])*stretchUnit,
		Sends:    float32(b[11]) * answerUnit,
		Opens:    float32(b[12]) * answerUnit,
	}
}

// stored is the entry as it reads after a restart.
func (f *Fatigue) stored() Fatigue { return unpackFatigue(f.pack(make([]byte, 0, fatigueBytes))) }

// IsZero keeps an empty list from being packed.
func (l fatigues) IsZero() bool { return len(l) == 0 }

// MarshalCBOR packs the list.
func (l fatigues) MarshalCBOR() ([]byte, error) {
	b := make([]byte, 0, fatigueBytes*len(l))
	for i := range l {
		b = l[i].pack(b)
	}
	return packing.Marshal(b)
}

// UnmarshalCBOR unpacks the list.
func (l *fatigues) UnmarshalCBOR(data []byte) error {
	b, err := packed(data, fatigueBytes)
	for ; len(b) > 0; b = b[fatigueBytes:] {
		*l = append(*l, unpackFatigue(b))
	}
	return err
}

type sends []Send

// sendBytes of an entry: message 4, category 4, and its time with the flag as the lowest bit 6.
const sendBytes = 14

// IsZero keeps an empty list from being packed.
func (l sends) IsZero() bool { return len(l) == 0 }

// MarshalCBOR packs the list.
func (l sends) MarshalCBOR() ([]byte, error) {
	b := make([]byte, 0, sendBytes*len(l))
	for _, s := range l {
		b = binary.LittleEndian.AppendUint32(b, s.Message)
		b = binary.LittleEndian.AppendUint32(b, s.Category)
		at := uint64(s.At) << 1
		if s.Promotional {
			at |= 1
		}
		b = append(binary.LittleEndian.AppendUint32(b, uint32(at)), byte(at>>32), byte(at>>40))
	}
	return packing.Marshal(b)
}

// UnmarshalCBOR unpacks the list.
func (l *sends) UnmarshalCBOR(data []byte) error {
	b, err := packed(data, sendBytes)
	for ; len(b) > 0; b = b[sendBytes:] {
		at := uint64(binary.LittleEndian.Uint32(b[8:])) | uint64(binary.LittleEndian.Uint16(b[12:]))<<32
		*l = append(*l, Send{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), int64(at >> 1), at&1 == 1})
	}
	return err
}

// packed is a byte string of whole entries.
func packed(data []byte, size int) ([]byte, error) {
	var b []byte
	if err := unpacking.Unmarshal(data, &b); err != nil {
		return nil, err
	}
	if len(b)%size != 0 {
		return nil, fmt.Errorf("want entries of %d bytes, got %d bytes", size, len(b))
	}
	return b, nil
}
