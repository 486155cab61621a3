package precondition_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/precondition"
)

func TestThreeTruths(t *testing.T) {
	t.Parallel()
	env := map[string]any{
		"cohort":     "beta",
		"attributes": map[string]any{"cart": "open", "sum": 12.5, "tags": []any{"a", "b"}, "gone": nil},
	}
	for text, want := range map[string]precondition.Truth{
		`attributes.cart == 'open'`:                          precondition.Holds,
		`attributes["cart"] == "open"`:                       precondition.Holds,
		`attributes.sum > 20`:                                precondition.Fails,
		`attributes.unheard == 'x'`:                          precondition.Unknown,
		`attributes.unheard != 'x'`:                          precondition.Unknown,
		`unheard == 1`:                                       precondition.Unknown,
		`attributes?.unheard == nil`:                         precondition.Holds,
		`attributes.gone == nil`:                             precondition.Holds,
		`attributes.cart > 5`:                                precondition.Unknown,
		`let x = attributes.sum; x > 10 && cohort == "beta"`: precondition.Holds,
		`"a" in attributes.tags`:                             precondition.Holds,
		`any(attributes.tags, # == "z")`:                     precondition.Fails,
		`now() > 1`:                                          precondition.Unknown,
		`len(filter(attributes.tags, # != "a")) == 1`:        precondition.Holds,
		`1 +`: precondition.Unknown,
	} {
		require.Equal(t, want, precondition.Test(text, env), text)
	}
}

func TestCheckRefusesWhatHasNoTrueOrFalseAnswer(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"1 +", "1 + 1", "'yes'", "now() > 1", "known(cohort, 'x') == 1", "attributes.f()", "f(", strings.Repeat("(", 500)} {
		require.Error(t, precondition.Check(bad), bad)
	}
	require.NoError(t, precondition.Check("attributes.cart == 'open'"))
	for i := range 3000 { // more than are kept
		require.NoError(t, precondition.Check(fmt.Sprintf("attributes.n == %d", i)))
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("attributes.cart == 'open'")
	f.Add("let x = a; any(x, # > 1)")
	f.Fuzz(func(_ *testing.T, text string) {
		if len(text) > 1024 || precondition.Check(text) != nil {
			return
		}
		precondition.Test(text, map[string]any{"attributes": map[string]any{"cart": "open", "n": 1.0}})
	})
}
