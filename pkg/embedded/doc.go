// Package embedded runs a Kafka-protocol broker (kfake) and a Redis (miniredis) in the process, for "kairos up" and for
// tests. Both speak the real wire protocols, over TCP or, for testing/synctest, over an in-memory network. It is not
// for production: services never import it.
package embedded
