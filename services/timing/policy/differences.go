package policy

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// Differences are the settings in which two policies decide differently, by their paths in the file, but for exploration: its
// shares and its seed only say which messages deviate from the policy.
func Differences(a, b Policy) []string {
	var out []string
	compare := func(path string, x, y any, except ...string) {
		v, w := reflect.ValueOf(x), reflect.ValueOf(y)
		for i := range v.NumField() {
			name := v.Type().Field(i).Tag.Get("yaml")
			if name == "" || slices.Contains(except, name) || reflect.DeepEqual(v.Field(i).Interface(), w.Field(i).Interface()) {
				continue
			}
			out = append(out, path+name)
		}
	}
	compare("", a, b, "name", "seed", "fatigue", "defaults", "categories")
	compare("fatigue.", a.Fatigue, b.Fatigue)
	compare("defaults.", a.Defaults, b.Defaults, "exploration")
	names := maps.Clone(a.Categories)
	if names == nil {
		names = map[string]Category{}
	}
	maps.Copy(names, b.Categories)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		compare(fmt.Sprintf("categories.%s.", name), a.For(name), b.For(name), "exploration")
	}
	return out
}
