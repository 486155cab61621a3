// Package schematest judges records by the JSON Schemas in schemas/, for tests: what apps send, what services publish,
// and what the HTTP API answers. It shares no code with the decoders of package event on purpose. Not for production: those decide with
// Validate, and a differential test holds both to the same verdicts.
package schematest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// Set is every schema of the project, compiled.
type Set struct {
	byRecord map[string]*jsonschema.Schema
	answers  map[string]*jsonschema.Schema // components of openapi.yaml
}

// Dir is the schemas directory of this checkout.
func Dir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..", "schemas")
}

// Load compiles all schemas, formats and the keywords of our own asserted.
func Load(t testing.TB) *Set {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	compiler.RegisterFormat(&jsonschema.Format{Name: "go-duration", Validate: goDuration})
	compiler.RegisterFormat(&jsonschema.Format{Name: "iana-zone", Validate: ianaZone})
	compiler.AssertVocabs()
	compiler.RegisterVocabulary(vocabulary(t))

	files, err := filepath.Glob(filepath.Join(Dir(), "*.schema.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	ids := map[string]string{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		require.NoError(t, err, file)
		id, _ := doc.(map[string]any)["$id"].(string)
		require.True(t, strings.HasSuffix(id, "/"+filepath.Base(file)), "%s: $id must end in the file's name", file)
		require.NoError(t, compiler.AddResource(id, doc))
		ids[strings.TrimSuffix(filepath.Base(file), ".schema.json")] = id
	}
	s := &Set{byRecord: map[string]*jsonschema.Schema{}, answers: map[string]*jsonschema.Schema{}}
	for record, id := range ids {
		schema, err := compiler.Compile(id)
		require.NoError(t, err, record)
		s.byRecord[record] = schema
	}
	// OpenAPI 3.1 schemas are JSON Schema 2020-12; the document lies beside the records that it refers to.
	data, err := os.ReadFile(filepath.Join(Dir(), "openapi.yaml"))
	require.NoError(t, err)
	var api map[string]any
	require.NoError(t, yaml.Unmarshal(data, &api))
	id := strings.TrimSuffix(ids["message"], "message.schema.json") + "openapi.yaml"
	require.NoError(t, compiler.AddResource(id, api))
	for name := range api["components"].(map[string]any)["schemas"].(map[string]any) {
		s.answers[name], err = compiler.Compile(id + "#/components/schemas/" + name)
		require.NoError(t, err, name)
	}
	return s
}

// Records that there is a schema for: "message", "outcome", ….
func (s *Set) Records() []string {
	out := make([]string, 0, len(s.byRecord))
	for r := range s.byRecord {
		out = append(out, r)
	}
	return out
}

// Validate says whether data is a record of that kind, by its schema and by the rules about JSON text that no schema
// can state (see Text).
func (s *Set) Validate(record string, data []byte) error {
	return validate(s.byRecord[record], record, data)
}

// ValidateAnswer says whether data is what the HTTP API answers by that name: a schema of openapi.yaml's components.
func (s *Set) ValidateAnswer(name string, data []byte) error {
	return validate(s.answers[name], name, data)
}

func validate(schema *jsonschema.Schema, name string, data []byte) error {
	if schema == nil {
		return fmt.Errorf("no schema for %q", name)
	}
	if err := Text(data); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return err
	}
	return schema.Validate(doubles(v))
}

// doubles reads numbers as the 64-bit floats that JSON Schema implementations commonly use. One that does not fit
// stays larger than any bound.
func doubles(v any) any {
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		switch {
		case err == nil:
			return f
		case strings.HasPrefix(string(v), "-"):
			return json.Number("-1e400")
		default:
			return json.Number("1e400")
		}
	case map[string]any:
		for k := range v {
			v[k] = doubles(v[k])
		}
	case []any:
		for i := range v {
			v[i] = doubles(v[i])
		}
	}
	return v
}

func goDuration(v any) error {
	s, ok := v.(string)
	if !ok {
		return nil
	}
	d, err := time.ParseDuration(s)
	if err == nil && d < 0 {
		err = errors.New("negative")
	}
	return err
}

func ianaZone(v any) error {
	s, ok := v.(string)
	if !ok {
		return nil
	}
	if s == "" || s == "Local" {
		return errors.New("not in the IANA database")
	}
	_, err := time.LoadLocation(s)
	return err
}
