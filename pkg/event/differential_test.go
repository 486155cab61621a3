package event_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/event/schematest"
)

// DecodeStrict and the JSON Schemas must come to the same verdict on any text. Three sets of rules are not plain JSON
// Schema, so that another validator, without them, takes more than Kairos does:
//
//	rule                                            where the schema side has it
//	size, UTF-8, lone surrogates, duplicate names,  schematest.Text: rules about the text, while a schema sees values
//	depth
//	lengths in bytes; time order of two members;    keywords x-max-bytes, x-not-after, x-distinct of the schemas
//	start of a window unequal to its end
//	Go durations that overflow; zones that do not   formats go-duration and iana-zone; the patterns beside them are
//	exist                                           plain JSON Schema
//
// The grammar of a precondition is neither's: ingest compiles it.
func sameVerdict(t require.TestingT, schemas *schematest.Set, record string, data []byte) bool {
	err := event.DecodeStrict(data, public[record]())
	schemaErr := schemas.Validate(record, data)
	require.Equal(t, schemaErr == nil, err == nil, "%s %.600q\ncode:   %v\nschema: %v", record, data, err, schemaErr)
	for _, f := range event.Faults(err) {
		require.NotEmpty(t, f.Rule)
		require.LessOrEqual(t, len(f.Value), 200)
		require.LessOrEqual(t, len(f.Field), 200)
		require.True(t, jsontext.Value(quoted(f.Value)).IsValid(), "%q is not valid UTF-8", f.Value)
	}
	return err == nil
}

func quoted(s string) []byte {
	b, _ := jsontext.AppendQuote(nil, s)
	return b
}

// documents judged per draw: a verdict costs microseconds, a draw of rapid's more.
const perDraw = 10

func TestVerdictsOnMutatedRecords(t *testing.T) {
	t.Parallel()
	schemas := schematest.Load(t)
	for record, seeds := range seedsOf(t) {
		t.Run(record, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				for range perDraw {
					doc := slices.Clone(rapid.SampledFrom(seeds).Draw(t, "seed"))
					for range rapid.IntRange(1, 3).Draw(t, "mutations") {
						doc = mutate(t, doc)
					}
					text := render(doc)
					if rapid.IntRange(0, 9).Draw(t, "raw") == 0 {
						text = damage(t, text)
					}
					sameVerdict(t, schemas, record, text)
				}
			})
		})
	}
}

func TestVerdictsOnRandomDocuments(t *testing.T) {
	t.Parallel()
	schemas := schematest.Load(t)
	for record, seeds := range seedsOf(t) {
		t.Run(record, func(t *testing.T) {
			t.Parallel()
			names := []string{"x"}
			for _, doc := range seeds {
				for _, m := range doc {
					names = append(names, m.name)
				}
			}
			rapid.Check(t, func(t *rapid.T) {
				var doc []member
				for range rapid.IntRange(0, 8).Draw(t, "members") {
					doc = append(doc, member{rapid.SampledFrom(names).Draw(t, "name"), anyValue(t)})
				}
				sameVerdict(t, schemas, record, render(doc))
			})
		})
	}
}

// FuzzVerdict hunts for a text on which the two disagree.
func FuzzVerdict(f *testing.F) {
	schemas := schematest.Load(f)
	records := slices.Sorted(maps.Keys(public))
	for _, g := range goldens(f) {
		if i := slices.Index(records, g.record); i >= 0 {
			f.Add(byte(i), g.data)
		}
	}
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		record := records[int(which)%len(records)]
		v := public[record]()
		if !sameVerdict(t, schemas, record, data) {
			return
		}
		require.NoError(t, event.DecodeStrict(data, v))
		requireRoundTrip(t, schemas, record, data, v, public[record]())
	})
}

// member of an object, as text: mutations need what a map cannot hold.
type member struct {
	name  string
	value string
}

func seedsOf(t testing.TB) map[string][][]member {
	t.Helper()
	out := map[string][][]member{}
	for _, g := range goldens(t) {
		var doc map[string]jsontext.Value
		if public[g.record] == nil || json.Unmarshal(g.data, &doc) != nil {
			continue
		}
		members := make([]member, 0, len(doc))
		for _, name := range slices.Sorted(maps.Keys(doc)) {
			members = append(members, member{name, string(doc[name])})
		}
		out[g.record] = append(out[g.record], members)
	}
	return out
}

func render(doc []member) []byte {
	var b strings.Builder
	b.WriteByte('{')
	for i, m := range doc {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%s:%s", quoted(m.name), m.value)
	}
	b.WriteByte('}')
	return []byte(b.String())
}
