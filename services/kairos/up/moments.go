package up

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/services/ingest"
)

// profileOf reads a person's profile where enrich keeps it.
func profileOf(ctx context.Context, db redis.UniversalClient, app, user string) (*profile.Profile, error) {
	raw, err := db.Get(ctx, state.UserKey("enrich", event.Key(app, user))).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, ingest.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	blob, err := state.DecodeBlob(raw)
	if err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	return profile.Decode(blob.State)
}
