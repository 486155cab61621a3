package replay

import (
	"bufio"
	"bytes"
	"errors"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
)

// maxLine is a record of the largest size with "topic" and "at".
const maxLine = event.MaxBytes + 1024

var errTooLong = &event.Invalid{Rule: "must be shorter: a record has at most 65536 bytes"}

// readLine reads up to the end of a line. Of a line that is too long nothing is kept, and the next one is read as usual.
// The line is valid until the next call.
func readLine(r *bufio.Reader) ([]byte, error) {
	raw, err := r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = r.ReadSlice('\n')
		}
		return nil, errTooLong
	case err != nil && len(raw) > 0: // the last line may lack its end
		return raw, nil
	default:
		return bytes.TrimSuffix(raw, []byte{'\n'}), err
	}
}

// rows writes JSON lines. The first error sticks and is said by flush.
type rows struct {
	w   *bufio.Writer
	err error
}

func (r *rows) write(v any) {
	b, err := event.Encode(v)
	if err != nil && r.err == nil {
		r.err = err
	}
	r.raw(b)
}

func (r *rows) raw(line []byte) {
	_, _ = r.w.Write(line) // a bufio.Writer repeats its error at Flush
	_ = r.w.WriteByte('\n')
}

func (r *rows) flush() error { return errors.Join(r.err, r.w.Flush()) }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
