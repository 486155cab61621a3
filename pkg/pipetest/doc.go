// Package pipetest gives tests Kafka and Redis servers behind one handle: embedded in the process, embedded on an
// in-memory network for testing/synctest, or real processes (Apache Kafka and redis-server) that can be killed, frozen
// and restarted, with a faulty network in front. Only tests import it.
//
// Apache Kafka is started from the jars in KAIROS_KAFKA_LIBS, or .cache/kafka/libs above the working directory; the
// script .ci/kafka/get fetches them. A test that needs a real server and cannot have it fails.
package pipetest
