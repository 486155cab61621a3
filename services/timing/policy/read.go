package policy

import (
	"cmp"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// read reads a YAML document into a policy. An unknown key is an error.
func read(data []byte, p *Policy) error {
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	if len(document.Content) == 0 { // comments alone
		return nil
	}
	if err := errors.Join(faults(document.Content[0], reflect.TypeFor[Policy](), "")...); err != nil {
		return err
	}
	if err := document.Decode(p); err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	return nil
}

// faults holds a document to the type that it is for. The decoder alone names a line at most; this names the field, the
// rule, the value and the line of all that is wrong.
func faults(n *yaml.Node, t reflect.Type, path string) (errs []error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	fail := func(n *yaml.Node, path, rule string) {
		errs = append(errs, fmt.Errorf("policy: %s: line %d: %s", cmp.Or(path, "the file"), n.Line, rule))
	}
	value := reflect.New(t).Interface()
	text, isText := value.(encoding.TextUnmarshaler)
	wants := func(kind yaml.Kind, name string) bool {
		if n.Kind != kind {
			fail(n, path, "want "+name+got(n))
		}
		return n.Kind == kind
	}
	switch {
	case n.ShortTag() == "!!null": // leaves the default
	case isText:
		if !wants(yaml.ScalarNode, "a single value") {
			break
		}
		if err := text.UnmarshalText([]byte(n.Value)); err != nil {
			fail(n, path, err.Error()+got(n))
		}
	case scalars[t.Kind()] != "":
		whole := scalars[t.Kind()] != wholeNumber || n.ShortTag() == "!!int" // the decoder would cut off a fraction
		if n.Decode(value) != nil || !whole {
			fail(n, path, "want "+scalars[t.Kind()]+got(n))
		}
	case t.Kind() == reflect.Slice && wants(yaml.SequenceNode, "a list"):
		for i, c := range n.Content {
			errs = append(errs, faults(c, t.Elem(), fmt.Sprintf("%s[%d]", path, i))...)
		}
	case t.Kind() != reflect.Slice && wants(yaml.MappingNode, "keys and values"):
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, within := n.Content[i], path
			if within != "" {
				within += "."
			}
			of := member(t, key.Value)
			switch {
			case key.ShortTag() == "!!merge":
				errs = append(errs, faults(n.Content[i+1], t, path)...)
			case of == nil:
				fail(key, within+key.Value, "there is no such key")
			default:
				errs = append(errs, faults(n.Content[i+1], of, within+key.Value)...)
			}
		}
	}
	return errs
}

const wholeNumber = "a whole number"

// scalars are what plain values are called.
var scalars = map[reflect.Kind]string{
	reflect.String: "text", reflect.Int: wholeNumber, reflect.Int64: wholeNumber, reflect.Float64: "a number",
}

// member is the type of what lies under a key of a struct or map; nil if nothing does.
func member(t reflect.Type, key string) reflect.Type {
	if t.Kind() == reflect.Map {
		return t.Elem()
	}
	for f := range t.Fields() {
		if f.IsExported() && cmp.Or(f.Tag.Get("yaml"), strings.ToLower(f.Name)) == key {
			return f.Type
		}
	}
	return nil
}

// got repeats a plain value.
func got(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode {
		return ""
	}
	return fmt.Sprintf(", got %.50q", n.Value)
}
