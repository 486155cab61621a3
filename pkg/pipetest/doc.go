// Package pipetest gives tests real and embedded Kafka and Redis servers behind the same handle.
package pipetest
