package schematest_test

import (
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/event/schematest"
	"github.com/kairos-push/kairos/pkg/profile"
)

// A member that is added to a type or to its schema must be added to the other.
func TestTypesAndSchemasHaveTheSameMembers(t *testing.T) {
	t.Parallel()
	docs := load(t)
	for where, typ := range map[string]any{
		"message": event.Message{}, "cancel": event.Cancel{}, "event": event.Event{}, "signal": event.Signal{},
		"receipt": event.Receipt{}, "device": event.Device{}, "user": event.User{},
		"outcome": event.Outcome{}, "decision": event.Decision{},
		"fact": event.Fact{}, "result": event.Result{}, "release": event.Release{}, "target": event.Target{},
		"enriched": profile.Enriched{}, "profile": profile.Profile{},
		"common#/$defs/window": event.Window{}, "common#/$defs/consent": event.Consent{},
		"profile#/properties/devices/items": profile.Device{},
	} {
		file, pointer, _ := strings.Cut(where, "#")
		_, schema, ok := docs.at("", file+".schema.json#"+pointer)
		require.True(t, ok, where)
		members := slices.Sorted(maps.Keys(dig(t, schema, "properties").(map[string]any)))
		require.Equal(t, namesOf(reflect.TypeOf(typ)), members, where)
		for _, name := range members {
			if required, ok := schema.(map[string]any)["required"].([]any); ok && slices.Contains(required, any(name)) {
				require.NotContains(t, tagOf(reflect.TypeOf(typ), name), "omit", "%s.%s is required", where, name)
			}
		}
	}
}

func namesOf(t reflect.Type) []string {
	var names []string
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case options == "embed":
			names = append(names, namesOf(field.Type)...)
		case name != "-":
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func tagOf(t reflect.Type, name string) string {
	for field := range t.Fields() {
		tag := field.Tag.Get("json")
		if n, options, _ := strings.Cut(tag, ","); n == name {
			return options
		}
	}
	return ""
}

func TestEveryRecordHasExamples(t *testing.T) {
	t.Parallel()
	parts := []string{"common", "profile", "result", "target"} // come inside other records
	for _, record := range schematest.Load(t).Records() {
		if slices.Contains(parts, record) {
			continue
		}
		for _, kind := range []string{"valid", "invalid"} {
			files, err := filepath.Glob(filepath.Join(schematest.Dir(), "examples", record, kind+"-*.json"))
			require.NoError(t, err)
			require.NotEmpty(t, files, "%s: no %s example", record, kind)
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat(`[`, n) + strings.Repeat(`]`, n) }
	for _, ok := range []string{`{}`, ` {"a":1} `, `"\ud83d\ude00"`, `{"a":{"b":1},"b":1}`, `[{"a":1},{"a":1}]`, deep(16), `"` + strings.Repeat("[", 99) + `"`} {
		require.NoError(t, schematest.Text([]byte(ok)), ok)
	}
	for _, bad := range []string{
		``, `{`, `{} {}`, "\ufeff{}", `{"a":1,"a":1}`, `[{"b":{"a":1,"\u0061":1}}]`, `"\ud83d"`, `"\ude00\ud83d"`, `"\ud83dx"`, "\"\xff\"", deep(17),
		`"` + strings.Repeat("a", 64<<10) + `"`,
	} {
		require.Error(t, schematest.Text([]byte(bad)), bad)
	}
}
