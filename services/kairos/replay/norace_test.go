//go:build !race

package replay_test

const logMessages = 59835
