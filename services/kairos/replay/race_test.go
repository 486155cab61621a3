//go:build race

package replay_test

// The race detector takes ten times as long: a part of the log is enough for it. CI runs the whole without it.
const logMessages = 4000
