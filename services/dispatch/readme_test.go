package dispatch_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/services/dispatch/apns"
	"github.com/kairos-push/kairos/services/dispatch/fcm"
	"github.com/kairos-push/kairos/services/dispatch/push"
	"github.com/kairos-push/kairos/services/dispatch/webpush"
)

var update = flag.Bool("update", false, "write the tables into the README")

// TestTablesAreInTheReadme: the tables that decide are the tables that are read.
func TestTablesAreInTheReadme(t *testing.T) {
	data, err := os.ReadFile("README.md")
	require.NoError(t, err)
	text := string(data)
	for name, table := range map[string]push.Table{"apns": apns.Table, "fcm": fcm.Table, "webpush": webpush.Table} {
		head, rest, ok := strings.Cut(text, "<!-- "+name+" -->\n")
		require.True(t, ok)
		old, tail, ok := strings.Cut(rest, "<!-- /"+name+" -->")
		require.True(t, ok)
		if *update {
			text = head + "<!-- " + name + " -->\n" + table.Markdown() + "<!-- /" + name + " -->" + tail
		} else {
			require.Equal(t, table.Markdown(), old, "run go test -run Readme -update .")
		}
	}
	if *update {
		require.NoError(t, os.WriteFile("README.md", []byte(text), 0o644))
	}
}

// TestTablesNameEachAnswerOnce: a table is a function.
func TestTablesNameEachAnswerOnce(t *testing.T) {
	t.Parallel()
	for name, table := range map[string]push.Table{"apns": apns.Table, "fcm": fcm.Table, "webpush": webpush.Table} {
		seen := map[push.Rule]bool{}
		for _, r := range table {
			key := push.Rule{Status: r.Status, Reason: r.Reason}
			require.False(t, seen[key], "%s: %+v", name, key)
			seen[key] = true
			if r.Class == push.Config {
				require.NotEmpty(t, r.Note, "%s: %+v says what to fix", name, key)
			}
			require.NotEqual(t, push.Ambiguous, r.Class)
		}
	}
}

func TestAnswersThatNoRuleNames(t *testing.T) {
	t.Parallel()
	for status, class := range map[int]push.Class{
		204: push.Sent, 299: push.Sent, 302: push.Config, 418: push.Drop, 429: push.RetryAfter, 500: push.Retry, 599: push.Retry, 100: push.Drop,
	} {
		v := push.Table{}.Judge(status, "", 0)
		require.Equal(t, class, v.Class, status)
	}
	require.Equal(t, push.RetryAfter, push.Table{}.Judge(503, "", 1).Class)
}
