package verify

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// Operations of an Entry.
const (
	OpMessage = "message" // also a revision
	OpCancel  = "cancel"
)

// Entry is a line of the acknowledged log: a client writes it when its record has been acknowledged, and syncs it to
// disk before it goes on.
type Entry struct {
	Op       string    `json:"op"`
	Begun    time.Time `json:"begun"` // when it was first tried
	At       time.Time `json:"at"`    // of the acknowledgement
	Message  string    `json:"message"`
	Revision int       `json:"revision"`
	// Due is when the push is to leave: the acknowledgement for one that is to go now, send_at, or the deadline.
	Due time.Time `json:"due"`
	// Exact says that Due is the moment itself and not the latest one.
	Exact bool `json:"exact"`
	// Resend says that the message may come twice rather than not at all.
	Resend bool `json:"resend"`
}

// Push is a line of the gateways' log: a push that a provider took.
type Push struct {
	At       time.Time `json:"at"`
	ID       string    `json:"id"`
	Message  string    `json:"message_id"`
	Device   string    `json:"device_id"`
	Revision int       `json:"-"`
	Payload  struct {
		Data map[string]any `json:"data"`
	} `json:"payload"`
}

// Row is what the verifier reads of an outcome.
type Row struct {
	ID       string `json:"outcome_id"`
	Message  string `json:"message_id"`
	Revision int    `json:"revision"`
	Device   string `json:"device_id"`
	Type     string `json:"type"`
	Reason   string `json:"reason"`
	Attempt  int    `json:"attempt"`
	// Appended is when the broker put the row into the log, by its own clock.
	Appended time.Time `json:"-"`
}

// ReadLog reads a file of JSON lines. A last line without its end was never acknowledged, and is left out.
func ReadLog[T any](path string) ([]T, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out []T
	lines := bufio.NewScanner(bytes.NewReader(data[:bytes.LastIndexByte(data, '\n')+1]))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v T
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, len(out)+1, err)
		}
		out = append(out, v)
	}
	return out, lines.Err()
}

// ReadPushes reads the gateways' log. The workload says the revision in the message's data, under "rev".
func ReadPushes(path string) ([]Push, error) {
	out, err := ReadLog[Push](path)
	for i := range out {
		if _, err := fmt.Sscan(fmt.Sprint(out[i].Payload.Data["rev"]), &out[i].Revision); err != nil {
			return nil, fmt.Errorf("%s: push %d of message %q says no revision: %w", path, i+1, out[i].Message, err)
		}
	}
	return out, err
}
