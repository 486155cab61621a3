package replay

import (
	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/topic"
	"github.com/kairos-push/kairos/services/ingest"
)

// input is the topic that a line's "topic" stands for.
var input = map[string]topic.Topic{
	"messages": topic.InMessages, "events": topic.InEvents, "signals": topic.InSignals,
	"receipts": topic.InReceipts, "devices": topic.InDevices, "users": topic.InUsers,
}

// accept makes a fact of a line, as ingest does.
func accept(l Line, app ingest.App) (*event.Fact, error) {
	return ingest.Accept(input[l.Topic], l.Record, app, l.At)
}
