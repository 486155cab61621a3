package state

import "fmt"

// Buckets is the number of hash tags that users are spread over. It is written to Redis at first start and never changes.
const Buckets = 256

// Bucket of a user's key. Partition counts are powers of two ≤ Buckets, so a bucket lies in exactly one partition.
func Bucket(key string) int { return int(Murmur2([]byte(key))&0x7fffffff) % Buckets }

// Partition of a user's key among n partitions: the Java client's default partitioner.
func Partition(key string, n int) int { return int(Murmur2([]byte(key))&0x7fffffff) % n }

// Tag is the Redis Cluster hash tag of a bucket: all keys of its users lie in one slot.
func Tag(bucket int) string { return fmt.Sprintf("{b%03d}", bucket) }

// UserKey holds the blob of one user in one stage: "{b017}:timing:app|user".
func UserKey(stage, key string) string { return Tag(Bucket(key)) + ":" + stage + ":" + key }

// FenceKey is the hash that says who owns a bucket and how far its states are: "{b017}:fence:timing".
func FenceKey(stage string, bucket int) string { return Tag(bucket) + ":fence:" + stage }

// DueKey is the sorted set of the users of a bucket that want a wake-up, by Unix milliseconds: "{b017}:due:timing".
func DueKey(stage string, bucket int) string { return Tag(bucket) + ":due:" + stage }

// DirtyKey is the set of the users of a bucket that changed since the last checkpoint of the journal: "{b017}:dirty:timing".
func DirtyKey(stage string, bucket int) string { return Tag(bucket) + ":dirty:" + stage }

// Murmur2 is the hash of the Java Kafka client.
func Murmur2(data []byte) uint32 {
	const (
		seed uint32 = 0x9747b28c
		m    uint32 = 0x5bd1e995
	)
	h := seed ^ uint32(len(data))
	for ; len(data) >= 4; data = data[4:] {
		k := uint32(data[0]) | uint32(data[1])<<8 | uint32(data[2])<<16 | uint32(data[3])<<24
		k *= m
		k ^= k >> 24
		k *= m
		h = h*m ^ k
	}
	switch len(data) {
	case 3:
		h ^= uint32(data[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(data[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(data[0])) * m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}
