package timing

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
)

// Every member that can be long counts; the rest have a few words to choose from.
func TestContentCountsAllThatAMessageSays(t *testing.T) {
	t.Parallel()
	const long = 1000
	short := map[string]bool{
		"Priority": true, "Timing": true, "SendAtZone": true, "QuietHours": true, "AtDeadline": true, "OnAmbiguous": true, "Devices": true,
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[event.Message]()) {
		var m event.Message
		switch v := reflect.ValueOf(&m).Elem().FieldByIndex(f.Index).Addr().Interface().(type) {
		case *string:
			*v = strings.Repeat("x", long)
		case *event.Object:
			*v = event.Object(strings.Repeat("x", long))
		case *[]string:
			*v = []string{strings.Repeat("x", long)}
		default:
			continue
		}
		require.Equal(t, !short[f.Name], content(&m) >= long, f.Name)
	}
}
