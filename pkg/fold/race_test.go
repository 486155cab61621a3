//go:build race

package fold

func init() { raced = true }
