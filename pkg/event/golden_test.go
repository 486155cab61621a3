package event_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/event/schematest"
)

// public records, by the name of their schema.
var public = map[string]func() event.Validator{
	"message": func() event.Validator { return new(event.Message) },
	"cancel":  func() event.Validator { return new(event.Cancel) },
	"event":   func() event.Validator { return new(event.Event) },
	"signal":  func() event.Validator { return new(event.Signal) },
	"receipt": func() event.Validator { return new(event.Receipt) },
	"device":  func() event.Validator { return new(event.Device) },
	"user":    func() event.Validator { return new(event.User) },
}

// internal records, likewise; profile.Enriched is checked where it lives.
var internal = map[string]func() any{
	"outcome":  func() any { return new(event.Outcome) },
	"decision": func() any { return new(event.Decision) },
	"fact":     func() any { return new(event.Fact) },
	"release":  func() any { return new(event.Release) },
}

type golden struct {
	record, name string
	data         []byte
	valid        bool
	field, rule  string // expected of an invalid one
}

// goldens reads schemas/examples: valid-*.json hold a record; invalid-*.json hold the field and rule that it breaks and
// the record, as JSON or, where the text matters, as a string.
func goldens(t testing.TB) []golden {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(schematest.Dir(), "examples", "*", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	out := make([]golden, 0, len(files))
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		g := golden{record: filepath.Base(filepath.Dir(file)), name: strings.TrimSuffix(filepath.Base(file), ".json"), data: data}
		if g.valid = strings.HasPrefix(g.name, "valid-"); !g.valid {
			var bad struct {
				Field  string         `json:"field"`
				Rule   string         `json:"rule"`
				Record jsontext.Value `json:"record"`
				Text   string         `json:"text"`
			}
			require.NoError(t, json.Unmarshal(data, &bad, json.RejectUnknownMembers(true)), file)
			g.field, g.rule, g.data = bad.Field, bad.Rule, bad.Record
			if bad.Text != "" {
				g.data = []byte(bad.Text)
			}
		}
		out = append(out, g)
	}
	return out
}

func TestGoldenExamples(t *testing.T) {
	t.Parallel()
	schemas := schematest.Load(t)
	for _, g := range goldens(t) {
		t.Run(g.record+"/"+g.name, func(t *testing.T) {
			t.Parallel()
			err := schemas.Validate(g.record, g.data)
			if g.valid {
				require.NoError(t, err)
			} else {
				require.Error(t, err, "the schema takes it")
			}
			if decode, ok := internal[g.record]; ok && g.valid {
				v := decode()
				require.NoError(t, event.Decode(g.data, v))
				requireRoundTrip(t, schemas, g.record, g.data, v, decode())
			}
			newRecord, ok := public[g.record]
			if !ok {
				return
			}
			v := newRecord()
			err = event.DecodeStrict(g.data, v)
			if !g.valid {
				faults := event.Faults(err)
				require.Len(t, faults, 1, "%v", err)
				require.Equal(t, g.field, faults[0].Field)
				require.Equal(t, g.rule, faults[0].Rule)
				return
			}
			require.NoError(t, err)
			requireRoundTrip(t, schemas, g.record, g.data, v, newRecord())
		})
	}
}

// requireRoundTrip: what we publish of a record is valid and reads as the same record.
func requireRoundTrip(t *testing.T, schemas *schematest.Set, record string, data []byte, v, again any) {
	t.Helper()
	encoded, err := event.Encode(v)
	require.NoError(t, err)
	require.NoError(t, schemas.Validate(record, encoded), "%s became %s", data, encoded)
	require.NoError(t, event.Decode(encoded, again))
	twice, err := event.Encode(again)
	require.NoError(t, err)
	require.Equal(t, string(encoded), string(twice))
}

// A valid example of the messages topic is told apart by its type.
func TestParseMessages(t *testing.T) {
	t.Parallel()
	for _, g := range goldens(t) {
		if !g.valid || g.record != "message" && g.record != "cancel" {
			continue
		}
		m, c, err := event.ParseMessages(g.data)
		require.NoError(t, err, g.name)
		require.Equal(t, g.record == "message", m != nil, g.name)
		require.Equal(t, g.record == "cancel", c != nil, g.name)
	}
	for text, field := range map[string]string{
		`{"message_id":"m","user_id":"u","type":"message"}`:                  "type",
		`{"message_id":"m","user_id":"u","type":{"is":"cancel"}}`:            "type",
		`{"message_id":"m","user_id":"u","data":{"type":"cancel"},"x":1}`:    "x",
		`{"type":"cancel","user_id":"u","title":"t"}`:                        "title",
		`{"data":{"type":"cancel"},"type":"cancel","user_id":"u"}`:           "data",
		`{"message_id":"m","user_id":"u","cancel_on":["cancel"],"value":""}`: "value",
		`["cancel"]`: "",
	} {
		m, c, err := event.ParseMessages([]byte(text))
		require.Error(t, err, text)
		require.Nil(t, m)
		require.Nil(t, c)
		require.Equal(t, field, event.Faults(err)[0].Field, text)
	}
}
