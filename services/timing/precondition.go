package timing

import (
	"github.com/go-json-experiment/json"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
)

// environment is what a precondition sees: the profile as it is on the enriched topic. The attributes are always there,
// so that one that is not set is an unknown member and not an unknown object.
func environment(p *profile.Profile) map[string]any {
	env := map[string]any{}
	if text, err := event.Encode(p); err == nil {
		_ = json.Unmarshal(text, &env) // our own encoding reads back
	}
	if env["attributes"] == nil {
		env["attributes"] = map[string]any{}
	}
	return env
}
