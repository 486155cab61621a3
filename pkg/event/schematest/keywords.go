package schematest

import (
	"encoding/json"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"github.com/stretchr/testify/require"
)

// rules are the keywords of our own in one schema object.
type rules struct {
	maxBytes int         // x-max-bytes: length of a string in UTF-8
	notAfter [][2]string // x-not-after: pairs of time members, the first not after the second
	distinct [2]string   // x-distinct: two members whose values differ
	finite   bool        // x-finite: numbers at any depth fit a 64-bit float
}

func vocabulary(t testing.TB) *jsonschema.Vocabulary {
	t.Helper()
	const url = "https://github.com/kairos-push/kairos/schemas/vocabulary"
	meta, err := jsonschema.UnmarshalJSON(strings.NewReader(`{"properties": {
		"x-max-bytes": {"type": "integer", "minimum": 1},
		"x-not-after": {"type": "array", "items": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2}},
		"x-distinct": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
		"x-finite": {"const": true}
	}, "patternProperties": {"^x-": true}}`))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource(url, meta))
	schema, err := c.Compile(url)
	require.NoError(t, err)
	return &jsonschema.Vocabulary{URL: url, Schema: schema, Compile: compile}
}

func compile(_ *jsonschema.CompilerContext, obj map[string]any) (jsonschema.SchemaExt, error) {
	var r rules
	if n, ok := obj["x-max-bytes"].(json.Number); ok {
		limit, err := n.Int64()
		if err != nil {
			return nil, err
		}
		r.maxBytes = int(limit)
	}
	if pairs, ok := obj["x-not-after"].([]any); ok {
		for _, p := range pairs {
			r.notAfter = append(r.notAfter, pair(p))
		}
	}
	if p, ok := obj["x-distinct"]; ok {
		r.distinct = pair(p)
	}
	_, r.finite = obj["x-finite"]
	if r.maxBytes == 0 && r.notAfter == nil && r.distinct[0] == "" && !r.finite {
		return nil, nil //nolint:nilnil // what the library wants for "none of our keywords here"
	}
	return &r, nil
}

func pair(v any) [2]string {
	list := v.([]any)
	return [2]string{list[0].(string), list[1].(string)}
}

// Validate is called by the library for each value that the schema object applies to.
func (r *rules) Validate(ctx *jsonschema.ValidatorContext, v any) {
	if s, ok := v.(string); ok && r.maxBytes > 0 && len(s) > r.maxBytes {
		ctx.AddError(&kind.MaxLength{Got: len(s), Want: r.maxBytes})
	}
	obj, ok := v.(map[string]any)
	if !ok {
		return
	}
	if r.finite && !finite(obj) {
		ctx.AddError(&kind.Maximum{Got: new(big.Rat), Want: new(big.Rat).SetFloat64(math.MaxFloat64)})
	}
	for _, p := range r.notAfter {
		first, err1 := time.Parse(time.RFC3339, str(obj[p[0]]))
		second, err2 := time.Parse(time.RFC3339, str(obj[p[1]]))
		if err1 == nil && err2 == nil && first.After(second) {
			ctx.AddError(&kind.DependentRequired{Prop: p[0], Missing: []string{p[1] + " at or after it"}})
		}
	}
	if d := r.distinct; d[0] != "" && obj[d[0]] != nil && obj[d[0]] == obj[d[1]] {
		ctx.AddError(&kind.DependentRequired{Prop: d[0], Missing: []string{d[1] + " other than it"}})
	}
}

// finite looks for the numbers that doubles left as text because they do not fit.
func finite(v any) bool {
	switch v := v.(type) {
	case json.Number:
		return false
	case map[string]any:
		for _, e := range v {
			if !finite(e) {
				return false
			}
		}
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !finite(e) })
	}
	return true
}

func str(v any) string {
	s, _ := v.(string)
	return s
}
