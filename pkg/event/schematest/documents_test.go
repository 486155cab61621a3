package schematest_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/kairos-push/kairos/pkg/event/schematest"
	"github.com/kairos-push/kairos/pkg/topic"
)

// library holds every document of schemas/ by file name, as maps and slices.
type library map[string]any

func load(t *testing.T) library {
	t.Helper()
	out := library{}
	for _, pattern := range []string{"*.yaml", "*.json"} {
		files, err := filepath.Glob(filepath.Join(schematest.Dir(), pattern))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			var doc any
			if strings.HasSuffix(file, ".json") {
				require.NoError(t, json.Unmarshal(data, &doc), file)
			} else {
				require.NoError(t, yaml.Unmarshal(data, &doc), file)
			}
			out[filepath.Base(file)] = doc
		}
	}
	return out
}

// at follows a reference from a document: file and JSON pointer. It returns the document that it ends in.
func (l library) at(from, ref string) (file string, v any, ok bool) {
	file, pointer, _ := strings.Cut(strings.TrimPrefix(ref, "./"), "#")
	if file == "" {
		file = from
	}
	if v, ok = l[file]; !ok {
		return file, nil, false
	}
	for _, token := range strings.Split(pointer, "/")[1:] {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		switch node := v.(type) {
		case map[string]any:
			v, ok = node[token]
		case []any:
			i, err := strconv.Atoi(token)
			if ok = err == nil && i < len(node); ok {
				v = node[i]
			}
		default:
			ok = false
		}
		if !ok {
			return file, nil, false
		}
	}
	return file, v, true
}

// refs calls f with every reference in v.
func refs(v any, f func(ref string)) {
	switch v := v.(type) {
	case map[string]any:
		for key, child := range v {
			if s, ok := child.(string); ok && key == "$ref" {
				f(s)
				continue
			}
			refs(child, f)
		}
	case []any:
		for _, child := range v {
			refs(child, f)
		}
	}
}

func dig(t *testing.T, v any, path ...string) any {
	t.Helper()
	for _, key := range path {
		m, ok := v.(map[string]any)
		require.True(t, ok, "no object on the way to %v", path)
		require.Contains(t, m, key, "on the way to %v", path)
		v = m[key]
	}
	return v
}

func TestEveryReferenceResolvesAndEverySchemaIsUsed(t *testing.T) {
	t.Parallel()
	docs := load(t)
	used := map[string]bool{"asyncapi.yaml": true, "openapi.yaml": true}
	for name, doc := range docs {
		refs(doc, func(ref string) {
			file, _, ok := docs.at(name, ref)
			require.True(t, ok, "%s: %s leads nowhere", name, ref)
			used[file] = true
		})
	}
	for name := range docs {
		require.True(t, used[name], "nothing refers to %s", name)
	}
}

func TestAsyncAPIDescribesEveryTopic(t *testing.T) {
	t.Parallel()
	docs := load(t)
	doc := docs["asyncapi.yaml"]
	require.Equal(t, "3.0.0", dig(t, doc, "asyncapi"))

	used := map[string]map[string]bool{} // channel → actions
	for id, op := range dig(t, doc, "operations").(map[string]any) {
		ref := dig(t, op, "channel", "$ref").(string)
		channel := strings.TrimPrefix(ref, "#/channels/")
		if used[channel] == nil {
			used[channel] = map[string]bool{}
		}
		used[channel][dig(t, op, "action").(string)] = true
		for _, m := range dig(t, op, "messages").([]any) {
			require.True(t, strings.HasPrefix(dig(t, m, "$ref").(string), ref+"/messages/"), "%s names a message of another channel", id)
		}
	}

	byAddress := map[string]any{}
	for id, channel := range dig(t, doc, "channels").(map[string]any) {
		address := dig(t, channel, "address").(string)
		require.NotContains(t, byAddress, address)
		byAddress[address] = channel
		require.True(t, used[id]["send"] && used[id]["receive"], "%s needs somebody who writes and somebody who reads", id)
	}
	require.Len(t, byAddress, len(topic.WithDLQs()))
	for _, tp := range topic.WithDLQs() {
		channel, ok := byAddress[tp.Full(topic.DefaultPrefix)]
		require.True(t, ok, "%s is missing", tp.Name)
		settings := dig(t, channel, "bindings", "kafka", "topicConfiguration").(map[string]any)
		if tp.Compact {
			require.Equal(t, []any{"compact"}, settings["cleanup.policy"], tp.Name)
			require.NotContains(t, settings, "retention.ms", tp.Name)
		} else {
			require.Equal(t, []any{"delete"}, settings["cleanup.policy"], tp.Name)
			require.EqualValues(t, (time.Duration(tp.RetentionHours) * time.Hour).Milliseconds(), settings["retention.ms"], tp.Name)
		}
	}
	for _, header := range []string{topic.DeadTopic, topic.DeadPartition, topic.DeadOffset, topic.DeadStage, topic.DeadReason} {
		require.Contains(t, dig(t, doc, "components", "messages", "deadLetter", "headers", "required"), header)
	}
}

func TestOpenAPIDescribesEveryAnswer(t *testing.T) {
	t.Parallel()
	docs := load(t)
	doc := docs["openapi.yaml"]
	require.Equal(t, "3.1.0", dig(t, doc, "openapi"))
	require.NotEmpty(t, dig(t, doc, "security"))
	var operations []string
	for path, item := range dig(t, doc, "paths").(map[string]any) {
		for method, op := range item.(map[string]any) {
			if method == "parameters" {
				continue
			}
			operations = append(operations, strings.ToUpper(method)+" "+path)
			answers := dig(t, op, "responses").(map[string]any)
			require.Contains(t, answers, "401", operations)
			good := 0
			for status, answer := range answers {
				_, resolved, ok := docs.at("openapi.yaml", orSelf(answer))
				if !ok {
					resolved = answer
				}
				require.NotEmpty(t, dig(t, resolved, "description"))
				if status < "300" {
					good++
					dig(t, resolved, "content", "application/json", "schema")
					continue
				}
				dig(t, resolved, "content", "application/problem+json", "schema")
			}
			require.Positive(t, good, "%s %s has no answer of success", method, path)
		}
	}
	slices.Sort(operations)
	require.Equal(t, []string{
		"DELETE /v1/messages/{id}", "DELETE /v1/users/{id}", "GET /v1/messages/{id}", "GET /v1/users/{id}/moments",
		"POST /v1/events", "POST /v1/messages", "POST /v1/receipts", "POST /v1/signals",
		"PUT /v1/devices/{id}", "PUT /v1/users/{id}",
	}, operations)
	dig(t, doc, "components", "responses", "busy", "headers", "Retry-After")
}

// orSelf is the reference that v is, or one that leads nowhere.
func orSelf(v any) string {
	if m, ok := v.(map[string]any); ok {
		if ref, ok := m["$ref"].(string); ok {
			return ref
		}
	}
	return "none"
}

// Rows are loaded by column name, so both SQL files must name every column of an outcome.
func TestSQLNamesEveryColumnOfAnOutcome(t *testing.T) {
	t.Parallel()
	columns := dig(t, load(t)["outcome.schema.json"], "properties").(map[string]any)
	for _, file := range []string{"duckdb.sql", "clickhouse.sql"} {
		data, err := os.ReadFile(filepath.Join(schematest.Dir(), "sql", file))
		require.NoError(t, err)
		for name := range columns {
			require.Regexp(t, `(?m)^\s+`+name+`:? `, string(data), file)
		}
	}
}
