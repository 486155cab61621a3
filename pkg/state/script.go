package state

import (
	"context"
	_ "embed"
	"errors"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed acquire.lua
	acquireSource string
	//go:embed store.lua
	storeSource string

	acquireScript = redis.NewScript(acquireSource)
	storeScript   = redis.NewScript(storeSource)
)

// Call is one run of a script.
type Call struct {
	Keys []string
	Args []any
}

// Run sends all calls in one round trip per node, by hash; those that meet a server without the script are sent again
// with the source. The calls must bear being done twice.
func Run(ctx context.Context, rdb redis.UniversalClient, script *redis.Script, calls []Call) ([]*redis.Cmd, error) {
	cmds, err := pipe(ctx, rdb, calls, script.EvalSha)
	var missing []int
	for i, cmd := range cmds {
		if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
			missing = append(missing, i)
		} else if cmd.Err() != nil {
			return nil, cmd.Err()
		}
	}
	if len(missing) == 0 {
		return cmds, err
	}
	again := make([]Call, len(missing))
	for i, at := range missing {
		again[i] = calls[at]
	}
	redone, err := pipe(ctx, rdb, again, script.Eval)
	if err != nil {
		return nil, err
	}
	for i, at := range missing {
		cmds[at] = redone[i]
	}
	return cmds, nil
}

type eval func(ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd

func pipe(ctx context.Context, rdb redis.UniversalClient, calls []Call, do eval) ([]*redis.Cmd, error) {
	cmds := make([]*redis.Cmd, len(calls))
	_, err := rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, c := range calls {
			cmds[i] = do(ctx, p, c.Keys, c.Args...)
		}
		return nil
	})
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	return cmds, err
}
