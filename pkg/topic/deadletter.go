package topic

// Headers of a dead letter. Key and value are the original bytes, and so are the other headers.
const (
	DeadTopic     = "kairos-dlq-topic"     // where the record was read, without prefix
	DeadPartition = "kairos-dlq-partition" // decimal
	DeadOffset    = "kairos-dlq-offset"    // decimal
	DeadStage     = "kairos-dlq-stage"     // who refused it: "ingest", "enrich", …
	DeadReason    = "kairos-dlq-reason"    // field, rule and value seen, one per line
	DeadTruncated = "kairos-dlq-truncated" // length of the original value, when it did not fit beside the headers
)
