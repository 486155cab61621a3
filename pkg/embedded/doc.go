// Package embedded runs a Kafka-protocol broker and a Redis in the process, for "kairos up" and for tests.
package embedded
