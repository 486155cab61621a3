package fcm

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

// An answer without expires_in, or one that is past, is no reason to ask without a pause.
func TestATokenWithoutALifeIsAskedForOnce(t *testing.T) {
	t.Parallel()
	for name, life := range map[string]time.Duration{"no expiry": 0, "past": -time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			now, asked := time.Now(), 0
			tok := &oauth2.Token{AccessToken: "a"}
			if life != 0 {
				tok.Expiry = now.Add(life)
			}
			source := &tokens{fetch: func() (*oauth2.Token, error) {
				if asked++; asked > 2 {
					return &oauth2.Token{AccessToken: "b", Expiry: now.Add(time.Hour)}, nil
				}
				return tok, nil
			}}
			for i, after := range []time.Duration{0, tokenRetry - 1, tokenRetry} {
				_, err := source.get(t.Context(), now.Add(after))
				require.ErrorContains(t, err, "valid for a time", name)
				require.Equal(t, 1+i/2, asked, name)
			}
			header, err := source.get(t.Context(), now.Add(2*tokenRetry))
			require.NoError(t, err)
			require.Equal(t, "Bearer b", header)
		})
	}
}
