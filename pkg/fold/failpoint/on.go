//go:build failpoint

package failpoint

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

var (
	mu     sync.Mutex
	places = map[string]func(context.Context) error{}
	off    = map[string]bool{}
)

func init() {
	for _, text := range fields(os.Getenv("KAIROS_FAILPOINTS")) {
		place, action, _ := strings.Cut(text, "=")
		places[place] = parse(action)
	}
	for _, guard := range fields(os.Getenv("KAIROS_GUARDS_OFF")) {
		off[guard] = true
	}
}

func fields(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' })
}

// parse reads "kill", "stop", "kill:N" (at the N-th pass) or "sleep:DURATION".
func parse(action string) func(context.Context) error {
	verb, arg, _ := strings.Cut(action, ":")
	var sig syscall.Signal
	switch verb {
	case "kill":
		sig = syscall.SIGKILL
	case "stop":
		sig = syscall.SIGSTOP
	case "sleep":
		d, err := time.ParseDuration(arg)
		if err != nil {
			panic(fmt.Sprintf("KAIROS_FAILPOINTS: %q: %v", action, err))
		}
		return func(ctx context.Context) error {
			select {
			case <-ctx.Done():
			case <-time.After(d): //nolint:forbidigo // a build for tests only
			}
			return nil
		}
	default:
		panic(fmt.Sprintf("KAIROS_FAILPOINTS: %q: want kill, stop or sleep", action))
	}
	left, err := strconv.Atoi(arg)
	if err != nil {
		left = 1
	}
	return func(context.Context) error {
		mu.Lock()
		left--
		now := left == 0
		mu.Unlock()
		if now {
			return syscall.Kill(os.Getpid(), sig)
		}
		return nil
	}
}

// Set makes do run at a place; nil takes it back.
func Set(place string, do func(context.Context) error) {
	mu.Lock()
	defer mu.Unlock()
	if do == nil {
		delete(places, place)
		return
	}
	places[place] = do
}

// Disable switches a guard off, or on again.
func Disable(guard string, yes bool) {
	mu.Lock()
	defer mu.Unlock()
	off[guard] = yes
}

// Hit passes a place. An error fails the batch.
func Hit(ctx context.Context, place string) error {
	mu.Lock()
	do := places[place]
	mu.Unlock()
	if do == nil {
		return nil
	}
	return do(ctx)
}

// Off says whether a guard is switched off.
func Off(guard string) bool {
	mu.Lock()
	defer mu.Unlock()
	return off[guard]
}

// Skew is how wrong the process's clock is to be.
func Skew() time.Duration {
	text := os.Getenv("KAIROS_CLOCK_SKEW")
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		panic(fmt.Sprintf("KAIROS_CLOCK_SKEW: %v", err))
	}
	return d
}
